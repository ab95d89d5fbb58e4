"""The functions of `user_environments.scripted`; this module imports TensorFlow, the environments' module does not."""

import tensorflow as tf


def reward(observation, action, next_observation):
  del observation, next_observation
  return tf.reduce_sum(action, axis=-1)


def terminated(next_observation):
  return next_observation[..., 0] >= 3.0
