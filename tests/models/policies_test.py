"""The parametric policies, against their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import normalizer, policies

OBSERVATIONS = np.random.default_rng(0).normal(size=[2, 5, 3]).astype(np.float32)


def gaussian(**settings):
  return policies.ParametricPolicy(3, types.ActionSpec(2), (4,), [1, 2], **settings)


def categorical():
  return policies.ParametricPolicy(3, types.ActionSpec(choices=(4,)), (4,), [1, 2])


def mixed():
  """A number, a choice among 3, and two switches."""
  return policies.ParametricPolicy(3, types.ActionSpec(1, (3, 2, 2)), (4,), [1, 2], initial_std=0.5)


def shifted(policy):
  """Parameters of two policies that differ from each other in every entry."""
  return [tf.stack([p + 0.1, p - 0.2]) for p in policy.parameters]


def network(parameters, observations):
  kernel_0, kernel_1, bias_0, bias_1 = (np.asarray(p) for p in parameters[:4])
  return np.tanh(observations @ kernel_0 + bias_0) @ kernel_1 + bias_1


def test_gaussian_log_probabilities_are_the_formula():
  policy = gaussian(initial_std=0.5)
  parameters = [p + 0.1 for p in policy.parameters]
  actions = np.random.default_rng(1).normal(size=[2, 5, 2]).astype(np.float32)
  std = 0.5 * np.exp(0.1)
  errors = (actions - network(parameters, OBSERVATIONS)) / std
  expected = np.sum(-0.5 * errors**2 - np.log(std) - 0.5 * np.log(2 * np.pi), -1)
  np.testing.assert_allclose(policy.distribution(parameters, OBSERVATIONS).log_prob(actions), expected, rtol=1e-4)


def test_categorical_probabilities_are_the_formula():
  policy = categorical()
  parameters = [p + 0.3 * tf.random.stateless_normal(p.shape, [5, 6]) for p in policy.parameters]
  logits = network(parameters, OBSERVATIONS)
  expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  probabilities = policy.distribution(parameters, OBSERVATIONS).probs_parameter()
  np.testing.assert_allclose(probabilities, expected, rtol=1e-4)


@pytest.mark.parametrize('make', [gaussian, categorical, mixed])
def test_a_leading_axis_is_one_policy_each(make):
  policy = make()
  parameters = shifted(policy)
  joint = policy.distribution(parameters, OBSERVATIONS)
  actions = joint.sample(seed=[3, 4])
  for k in range(2):
    alone = policy.distribution([p[k] for p in parameters], OBSERVATIONS[k])
    np.testing.assert_allclose(joint.log_prob(actions)[k], alone.log_prob(actions[k]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('make', [gaussian, categorical, mixed])
def test_the_model_called_is_the_meta_policy(make):
  policy = make()
  own = policy.distribution([tf.convert_to_tensor(p) for p in policy.parameters], OBSERVATIONS[0])
  np.testing.assert_array_equal(policy(OBSERVATIONS[0]).mode(), own.mode())


@pytest.mark.parametrize('make', [gaussian, categorical, mixed])
def test_parameters_are_the_trainable_variables(make):
  policy = make()
  assert {id(p) for p in policy.parameters} == {id(v) for v in policy.trainable_variables}
  assert len(policy.parameters) == len(policy.trainable_variables)


def test_the_deviation_starts_where_told_and_has_a_lower_bound():
  policy = gaussian(initial_std=0.5, min_std=0.2)
  np.testing.assert_allclose(policy.deviation(policy.parameters), [0.5, 0.5], rtol=1e-6)
  low = [*policy.parameters[:-1], tf.constant([-10., 0.])]
  np.testing.assert_allclose(policy.deviation(low), [0.2, 1.], rtol=1e-6)
  np.testing.assert_allclose(policy.distribution(low, OBSERVATIONS[0]).stddev()[0], [0.2, 1.], rtol=1e-6)


def test_the_first_categorical_policy_is_nearly_uniform():
  np.testing.assert_allclose(categorical()(10 * OBSERVATIONS[0]).probs_parameter(), np.full([5, 4], 0.25), atol=0.02)


def test_the_first_gaussian_policy_acts_around_0_where_asked():
  scaled, plain = gaussian(output_scale=0.01), gaussian()
  for i, (small, kernel) in enumerate(zip(scaled.kernels, plain.kernels)):
    np.testing.assert_allclose(small, kernel * (0.01 if i == 1 else 1), rtol=1e-6)
  assert np.abs(scaled(OBSERVATIONS).mean()).max() < 0.05 < np.abs(plain(OBSERVATIONS).mean()).max()


def normalizer_of(mean, std):
  """Fitted to data of this mean and deviation."""
  result = normalizer.Normalizer(len(mean), rounding=1e-15)
  result.fit(np.array(mean) + np.outer([-1, 1], std))
  return result


def refitted(policy, mean, std):
  """Fits a policy's normalizer anew and returns what it was."""
  before = tf.convert_to_tensor(policy.normalizer.mean), policy.normalizer.std
  policy.normalizer.fit(np.array(mean) + np.outer([-1, 1], std))
  return before


