"""The world model against reality: what it predicts of real episodes without seeing them."""

import numpy as np
import tensorflow as tf

from mbrl_tf.data import windows as windows_lib

_PREDICTED = (15, 3)      # decisions predicted: the first that an episode is long enough for
_DISTANCES = (1, 3, 15)   # at which errors are told
_WINDOWS = 16


class OpenLoop:
  """Shows the model one observation and the actions after it, and lets it predict rewards and
  latent states."""

  def __init__(self, world_model):
    """Only keeps its argument, a `WorldModel`."""
    self._world_model = world_model
    # Not by XLA: it runs once in an iteration.
    self._compiled = tf.function(self._predict, autograph=False, reduce_retracing=True)

  def errors(self, episodes):
    """Mean squared errors at some distances from the observation seen, of rewards in their own
    unit, and of latents.

    Returns:
      `model/reward_error_horizon_<h>` and `model/latent_error_horizon_<h>` for h = 1, 3, 15; not
      for 15 where no episode has 15 decisions.
    """
    frames = self._world_model.frames
    windows, length = windows_lib.spread(episodes, _WINDOWS, frames, _PREDICTED)
    if not windows:
      return {}
    rows = frames + length
    shown = [tf.nest.map_structure(lambda value: value[start:start + rows], episode.observation)
             for episode, start in windows]
    observation = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *shown)
    cut = lambda array, start: array[start + frames - 1:][:length]
    actions = np.stack([cut(episode.action, start) for episode, start in windows])
    rewards, latents, seen = self._compiled(
        stacked(self._world_model, observation), tf.constant(actions))
    truth = np.stack([cut(episode.reward, start) for episode, start in windows])
    squared = {'reward': np.square(rewards.numpy() - truth).mean(0),
               'latent': np.square(latents.numpy() - seen.numpy()[:, 1:]).mean((0, 2))}
    return {f'model/{kind}_error_horizon_{h}': float(errors[h - 1])
            for kind, errors in squared.items() for h in _DISTANCES if h <= length}

  def _predict(self, observation, actions):
    """Predicted rewards `[n, length]`, predicted latents `[n, length, L]`, and those of the
    observations `[n, 1 + length, L]`."""
    world = self._world_model
    seen, features = world.encode(observation), world.action_features(actions)
    latent, rewards, latents = seen[:, 0], [], []
    for t in range(features.shape[1]):
      rewards.append(world.reward(latent, features[:, t]).mean())
      latent = world.next(latent, features[:, t])
      latents.append(latent)
    return world.reward_unit.value * tf.stack(rewards, 1), tf.stack(latents, 1), seen


def stacked(world_model, observation):
  """Observations `[n, frames - 1 + T, ...]` with images stacked as the model reads them, `[n, T,
  ...]`."""
  frames, images = world_model.frames, world_model.images
  if frames == 1:
    return observation

  def of(key, value):
    rows = value.shape[1] - (frames - 1)
    parts = [value[:, back:back + rows] for back in range(frames)]
    return tf.concat(parts, -1) if key in images else parts[-1]

  if not isinstance(observation, dict):
    return of('observation', observation)
  return {key: of(key, value) for key, value in observation.items()}
