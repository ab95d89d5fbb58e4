"""The world model against reality: what it predicts of real episodes without seeing them."""

import functools

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import compilation
from mbrl_tf.data import windows as windows_lib
from mbrl_tf.models import rssm, vision

_SEEN = 5                 # observations that the model is shown first, as in the paper's figures
_PREDICTED = (45, 15)     # decisions predicted after them: the first of these that an episode is long enough for
_DISTANCES = (1, 15, 45)  # from the last observation seen, at which errors are told
_WINDOWS = 6              # side by side in a video
_ROWS = ('truth', 'model', 'error')  # of a video, from top to bottom
_SEED = (0, 0)            # fixed: comparisons differ by model and episodes alone


class OpenLoop:
  """Shows the model the beginning of a part of an episode and all its actions, and lets it predict the rest."""

  def __init__(self, world_model):
    """Only keeps its argument, a `WorldModel`."""
    self._world_model = world_model
    self._compiled = compilation.compiled('open_loop', self._predict)

  def errors(self, episodes):
    """Mean squared error of the predicted rewards at some distances from the last observation seen.

    Returns:
      `model/reward_error_horizon_<h>` for h = 1, 15, 45; not for 45 where no episode has 49 decisions, and nothing where none has 19.
      All are of the same windows: with the first episode of 49 those of 1 and 15 are of the long episodes alone, and may jump.
    """
    windows, length = windows_lib.spread(episodes, _WINDOWS, _SEEN, _PREDICTED)
    if not windows:
      return {}
    predicted = self._compiled(*_batch(windows, length))[1].numpy()[:, _SEEN:]
    truth = np.stack([episode.reward[start + _SEEN - 1:][:length] for episode, start in windows])
    squared = np.square(predicted - truth).mean(0)
    return {f'model/reward_error_horizon_{h}': float(squared[h - 1]) for h in _DISTANCES if h <= length}

  def videos(self, episodes):
    """For each image, truth, model, and their difference from top to bottom.

    The first 5 frames of the model are reconstructions of what it sees; then it predicts. In the difference, grey means none.

    Returns:
      `model/open_loop_<key>` to a `types.Video` of frames `[50, 3 height, 6 width, 3]`; 20 frames
      where no episode has 49 decisions, and nothing where none has 19.
    """
    windows, length = windows_lib.spread(episodes, _WINDOWS, _SEEN, _PREDICTED)
    return {f'model/open_loop_{key}': types.Video(
                functools.partial(self._frames, key, windows, length), _ROWS)
            for key in self._world_model.images if windows}

  def _frames(self, key, windows, length):
    model = self._compiled(*_batch(windows, length))[0][key]
    images = (episode.observation[key] if isinstance(episode.observation, dict) else episode.observation for episode, _ in windows)
    truth = np.stack([image[start:start + _SEEN + length] for image, (_, start) in zip(images, windows)])
    truth = vision.preprocess(truth)
    difference = (model - truth) / 2  # half, so that it fits the range of an image
    rows = vision.postprocess(tf.concat([truth, model, difference], 2)).numpy()
    frames = np.concatenate(list(rows), 2)
    # What is neither grey nor coloured (stacked frames, say) is shown by its last three channels.
    return np.repeat(frames, 3, -1) if frames.shape[-1] == 1 else frames[..., -3:]

  def _predict(self, observation, led, actions, is_first):
    """Decoded observations, and mean rewards `[n, T]`, along windows of which the first `_SEEN` observations are read.

    Args:
      observation: of `[n, _SEEN, ...]`.
      led: the actions that led to these, `[n, _SEEN, ...]`; where an episode begins, what stands there is not read.
      actions: those taken from the last of these on, `[n, length, ...]`.
      is_first: bool `[n, _SEEN]`.
    """
    model = self._world_model
    # One seed for both would give the predictions the noise of what was seen.
    seeds = tf.random.experimental.stateless_split(_SEED, 2)
    # As in training: a window inside an episode begins from no state, and from the action before it.
    seen, _ = model.rssm.observe(model.encode(observation), model.action_features(led), is_first, seeds[0])
    last = tf.nest.map_structure(lambda value: value[:, -1], seen)
    predicted = model.rssm.imagine(model.action_features(actions), last, seeds[1])
    features = tf.concat([rssm.features(seen), rssm.features(predicted)], 1)
    return model.decode(features), model.expected_reward(features)


def _batch(windows, length):
  """The observations that the model sees, the actions that led to them, those after, and where an episode begins."""
  seen = [tf.nest.map_structure(lambda value: value[start:start + _SEEN], episode.observation) for episode, start in windows]
  observation = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *seen)
  led = np.stack([episode.action[np.maximum(np.arange(start - 1, start + _SEEN - 1), 0)] for episode, start in windows])
  actions = np.stack([episode.action[start + _SEEN - 1:][:length] for episode, start in windows])
  is_first = np.stack([np.arange(start, start + _SEEN) == 0 for _, start in windows])
  return observation, tf.constant(led), tf.constant(actions), tf.constant(is_first)