@pytest.mark.parametrize('make', [
    lambda units: policies.ParametricPolicy(3, types.ActionSpec(2), (4,), [1, 2], normalizer=units),
    lambda units: policies.ParametricPolicy(
        3, types.ActionSpec(choices=(4,)), (4,), [1, 2], normalizer=units)])
def test_a_normalizer_that_moves_leaves_what_was_learned(make):
  policy = make(normalizer_of([1., -2e6, 0.], [2., 5e-4, 0.]))
  policy.kernels[-1].assign(tf.random.stateless_normal(policy.kernels[-1].shape, [1, 1]))
  observations = np.float64(OBSERVATIONS[0]) * [1, 1e-3, 1] + [0, -2e6, 0]
  output = lambda: policy._network(
      [tf.convert_to_tensor(p) for p in policy.parameters], policy.read(observations)).numpy()
  before = output()
  policy.keep_function(*refitted(policy, [0., -2e6 + 1e-3, 0.3], [1., 3e-3, 0.7]))
  np.testing.assert_allclose(output(), before, rtol=1e-3, atol=1e-4)
  refitted(policy, [5., 5., 5.], [1., 1., 1.])
  assert not np.allclose(output(), before, atol=1e-2)


def test_a_normalized_policy_sees_observations_in_deviations():
  mean, std = np.array([1., -2., 0.]), np.array([2., 0.5, 1.])
  policy = gaussian(normalizer=normalizer_of(mean, std))
  expected = network(policy.parameters, (OBSERVATIONS[0] - mean) / std)
  np.testing.assert_allclose(policy(OBSERVATIONS[0]).mean(), expected, rtol=1e-4, atol=1e-5)
  assert {id(v) for v in policy.trainable_variables} == {id(p) for p in policy.parameters}


def test_other_policies_see_them_as_they_are():
  expected = network(gaussian().parameters, OBSERVATIONS[0])
  seen = OBSERVATIONS[0].astype(np.float64)
  np.testing.assert_allclose(gaussian()(seen).mean(), expected, rtol=1e-4, atol=1e-5)


def test_probabilities_of_numbers_and_choices_are_the_formula_and_so_are_samples():
  policy = mixed()
  parameters = [p + 0.3 * tf.random.stateless_normal(p.shape, [5, 6]) for p in policy.parameters]
  output, std = network(parameters, OBSERVATIONS), np.exp(parameters[-1])
  actions = policy.action.sample(np.random.default_rng(1), (2, 5))
  expected = (-0.5 * ((actions[..., :1] - output[..., :1]) / std)**2 - np.log(std)
              - 0.5 * np.log(2 * np.pi))[..., 0]
  noise = policy.noise([2, 5], [7, 8])
  sampled = [output[..., :1] + std * noise[..., :1]]
  for at, (begin, end) in enumerate(((1, 4), (4, 6), (6, 8))):
    logits = output[..., begin:end]
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected += np.take_along_axis(logs, actions[..., 1 + at, None].astype(int), -1)[..., 0]
    sampled.append((logits + noise[..., begin:end]).numpy().argmax(-1)[..., None])
  distribution = policy.distribution(parameters, OBSERVATIONS)
  np.testing.assert_allclose(distribution.log_prob(actions), expected, rtol=1e-4)
  np.testing.assert_allclose(policy.sample(parameters, OBSERVATIONS, noise),
                             np.concatenate(sampled, -1), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(policy.deviation(parameters), std)


def test_several_choices_alone_are_whole_numbers():
  policy = policies.ParametricPolicy(3, types.ActionSpec(choices=(2, 2, 3)), (4,), [1, 2])
  noise = policy.noise([2, 5], [7, 8])
  sampled = policy.sample(policy.parameters, OBSERVATIONS, noise)
  assert sampled.dtype == tf.int32 and sampled.shape == (2, 5, 3)
  assert policy(OBSERVATIONS[0]).mode().dtype == tf.int32
  np.testing.assert_allclose(  # nearly uniform at first
      policy(OBSERVATIONS[0]).log_prob(sampled[0]), np.full(5, -np.log(12)), atol=0.1)
