"""How far the ensemble's predictions drift from real episodes when it is fed its own
predictions.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

HORIZONS = (1, 5, 10, 20, 50, 100, 200)


class Drift(NamedTuple):
  """What members predict along the actions of `B` real episodes, as arrays."""
  error: Any               # [H], root mean squared, in deviations of the observations
  disagreement: Any        # [H], deviation across members
  reward: Any              # [K, B, H], in the task's unit
  survival: Any            # [K, B, H], probability that no end came until the end of the step


class OpenLoop:
  """Runs each member along the actions of real episodes, from their first observation.

  Errors are in standard deviations of the observations that the ensemble was fitted to; rewards are
  in the task's unit.
  """

  def __init__(self, ensemble, joined, clipped, outcomes, episodes, horizon):
    """Compiles one program for a fixed number of episodes and steps.

    Args:
      ensemble: `DynamicsEnsemble`.
      joined: function from the observations of an episode to vectors `[T + 1, O]`.
      clipped: function from actions to those that the simulator takes.
      outcomes: `Outcomes`.
      episodes: how many are compared at most; missing ones and missing steps are masked.
      horizon: steps compared at most.
    """
    self._ensemble, self._outcomes = ensemble, outcomes
    self._joined, self._clipped = joined, clipped
    self._episodes, self._horizon = episodes, horizon
    self._compiled = tf.function(self._drift, jit_compile=True, autograph=False)

  def errors(self, episodes):
    """Returns metrics of prediction by horizon.

    Args:
      episodes: `types.Episode`s that the ensemble was not fitted to; where there are more than are
        compared, evenly spaced ones from the shortest to the longest, for the first to end would be
        the worst.

    Returns:
      A dict, for each horizon that an episode reaches: `model/error_horizon_<h>`, root mean
      squared;
      `model/disagreement_horizon_<h>`, the standard deviation across members; and
      `model/reward_error_horizon_<h>`, root mean squared, of the reward of that step. For each
      horizon that an episode reaches or terminates before, the means over these episodes of
      `model/return_real_horizon_<h>`, what their steps until then paid, beside
      `model/return_predicted_horizon_<h>` for the same steps; and of
      `model/survival_real_horizon_<h>`, whether they had not terminated, beside
      `model/survival_predicted_horizon_<h>`, how likely that was.
      Nothing where there are no episodes.
    """
    if not episodes:
      return {}
    shape = (self._episodes, self._horizon)
    actions = np.zeros(shape + np.shape(episodes[0].action)[1:], episodes[0].action.dtype)
    states = np.zeros((shape[0], shape[1] + 1, self._ensemble.observation_size), np.float32)
    mask, rewards = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    terminated = np.zeros(shape[0], bool)
    for row, episode in enumerate(_evenly(episodes, self._episodes)):
      steps = min(len(episode.reward), self._horizon)
      actions[row, :steps] = episode.action[:steps]
      vectors = self._joined(episode.observation)[:steps + 1]
      states[row, :steps + 1] = self._ensemble.observation_normalizer.normalize(vectors)
      mask[row, :steps] = 1
      rewards[row, :steps] = episode.reward[:steps]
      terminated[row] = episode.terminated[:steps].any()
    drift = Drift(*(value.numpy() for value in self._compiled(states, actions, mask)))
    return {**_of_steps(drift, rewards, mask), **_of_episodes(drift, rewards, mask, terminated)}

  def _drift(self, states, actions, mask):
    """`Drift` from states `[B, H + 1, O]`, actions `[B, H, ...]` and mask `[B, H]`."""
    ensemble = self._ensemble
    unpacked = ensemble.unpack([tf.convert_to_tensor(p) for p in ensemble.parameters])
    actions = tf.convert_to_tensor(actions)
    taken = self._clipped(tf.cast(actions, tf.int32) if actions.dtype.is_integer else actions)
    features = tf.transpose(self._outcomes.features(taken), [1, 0, 2])
    lead = [ensemble.members, 1, 1]
    start = tf.tile(states[None, :, 0], lead)
    following = lambda state, action: ensemble.next_state(
        unpacked, state, tf.tile(action[None], lead))
    predicted = tf.scan(following, features, start)
    # predicted [H, K, B, O] against the real states [H, B, O].
    real = tf.transpose(states[:, 1:], [1, 0, 2])
    squared = tf.reduce_mean(tf.square(predicted - real[:, None]), [1, 3])
    variance = tf.reduce_mean(tf.math.reduce_variance(predicted, axis=1), -1)
    weights = tf.transpose(mask)
    weights /= tf.maximum(tf.reduce_sum(weights, -1, keepdims=True), 1)
    mean = lambda values: tf.sqrt(tf.reduce_sum(values * weights, -1))
    paths = tf.transpose(tf.concat([start[None], predicted], 0), [1, 2, 0, 3])
    return Drift(mean(squared), mean(variance), *self._paid(paths, taken, mask))

  def _paid(self, paths, taken, mask):
    """Rewards and survival `[K, B, H]` along states `[K, B, H + 1, O]`; neither changes where
    masked.
    """
    members = self._ensemble.members
    flat = lambda value: tf.reshape(value, [members, -1, *value.shape[3:]])
    actions = flat(tf.repeat(taken[None], members, 0))
    reward, probability = (
        tf.reshape(value, [members, *mask.shape]) * mask
        for value in self._outcomes.expected(
            self._outcomes.unpack(), flat(paths[:, :, :-1]), actions, flat(paths[:, :, 1:])))
    return reward, tf.math.cumprod(1 - probability, -1)


def _of_steps(drift, rewards, mask):
  """Errors of each step that an episode reaches; rewards and mask are `[B, H]`."""
  metrics = {}
  for horizon in _horizons(mask):
    step = horizon - 1
    squared = np.square(drift.reward[..., step] - rewards[:, step]).mean(0)
    metrics[f'model/error_horizon_{horizon}'] = drift.error[step]
    metrics[f'model/disagreement_horizon_{horizon}'] = drift.disagreement[step]
    metrics[f'model/reward_error_horizon_{horizon}'] = np.sqrt(squared[mask[:, step] > 0].mean())
  return {name: float(value) for name, value in metrics.items()}


def _of_episodes(drift, rewards, mask, terminated):
  """Returns and survival of the episodes that reach a step, or terminate before; `terminated` is
  bool `[B]`.
  """
  known = np.maximum(mask, terminated[:, None])
  lengths, metrics = mask.sum(1), {}
  for horizon in _horizons(known):
    rows = known[:, horizon - 1] > 0
    ended = terminated & (lengths <= horizon)
    for name, values in (('return_real', rewards[:, :horizon].sum(1)),
                         ('return_predicted', drift.reward[..., :horizon].sum(-1).mean(0)),
                         ('survival_real', ~ended),
                         ('survival_predicted', drift.survival[..., horizon - 1].mean(0))):
      metrics[f'model/{name}_horizon_{horizon}'] = float(values[rows].mean())
  return metrics


def _horizons(known):
  """Those of the horizons at which something is known, `[B, H]`."""
  return [horizon for horizon in HORIZONS
          if horizon <= known.shape[1] and known[:, horizon - 1].any()]


def _evenly(episodes, count):
  """At most `count` of the episodes, evenly spaced by length."""
  by_length = sorted(episodes, key=lambda episode: len(episode.reward))
  if len(by_length) <= count:
    return by_length
  return [by_length[i] for i in np.linspace(0, len(by_length) - 1, count).round().astype(int)]
