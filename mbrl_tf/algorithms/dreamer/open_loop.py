"""The world model against reality: what it predicts of real episodes without seeing them."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import rssm, vision

_SEEN = 5          # observations that the model is shown first, as in the paper's figures
_PREDICTED = 45    # decisions predicted after them
_SEQUENCES = 6     # side by side in a video


class OpenLoop:
  """Shows the model the beginning of an episode and its actions, and lets it predict the rest."""

  def __init__(self, world_model, spec):
    """Only keeps its arguments: a `WorldModel` and the `types.EnvironmentSpec`."""
    self._world_model = world_model
    self._images = [] if isinstance(spec.observation, types.ArraySpec) and len(spec.observation.shape) != 3 else sorted(
        key for key, array in _as_dict(spec.observation).items() if array.dtype == 'uint8' and len(array.shape) == 3)
    self._compiled = tf.function(self._predict, autograph=False, reduce_retracing=True)

  def errors(self, episodes):
    """Mean squared error of the predicted rewards at some distances from the last observation seen.

    Returns:
      `model/reward_error_horizon_<h>` for h = 1, 15, 45; nothing where no episode is long enough.
    """
    chosen = _long_enough(episodes)
    if not chosen:
      return {}
    rewards = self._compiled(*_batch(chosen))[1].numpy()[:, _SEEN:]
    truth = np.stack([episode.reward[_SEEN - 1:_SEEN - 1 + _PREDICTED] for episode in chosen])
    squared = np.square(rewards - truth).mean(0)
    return {f'model/reward_error_horizon_{h}': float(squared[h - 1]) for h in (1, 15, _PREDICTED)}

  def videos(self, episodes):
    """For each image, a function that draws it: truth, model, and their difference from top to bottom.

    The first 5 frames of the model are reconstructions of what it sees; then it predicts. In the difference, grey means none.

    Returns:
      `model/open_loop_<key>` to a function without arguments that returns frames uint8 `[T, 3 height, n width, channels]`.
    """
    chosen = _long_enough(episodes)
    return {f'model/open_loop_{key}': (lambda key=key: self._frames(key, chosen)) for key in self._images if chosen}

  def _frames(self, key, episodes):
    model = self._compiled(*_batch(episodes))[0][key]
    truth = vision.preprocess(np.stack([_as_dict(episode.observation)[key][:_SEEN + _PREDICTED] for episode in episodes]))
    difference = (model - truth) / 2  # half, so that it fits the range of an image
    rows = vision.postprocess(tf.concat([truth, model, difference], 2))
    return np.concatenate(list(rows.numpy()), 2)

  def _predict(self, observation, actions):
    """Decoded observations and mean rewards `[n, T]` along sequences, of which the first `_SEEN` observations are read."""
    model, seed = self._world_model, tf.constant([0, 0])
    actions = model.action_features(actions)
    # Row t of `actions` was taken at observation t; what led to the first one is not read.
    led = tf.concat([tf.zeros_like(actions[:, :1]), actions[:, :_SEEN - 1]], 1)
    first = tf.tile(tf.range(_SEEN)[None] == 0, [actions.shape[0], 1])
    seen, _ = model.rssm.observe(model.encode(observation), led, first, seed)
    last = tf.nest.map_structure(lambda value: value[:, -1], seen)
    predicted = model.rssm.imagine(actions[:, _SEEN - 1:], last, seed)
    features = tf.concat([rssm.features(seen), rssm.features(predicted)], 1)
    return model.decode(features), model.reward(features).mean()


def _long_enough(episodes):
  """Up to `_SEQUENCES` episodes that hold all frames of a comparison."""
  return [episode for episode in episodes if len(episode.reward) >= _SEEN + _PREDICTED - 1][:_SEQUENCES]


def _batch(episodes):
  """The observations that the model sees, and the actions of the whole comparison."""
  seen = [tf.nest.map_structure(lambda value: value[:_SEEN], episode.observation) for episode in episodes]
  observation = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *seen)
  return observation, tf.constant(np.stack([episode.action[:_SEEN + _PREDICTED - 1] for episode in episodes]))


def _as_dict(observation):
  return dict(observation) if isinstance(observation, dict) else {'observation': observation}
