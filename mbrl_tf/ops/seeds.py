"""Stateless seeds from the one generator that a learner owns and a checkpoint holds."""

import tensorflow as tf


def next_seed(generator):
  """Advances a `tf.random.Generator`, and returns a seed for stateless sampling, int32 `[2]`."""
  return tf.cast(generator.make_seeds(1)[:, 0] % (2**31 - 1), tf.int32)


def next_integer(generator):
  """Advances a `tf.random.Generator`, and returns a seed for numpy's `default_rng`: an integer of 63 bits."""
  return int(generator.make_seeds(1)[0, 0]) % 2**63
