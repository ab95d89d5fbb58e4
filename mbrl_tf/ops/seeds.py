"""Stateless seeds from the one generator that a learner owns and a checkpoint holds."""

import numpy as np
import tensorflow as tf


def next_seed(generator):
  """Advances a `tf.random.Generator`, and returns a seed for stateless sampling, int32 `[2]`."""
  return tf.cast(generator.make_seeds(1)[:, 0] % (2**31 - 1), tf.int32)


def next_integer(generator):
  """Advances a `tf.random.Generator`, and returns a seed for numpy's `default_rng`: an integer of 63 bits."""
  return int(generator.make_seeds(1)[0, 0]) % 2**63


def of_host(seed, host):
  """A host's own seed for numpy from one that all hosts have; that of the first is this one itself."""
  return seed if host == 0 else int(np.random.SeedSequence([seed, host]).generate_state(1, np.uint64)[0] >> 1)
