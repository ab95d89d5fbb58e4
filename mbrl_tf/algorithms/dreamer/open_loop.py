"""The world model against reality: what it predicts of real episodes without seeing them."""

import numpy as np
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import compilation
from mbrl_tf.models import rssm, vision

_SEEN = 5          # observations that the model is shown first, as in the paper's figures
_PREDICTED = 45    # decisions predicted after them
_WINDOWS = 6       # side by side in a video
_SEED = (0, 0)     # fixed: comparisons differ by model and episodes alone


class OpenLoop:
  """Shows the model the beginning of a part of an episode and all its actions, and lets it predict the rest."""

  def __init__(self, world_model):
    """Only keeps its argument, a `WorldModel`."""
    self._world_model = world_model
    self._compiled = compilation.compiled('open_loop', self._predict)

  def errors(self, episodes):
    """Mean squared error of the predicted rewards at some distances from the last observation seen.

    Returns:
      `model/reward_error_horizon_<h>` for h = 1, 15, 45; nothing where no episode is long enough.
    """
    windows = _windows(episodes)
    if not windows:
      return {}
    predicted = self._compiled(*_batch(windows))[1].numpy()[:, _SEEN:]
    truth = np.stack([episode.reward[start + _SEEN - 1:][:_PREDICTED] for episode, start in windows])
    squared = np.square(predicted - truth).mean(0)
    return {f'model/reward_error_horizon_{h}': float(squared[h - 1]) for h in (1, 15, _PREDICTED)}

  def videos(self, episodes):
    """For each image, a function that draws it: truth, model, and their difference from top to bottom.

    The first 5 frames of the model are reconstructions of what it sees; then it predicts. In the difference, grey means none.

    Returns:
      `model/open_loop_<key>` to a function without arguments that returns frames uint8 `[50, 3 height, 6 width, 3]`.
    """
    windows = _windows(episodes)
    return {f'model/open_loop_{key}': (lambda key=key: self._frames(key, windows))
            for key in self._world_model.images if windows}

  def _frames(self, key, windows):
    model = self._compiled(*_batch(windows))[0][key]
    images = (episode.observation[key] if isinstance(episode.observation, dict) else episode.observation for episode, _ in windows)
    truth = np.stack([image[start:start + _SEEN + _PREDICTED] for image, (_, start) in zip(images, windows)])
    truth = vision.preprocess(truth)
    difference = (model - truth) / 2  # half, so that it fits the range of an image
    rows = vision.postprocess(tf.concat([truth, model, difference], 2)).numpy()
    frames = np.concatenate(list(rows), 2)
    # What is neither grey nor coloured (stacked frames, say) is shown by its last three channels.
    return np.repeat(frames, 3, -1) if frames.shape[-1] == 1 else frames[..., -3:]

  def _predict(self, observation, actions):
    """Decoded observations, and mean rewards `[n, T]`, along windows of which the first `_SEEN` observations are read."""
    model = self._world_model
    # One seed for both would give the predictions the noise of what was seen.
    seeds = tf.random.experimental.stateless_split(_SEED, 2)
    actions = model.action_features(actions)
    # Row t of `actions` was taken at observation t; what led to the first one is not read.
    led = tf.concat([tf.zeros_like(actions[:, :1]), actions[:, :_SEEN - 1]], 1)
    first = tf.tile(tf.range(_SEEN)[None] == 0, [actions.shape[0], 1])
    seen, _ = model.rssm.observe(model.encode(observation), led, first, seeds[0])
    last = tf.nest.map_structure(lambda value: value[:, -1], seen)
    predicted = model.rssm.imagine(actions[:, _SEEN - 1:], last, seeds[1])
    features = tf.concat([rssm.features(seen), rssm.features(predicted)], 1)
    return model.decode(features), model.reward(features).mean()


def _windows(episodes):
  """Pairs of an episode and a first decision, spread over all that are long enough; `_WINDOWS` of them, or none."""
  last_starts = [len(episode.reward) - (_SEEN + _PREDICTED - 1) for episode in episodes]
  places = [(episode, start) for episode, last in zip(episodes, last_starts) for start in range(last + 1)]
  if not places:
    return []
  return [places[index] for index in np.linspace(0, len(places) - 1, _WINDOWS).round().astype(int)]


def _batch(windows):
  """The observations that the model sees, and the actions of the whole comparison."""
  seen = [tf.nest.map_structure(lambda value: value[start:start + _SEEN], episode.observation) for episode, start in windows]
  observation = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *seen)
  actions = np.stack([episode.action[start:start + _SEEN + _PREDICTED - 1] for episode, start in windows])
  return observation, tf.constant(actions)
