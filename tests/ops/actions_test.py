"""Features of actions against numpy, for numbers and choices alone and side by side."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import actions

SPECS = {
    'numbers': types.ActionSpec(3), 'a choice': types.ActionSpec(choices=(4,)),
    'choices': types.ActionSpec(choices=(2, 2, 3)), 'switches': types.ActionSpec(choices=(2,) * 5),
    'both': types.ActionSpec(2, (3, 2, 2, 4)), 'one of each': types.ActionSpec(1, (3,))}
MIXED = SPECS['both']


def one_hots(spec, chosen):
  """In plain numpy: numbers, then one row of an identity matrix after the other."""
  flat = chosen.reshape(*chosen.shape[:chosen.ndim - len(spec.shape)], -1)
  parts = [flat[..., :spec.numbers]]
  for at, count in enumerate(spec.choices):
    parts.append(np.eye(count)[flat[..., spec.numbers + at].astype(int)])
  return np.concatenate(parts, -1).astype('f')


@pytest.mark.parametrize('kind', SPECS)
@pytest.mark.parametrize('lead', [(), (7,), (2, 5)])
def test_features_are_numbers_and_one_hots_and_lead_back(kind, lead):
  spec = SPECS[kind]
  chosen = spec.sample(np.random.default_rng(0), lead)
  features = actions.features(spec, tf.constant(chosen))
  assert features.shape == (*lead, spec.features_size)
  np.testing.assert_array_equal(features, one_hots(spec, np.asarray(chosen)))
  back = actions.from_features(spec, features)
  assert back.dtype == spec.dtype
  np.testing.assert_array_equal(back, chosen)


@pytest.mark.parametrize('kind', SPECS)
def test_features_of_a_batch_of_unknown_size(kind):
  spec = SPECS[kind]
  chosen = spec.sample(np.random.default_rng(0), (4, 3))
  signature = [tf.TensorSpec([None, 3, *spec.shape], tf.as_dtype(spec.dtype))]
  there_and_back = tf.function(
      lambda chosen: actions.from_features(spec, actions.features(spec, chosen)), signature)
  np.testing.assert_array_equal(there_and_back(tf.constant(chosen)), chosen)


@pytest.mark.parametrize('kind', [kind for kind in SPECS if SPECS[kind].choices])
@pytest.mark.parametrize('lead', [(7,), (2, 5)])
def test_alternatives_are_all_actions_with_another_value_of_one_choice(kind, lead):
  spec = SPECS[kind]
  chosen = np.asarray(spec.sample(np.random.default_rng(3), lead), np.float32)
  chosen = chosen.reshape(*lead, -1)
  expected = []
  for at, count in enumerate(spec.choices):
    for value in range(count):
      other = chosen.copy()
      other[..., spec.numbers + at] = value
      expected.append(one_hots(spec, other.reshape(*lead, *spec.shape)))
  features = actions.features(spec, tf.constant(chosen.reshape(*lead, *spec.shape), spec.dtype))
  np.testing.assert_array_equal(actions.alternatives(spec, features), expected)


@pytest.mark.parametrize('kind', [kind for kind in SPECS if SPECS[kind].choices])
def test_sums_are_those_of_each_choice(kind):
  spec = SPECS[kind]
  values = np.random.default_rng(4).normal(size=(2, 5, sum(spec.choices))).astype('f')
  ends = np.cumsum(spec.choices)
  expected = [values[..., end - count:end].sum(-1) for end, count in zip(ends, spec.choices)]
  np.testing.assert_allclose(
      actions.sums(spec, values), np.stack(expected, -1), rtol=1e-4, atol=1e-5)


def test_random_actions_are_uniform_within_their_bounds():
  drawn = MIXED.sample(np.random.default_rng(1), (6000,))
  low, high = MIXED.bounds
  assert drawn.dtype == 'float32' and (low <= drawn).all() and (drawn <= high).all()
  np.testing.assert_allclose(drawn[:, :2].std(0), 1 / np.sqrt(3), rtol=0.05)
  for at, count in enumerate(MIXED.choices):
    shares = np.bincount(drawn[:, 2 + at].astype(int), minlength=count) / 6000
    np.testing.assert_allclose(shares, np.full(count, 1 / count), atol=0.03)


def test_noise_is_normal_for_numbers_and_of_the_gumbel_distribution_for_values_of_choices():
  noise = actions.noise(MIXED, [20_000], tf.constant([1, 2])).numpy()
  assert noise.shape == (20_000, 13)
  np.testing.assert_allclose(noise.mean(0), np.repeat([0, np.euler_gamma], [2, 11]), atol=0.04)
  np.testing.assert_allclose(noise.std(0), np.repeat([1, np.pi / 6**0.5], [2, 11]), atol=0.04)
  assert np.abs(np.corrcoef(noise.T) - np.eye(13)).max() < 0.04


def test_each_kind_and_each_choice_is_computed_for_itself():
  values = np.random.default_rng(2).normal(size=(5, 13)).astype('f')
  found = actions.by_kind(MIXED, lambda x, y: x - y, lambda x, y: tf.nn.softmax(x + y),
                          tf.constant(values), tf.constant(2 * values))
  np.testing.assert_allclose(found[:, :2], -values[:, :2], rtol=1e-6)
  for part in ((2, 5), (5, 7), (7, 9), (9, 13)):
    powers = np.exp(3 * values[:, slice(*part)])
    np.testing.assert_allclose(
        found[:, slice(*part)], powers / powers.sum(-1, keepdims=True), rtol=1e-5)


def test_a_run_of_equal_choices_is_computed_at_once():
  """A hundred switches are as few operations as one choice."""
  called = []
  spec = types.ActionSpec(choices=(3,) + (2,) * 100)
  actions.by_choice(spec, lambda x: called.append(x.shape) or x, tf.zeros([4, 203]))
  assert called == [(4, 3), (4, 100, 2)]


def test_the_middle_is_0_and_all_values_alike():
  np.testing.assert_allclose(
      actions.uniform_choices(types.ActionSpec(2, (3, 2))), [0, 0, 1 / 3, 1 / 3, 1 / 3, .5, .5])
