"""What the world model predicts of real episodes, for those who want to understand it."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import rssm
from mbrl_tf.ops import unroll

_SHOWN = 5       # as in the paper's figures
_DRAWS = 5       # of states that the model holds possible
_PIXELS = 16     # rows and columns to which images are averaged, so that an error is no noise


class Predictor:
  """Lets the model imagine along real actions; see `algorithms.base.Predictor`.

  A state is what is decoded: the vector as models read it, then all images, shrunk.
  """

  shown = _SHOWN

  def __init__(self, world_model, open_loop, horizon):
    """Only keeps its arguments: a `WorldModel`, an `OpenLoop`, and how many decisions are imagined
    in learning.
    """
    self._world_model, self._open_loop = world_model, open_loop
    self.horizon = horizon
    self._compiled = tf.function(self._predict, autograph=False)

  def predict(self, windows, seed):
    """See `algorithms.base.Predictor`: K draws, each with its own noise from the first observation
    on.
    """
    seeds = tf.random.experimental.stateless_split(seed, _DRAWS)
    observation = tf.nest.map_structure(tf.constant, windows.observation)
    arguments = [observation, *map(tf.constant, (windows.led, windows.is_first, windows.action))]
    # One draw after the other: decoded images of all would take gigabytes.
    drawn = [tf.nest.map_structure(lambda value: value.numpy(), self._compiled(*arguments, seed))
             for seed in seeds]
    real = _joined(*self._world_model.prepared(observation)).numpy()
    return {'draws': types.Predictions(
        real_state=real[:, _SHOWN - 1:], entries=self._world_model.entries,
        **{name: np.stack([each[name] for each in drawn]) for name in drawn[0]})}

  def videos(self, episodes):
    """Truth, model and error as training shows them; see `OpenLoop.videos`."""
    return self._open_loop.videos(episodes)

  def _predict(self, observation, led, is_first, actions, seed):
    """Fields of `types.Predictions`, without the axis of draws; arguments as `types.Windows` has
    them.
    """
    model = self._world_model
    seeds = tf.random.experimental.stateless_split(seed, 2)
    begin = tf.nest.map_structure(lambda value: value[:, :_SHOWN], observation)
    seen, _ = model.rssm.observe(
        model.encode(begin), model.action_features(led), is_first, seeds[0])
    last = tf.nest.map_structure(lambda value: value[:, -1], seen)
    features = rssm.features(model.rssm.imagine(model.action_features(actions), last, seeds[1]))
    return {'state': _joined(*model.decode_prepared(features)),
            'reward': model.expected_reward(features), 'going': model.discount(features, 1.0)}


def _joined(images, vector):
  """A vector `[B, T, V]`, or None, and images `[B, T, height, width, C]` as states `[B, T, X]`."""
  return tf.concat([*([] if vector is None else [vector]), *map(_shrunk, images.values())], -1)


def _shrunk(image):
  """Averages over neighbouring pixels, `[B, T, X]`."""
  batch, length, *size = image.shape
  few = [min(side, _PIXELS) for side in size[:2]]
  small = tf.image.resize(tf.reshape(image, [-1, *size]), few, 'area')
  return tf.reshape(small, [batch, length, -1])
