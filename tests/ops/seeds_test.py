"""Seeds follow from the generator's state alone, and fit where they are used."""

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import seeds


def test_seeds_are_reproducible_and_differ():
  first, second = tf.random.Generator.from_seed(1), tf.random.Generator.from_seed(1)
  drawn = [seeds.next_seed(first).numpy() for _ in range(20)]
  np.testing.assert_array_equal(drawn, [seeds.next_seed(second).numpy() for _ in range(20)])
  assert len({tuple(seed) for seed in drawn}) == 20
  assert seeds.next_integer(first) == seeds.next_integer(second) != seeds.next_integer(second)


def test_seeds_fit_their_users():
  generator = tf.random.Generator.from_seed(2)
  for _ in range(50):
    seed = seeds.next_seed(generator)
    assert seed.dtype == tf.int32 and seed.shape == [2] and (seed.numpy() >= 0).all()
    assert 0 <= seeds.next_integer(generator) < 2**63
