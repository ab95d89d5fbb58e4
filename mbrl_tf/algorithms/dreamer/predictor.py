"""What the world model predicts of real episodes, for those who want to understand it."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import imagination
from mbrl_tf.models import rssm

_SHOWN = 5       # as in the paper's figures
_DRAWS = 5       # of states that the model holds possible
_PIXELS = 16     # rows and columns to which images are averaged, so that an error is no noise


class Predictor:
  """Lets the model imagine along real actions; see `algorithms.base.Predictor`.

  A state is what is decoded: the vector as models read it, then all images, shrunk.
  """

  shown = _SHOWN

  def __init__(self, world_model, actor, open_loop, horizon):
    """Only keeps its arguments: a `WorldModel`, a `LatentActor`, an `OpenLoop`, and how many
    decisions are imagined in learning.
    """
    self._world_model, self._actor, self._open_loop = world_model, actor, open_loop
    self.horizon = horizon
    self._compiled = tf.function(self._predict, autograph=False)
    self._compiled_act = tf.function(self._act, autograph=False)

  def predict(self, windows, seed):
    """See `algorithms.base.Predictor`: K draws, each with its own noise from the first observation
    on.
    """
    seeds = tf.random.experimental.stateless_split(seed, _DRAWS)
    observation = tf.nest.map_structure(tf.constant, windows.observation)
    shown, actions = _shown(windows), tf.constant(windows.action)
    # One draw after the other: decoded images of all would take gigabytes.
    drawn = [tf.nest.map_structure(
        lambda value: value.numpy(), self._compiled(*shown, actions, seed)) for seed in seeds]
    real = _joined(*self._world_model.prepared(observation)).numpy()
    return {'draws of the model': types.Predictions(
        real_state=real[:, _SHOWN - 1:], entries=self._world_model.entries,
        **{name: np.stack([each[name] for each in drawn]) for name in drawn[0]})}

  def act(self, windows, decisions, seed):
    """See `algorithms.base.Predictor`: K draws of states and actions."""
    seeds = tf.random.experimental.stateless_split(seed, _DRAWS)
    found = [self._compiled_act(*_shown(windows), decisions, seed) for seed in seeds]
    return tuple(np.stack([value.numpy() for value in values]) for values in zip(*found))

  def videos(self, episodes):
    """Truth, model and error as training shows them; see `OpenLoop.videos`."""
    return self._open_loop.videos(episodes)

  def _predict(self, observation, led, is_first, actions, seed):
    """Fields of `types.Predictions`, without the axis of draws; arguments as `types.Windows` has
    them, of observations those shown.
    """
    model, seeds = self._world_model, tf.random.experimental.stateless_split(seed, 2)
    last = self._inferred(observation, led, is_first, seeds[0])
    features = rssm.features(model.rssm.imagine(model.action_features(actions), last, seeds[1]))
    return {'state': _joined(*model.decode_prepared(features)),
            'reward': model.expected_reward(features), 'going': model.discount(features, 1.0)}

  def _act(self, observation, led, is_first, decisions, seed):
    """What `act` returns, of one draw."""
    model, seeds = self._world_model, tf.random.experimental.stateless_split(seed, 2)
    last = self._inferred(observation, led, is_first, seeds[0])
    imagined = imagination.imagine(model.rssm, self._actor, last, decisions, seeds[1])
    features = tf.transpose(imagined.features[1:], [1, 0, 2])
    going = model.discount(features, 1.0)
    return model.expected_reward(features), tf.math.cumprod(going, -1, exclusive=True)

  def _inferred(self, observation, led, is_first, seed):
    """The state after what is shown, `[B, ...]`."""
    model = self._world_model
    seen, _ = model.rssm.observe(
        model.encode(observation), model.action_features(led), is_first, seed)
    return tf.nest.map_structure(lambda value: value[:, -1], seen)


def _shown(windows):
  """What the model is shown of `types.Windows`: observations, actions that led there, and whether
  they are an episode's first.
  """
  begin = tf.nest.map_structure(
      lambda value: tf.constant(value[:, :_SHOWN]), windows.observation)
  return begin, tf.constant(windows.led), tf.constant(windows.is_first)


def _joined(images, vector):
  """A vector `[B, T, V]`, or None, and images `[B, T, height, width, C]` as states `[B, T, X]`."""
  return tf.concat([*([] if vector is None else [vector]), *map(_shrunk, images.values())], -1)


def _shrunk(image):
  """Averages over neighbouring pixels, `[B, T, X]`."""
  batch, length, *size = image.shape
  few = [min(side, _PIXELS) for side in size[:2]]
  small = tf.image.resize(tf.reshape(image, [-1, *size]), few, 'area')
  return tf.reshape(small, [batch, length, -1])
