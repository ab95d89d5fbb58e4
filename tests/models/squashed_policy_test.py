"""Squashed normals and choices: samples, entropies and gradients by their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import squashed_policy

LATENT = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 4)).astype('f'))


def normal(bounds=(-5.0, 1.0)):
  return squashed_policy.SquashedPolicy(4, types.ActionSpec(3), (6,), [1, 2], bounds)


def choices():
  policy = squashed_policy.SquashedPolicy(4, types.ActionSpec(choices=(3,)), (6,), [1, 2])
  policy.trainable_variables[1].assign(
      tf.random.stateless_normal(policy.trainable_variables[1].shape, [5, 6]))
  assert 'kernel_1' in policy.trainable_variables[1].name
  return policy


def softmax(logits):
  powers = np.exp(logits)
  return powers / powers.sum(-1, keepdims=True)


def parameters(policy, low, high):
  mean, raw = np.split(policy(LATENT).numpy().astype(np.float64), 2, -1)
  return mean, low + (high - low) * (np.tanh(raw) + 1) / 2


def test_a_sample_is_tanh_of_mean_and_deviation_and_tells_its_surprise():
  policy, noise = normal(), np.random.default_rng(1).normal(size=(2, 5, 3)).astype('f')
  mean, log_std = parameters(policy, -5, 1)
  x = mean + np.exp(log_std) * noise
  density = -noise**2 / 2 - log_std - np.log(2 * np.pi) / 2 - np.log(1 - np.tanh(x)**2)
  action, entropy = policy.sample(LATENT, tf.constant(noise))
  np.testing.assert_allclose(action, np.tanh(x), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(entropy, -density.sum(-1), rtol=1e-3, atol=1e-3)
  np.testing.assert_allclose(policy.mode(LATENT), np.tanh(mean), rtol=1e-4, atol=1e-6)
  assert policy.action_size == 3 and policy.largest_entropy == 0


@pytest.mark.parametrize('raw, log_std', [(1e4, 2.0), (-1e4, -10.0)])
def test_saturated_means_and_deviations_keep_their_bounds_and_finite_gradients(raw, log_std):
  policy = normal(bounds=(-10.0, 2.0))
  kernel, bias = (next(v
                       for v in policy.trainable_variables
                       if name in v.name)
                  for name in ('kernel_1', 'bias_1'))
  kernel.assign(tf.zeros_like(kernel))
  bias.assign([200.0, -200.0, 0.1, raw, raw, raw])
  with tf.GradientTape() as tape:
    action, entropy = policy.sample(LATENT, tf.ones([2, 5, 3]))
    total = tf.reduce_sum(entropy)
  means, std = np.array([200, -200, 0.1]), np.exp(log_std)
  np.testing.assert_allclose(action, np.broadcast_to(np.tanh(means + std), (2, 5, 3)), rtol=1e-4)
  x = np.abs(means + std)
  density = -0.5 - log_std - 0.5 * np.log(2 * np.pi) - (2 * np.log(2) - 2 * x -
                                                        2 * np.log1p(np.exp(-2 * x)))
  np.testing.assert_allclose(entropy, np.full((2, 5), -density.sum()), rtol=1e-5)
  gradient = tape.gradient(total, bias).numpy()
  np.testing.assert_allclose(gradient[:3], -10 * 2 * np.tanh(means + std), rtol=1e-4)  # inwards


def test_the_mean_surprise_is_the_entropy():
  policy = normal()
  latent = tf.repeat(LATENT[0, :1], 40_000, 0)
  entropy = policy.sample(latent, policy.noise([40_000], [3, 4]))[1].numpy().mean()
  mean, log_std = (v[0, 0] for v in parameters(policy, -5, 1))
  expected = 0.0
  for m, s in zip(mean, np.exp(log_std)):
    x = np.linspace(m - 10 * s, m + 10 * s, 200_001)
    density = np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))
    log_action = np.log(density + 1e-300) - np.log(1 - np.tanh(x)**2 + 1e-300)
    expected -= np.sum(density * log_action) * (x[1] - x[0])
  assert entropy == pytest.approx(expected, abs=0.03)


def test_a_choice_is_the_largest_of_logits_and_noise_and_tells_the_entropy_of_all():
  policy, noise = choices(), np.random.default_rng(2).gumbel(size=(2, 5, 3)).astype('f')
  logits = policy(LATENT).numpy().astype(np.float64)
  action, entropy = policy.sample(LATENT, tf.constant(noise))
  np.testing.assert_allclose(action, np.eye(3)[(logits + noise).argmax(-1)], atol=1e-6)
  probabilities = softmax(logits)
  np.testing.assert_allclose(entropy, -(probabilities * np.log(probabilities)).sum(-1), rtol=1e-4)
  np.testing.assert_array_equal(policy.mode(LATENT), np.eye(3)[logits.argmax(-1)])
  assert policy.largest_entropy == pytest.approx(np.log(3))


def test_the_gradient_of_a_choice_is_that_of_the_probabilities():
  policy, weights = choices(), tf.constant([1.0, -2.0, 0.5])
  with tf.GradientTape(persistent=True) as tape:
    action, _ = policy.sample(LATENT, tf.zeros([2, 5, 3]))
    value = tf.reduce_sum(action * weights)
    expected = tf.reduce_sum(tf.nn.softmax(policy(LATENT)) * weights)
  for variable in policy.trainable_variables:
    gradient = tape.gradient(value, variable)
    np.testing.assert_allclose(gradient, tape.gradient(expected, variable), rtol=1e-4, atol=1e-6)
    assert np.abs(gradient).max() > 0


def test_choices_are_as_frequent_as_their_probabilities():
  policy = choices()
  latent = tf.repeat(LATENT[0, :1], 20_000, 0)
  shares = policy.sample(latent, policy.noise([20_000], [1, 5]))[0].numpy().mean(0)
  np.testing.assert_allclose(shares,
                             softmax(policy(LATENT[0, :1]).numpy().astype(np.float64))[0],
                             atol=0.015)


def test_the_first_choices_are_uniform():
  policy = squashed_policy.SquashedPolicy(4, types.ActionSpec(choices=(5,)), (6,), [1, 2])
  np.testing.assert_allclose(
      policy.sample(LATENT, tf.zeros([2, 5, 5]))[1], np.full((2, 5), np.log(5)), rtol=1e-5)


def mixed():
  """Two numbers, a choice among 3, and two switches; outputs: 2 means, 2 deviations, 7 logits."""
  policy = squashed_policy.SquashedPolicy(
      4, types.ActionSpec(2, (3, 2, 2)), (6,), [1, 2], (-5.0, 1.0))
  kernel, = (v for v in policy.trainable_variables if 'kernel_1' in v.name)
  np.testing.assert_array_equal(kernel[:, 4:], np.zeros((6, 7)))  # first choices are uniform
  kernel.assign_add(tf.random.stateless_normal(kernel.shape, [5, 6]))
  return policy


def test_numbers_and_choices_are_sampled_for_themselves_and_their_entropies_add_up():
  policy = mixed()
  output = policy(LATENT).numpy().astype(np.float64)
  noise = policy.noise([2, 5], tf.constant([1, 2])).numpy()
  assert noise.shape == (2, 5, 9)
  action, entropy = policy.sample(LATENT, tf.constant(noise))
  log_std = -5 + 6 * (np.tanh(output[..., 2:4]) + 1) / 2
  x = output[..., :2] + np.exp(log_std) * noise[..., :2]
  density = -noise[..., :2]**2 / 2 - log_std - np.log(2 * np.pi) / 2 - np.log(1 - np.tanh(x)**2)
  np.testing.assert_allclose(action[..., :2], np.tanh(x), rtol=1e-4, atol=1e-6)
  expected = -density.sum(-1)
  for begin, count in ((0, 3), (3, 2), (5, 2)):
    logits = output[..., 4 + begin:4 + begin + count]
    gumbel = noise[..., 2 + begin:2 + begin + count]
    probabilities = softmax(logits)
    expected -= (probabilities * np.log(probabilities)).sum(-1)
    np.testing.assert_allclose(action[..., 2 + begin:2 + begin + count],
                               np.eye(count)[(logits + gumbel).argmax(-1)], atol=1e-6)
    np.testing.assert_array_equal(policy.mode(LATENT)[..., 2 + begin:2 + begin + count],
                                  np.eye(count)[logits.argmax(-1)])
  np.testing.assert_allclose(entropy, expected, rtol=1e-3, atol=1e-3)
  np.testing.assert_allclose(policy.mode(LATENT)[..., :2], np.tanh(output[..., :2]), rtol=1e-4)
  assert policy.action_size == 9
  assert policy.largest_entropy == pytest.approx(np.log(3 * 2 * 2))


def test_each_part_of_a_mixed_action_has_its_own_gradient():
  policy = mixed()
  noise, weights = policy.noise([2, 5], tf.constant([1, 2])), tf.range(9.0)
  bias, = (v for v in policy.trainable_variables if 'bias_1' in v.name)
  with tf.GradientTape(persistent=True) as tape:
    value = tf.reduce_sum(policy.sample(LATENT, noise)[0] * weights)
    output = policy(LATENT)
    log_std = -5 + 3 * (tf.tanh(output[..., 2:4]) + 1)
    parts = [tf.tanh(output[..., :2] + tf.exp(log_std) * noise[..., :2])] + [
        tf.nn.softmax(output[..., 4 + begin:4 + end]) for begin, end in ((0, 3), (3, 5), (5, 7))]
    expected = tf.reduce_sum(tf.concat(parts, -1) * weights)
  np.testing.assert_allclose(tape.gradient(value, bias), tape.gradient(expected, bias), rtol=1e-3,
                             atol=1e-5)
