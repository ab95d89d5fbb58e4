"""Distributions of actions, against numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import action_search

SPECS = [types.ActionSpec(2), types.ActionSpec(choices=(3,)), types.ActionSpec(2, (3, 2))]
RNG = np.random.default_rng(0)


def shares(spec, shape):
  """Random means of numbers, and probabilities of the values of each choice."""
  parts = [RNG.uniform(-1, 1, [*shape, spec.numbers])]
  parts += [RNG.dirichlet(np.ones(count), shape) for count in spec.choices]
  return np.concatenate(parts, -1)


@pytest.mark.parametrize('spec', SPECS, ids=str)
def test_numbers_are_normal_and_clipped_and_choices_are_the_likeliest_with_noise(spec):
  mean = shares(spec, (4, 5))
  std, noise = RNG.uniform(0.1, 1.0, mean.shape), RNG.normal(size=mean.shape)
  drawn = action_search.drawn(spec, *(tf.constant(each, tf.float32) for each in (mean, std, noise)))
  numbers = spec.numbers
  expected = np.clip(mean + std * noise, -1, 1)[..., :numbers]
  assert not numbers or (np.abs(expected) == 1).any()
  np.testing.assert_allclose(drawn[..., :numbers], expected, rtol=1e-5)
  begin = numbers
  for count in spec.choices:
    part = slice(begin, begin + count)
    best = (np.log(mean[..., part]) + noise[..., part]).argmax(-1)
    np.testing.assert_array_equal(drawn[..., part], np.eye(count)[best])
    begin += count


@pytest.mark.parametrize('spec', SPECS, ids=str)
def test_the_best_have_a_weighted_mean_and_variance_and_no_value_is_given_up(spec):
  elites, weights = shares(spec, (3, 6, 4)), RNG.dirichlet(np.ones(6), 3)
  mean, variance = action_search.refitted(
      spec, tf.constant(elites, tf.float32), tf.constant(weights, tf.float32), 0.1)
  expected = np.einsum('ne,nehf->nhf', weights, elites)
  np.testing.assert_allclose(
      variance, np.einsum('ne,nehf->nhf', weights, (elites - expected[:, None])**2), rtol=1e-3,
      atol=1e-6)
  begin = spec.numbers
  for count in spec.choices:  # a mixture with the uniform distribution
    part = slice(begin, begin + count)
    expected[..., part] = (expected[..., part] + 0.1 / count) / 1.1
    begin += count
  np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)


def test_a_search_begins_in_the_middle():
  np.testing.assert_allclose(
      action_search.initial_mean(types.ActionSpec(1, (4,)), 2), [[0, 0.25, 0.25, 0.25, 0.25]] * 2)
