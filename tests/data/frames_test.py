"""Stacked frames against a slow loop, across the ends of episodes."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.data import frames

B, LENGTH = 40, 7


def batch(as_dict):
  generator = np.random.default_rng(0)
  images = generator.integers(0, 256, (B, LENGTH, 2, 3, 3)).astype(np.uint8)
  other = generator.normal(size=(B, LENGTH, 4)).astype('f')
  is_first = generator.uniform(size=(B, LENGTH)) < 0.25
  observation = {'eye': images, 'memory': images[..., 0, 0], 'vector': other} if as_dict else images
  return types.Sequences(observation, other, other[..., 0], other[..., 1] > 1, is_first)


def slow(images, is_first, count):
  """For each row, walks back one image at a time, and stays where an episode begins."""
  result = []
  for sequence, firsts in zip(images, is_first):
    rows = []
    for row in range(count - 1, LENGTH):
      at, seen = row, [sequence[row]]
      for _ in range(count - 1):
        at = at if firsts[at] else at - 1
        seen.insert(0, sequence[at])
      rows.append(np.concatenate(seen, -1))
    result.append(rows)
  return np.array(result)


@pytest.mark.parametrize('count', [2, 3, 4])
@pytest.mark.parametrize('as_dict', [False, True])
def test_each_image_has_those_before_it_of_its_own_episode(count, as_dict):
  given = batch(as_dict)
  found = frames.stacked(tf.nest.map_structure(tf.constant, given),
                         ['eye'] if as_dict else ['observation'], count)
  images = given.observation['eye'] if as_dict else given.observation
  expected = slow(images, given.is_first, count)
  told = found.observation['eye'] if as_dict else found.observation
  assert told.dtype == tf.uint8 and told.shape == (B, LENGTH - count + 1, 2, 3, 3 * count)
  np.testing.assert_array_equal(told, expected)
  rest = [(found.action, given.action), (found.reward, given.reward),
          (found.terminated, given.terminated), (found.is_first, given.is_first)]
  if as_dict:
    rest += [(found.observation[key], given.observation[key]) for key in ('memory', 'vector')]
  for value, whole in rest:
    np.testing.assert_array_equal(value, whole[:, count - 1:])


def test_one_frame_is_the_batch_as_it_is():
  given = batch(True)
  assert frames.stacked(given, ['eye'], 1) is given
