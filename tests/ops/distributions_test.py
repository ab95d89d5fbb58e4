"""The tanh-normal against numerical integration, one-hot gradients, and symlog."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.ops import distributions, replicas

CASES = [(0.3, 0.1), (-1.0, 0.5), (0.0, 0.5), (2.0, 3.0), (-0.01, 1.5), (5.0, 0.1), (0.4, 5.0), (1.0, 10.0), (0.3, 20.0)]


def density(mean, std):
  """Log-density of tanh(x) on a fine grid of x, and the grid, by hand."""
  x = np.linspace(mean - 12 * std, mean + 12 * std, 2_000_001)
  log_normal = -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)
  log_jacobian = 2 * (np.log(2) - x - np.logaddexp(0, -2 * x))
  return x, log_normal, log_normal - log_jacobian


def make(mean, std):
  return distributions.TanhNormal(tf.constant([mean], tf.float64), tf.constant([std], tf.float64))


@pytest.mark.parametrize('mean, std', CASES)
def test_the_mode_has_the_highest_density(mean, std):
  x, _, log_density = density(mean, std)
  # Compared as densities: where tanh saturates, distant x are the same action.
  mode = make(mean, std).mode().numpy()[0]
  best = np.tanh(x[log_density.argmax()])
  assert mode == pytest.approx(best, abs=1e-4) or (mean == 0 and mode == pytest.approx(-best, abs=1e-4))


@pytest.mark.parametrize('mean, std', CASES)
def test_the_entropy_is_the_expected_negative_log_density(mean, std):
  x, log_normal, log_density = density(mean, std)
  expected = lambda values: np.sum(np.exp(log_normal) * values) * (x[1] - x[0])
  arguments = [tf.constant([value], tf.float64) for value in (mean, std)]
  with tf.GradientTape() as tape:
    tape.watch(arguments)
    entropy = distributions.TanhNormal(*arguments).entropy()
  assert entropy.numpy() == pytest.approx(expected(-log_density), abs=0.013)
  # The normal's own entropy is log(std) and a constant; moved by x = mean + std noise, log(1 - tanh(x)^2) changes by -2 tanh(x).
  gradients = tape.gradient(entropy, arguments)
  assert gradients[0].numpy()[0] == pytest.approx(expected(-2 * np.tanh(x)), abs=0.022)
  assert gradients[1].numpy()[0] == pytest.approx(1 / std + expected(-2 * np.tanh(x) * (x - mean) / std), abs=0.012)


def test_samples_differ_by_row_and_let_gradients_through():
  mean, std = tf.zeros([4, 2]), tf.ones([4, 2])
  with tf.GradientTape() as tape:
    tape.watch([mean, std])
    sample = distributions.TanhNormal(mean, std).sample(seed=[1, 2])
    total = tf.reduce_sum(sample)
  assert len(np.unique(sample.numpy())) == 8 and np.abs(sample.numpy()).max() < 1
  noise = np.arctanh(sample.numpy())
  gradients = tape.gradient(total, [mean, std])
  np.testing.assert_allclose(gradients[0], 1 - sample.numpy() ** 2, rtol=1e-4)
  np.testing.assert_allclose(gradients[1], (1 - sample.numpy() ** 2) * noise, rtol=1e-3, atol=1e-5)


def test_a_sample_of_given_noise_is_the_mean_and_so_many_deviations_under_the_tanh():
  sample = distributions.TanhNormal(tf.constant([[0.5, -1.0]]), tf.constant([[2.0, 0.5]])).from_noise(tf.constant([[-1.0, 3.0]]))
  np.testing.assert_allclose(sample, np.tanh([[-1.5, 0.5]]), rtol=1e-6)


def test_a_straight_through_sample_is_one_hot_with_the_gradient_of_the_probabilities():
  logits = tf.constant([[1.0, -0.5, 0.2]])
  weights = tf.constant([[1.0, 2.0, -3.0]])
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(logits)
    sample = distributions.straight_through(tfp.distributions.OneHotCategorical(logits=logits), replicas.gumbel([1, 3], [3, 4]))
    value = tf.reduce_sum(sample * weights)
    expected = tf.reduce_sum(tf.nn.softmax(logits) * weights)
  assert sorted(np.round(sample.numpy()[0], 6).tolist()) == [0, 0, 1]
  np.testing.assert_allclose(tape.gradient(value, logits), tape.gradient(expected, logits), rtol=1e-5)


def test_straight_through_samples_follow_the_probabilities():
  logits = tf.tile(tf.math.log([[0.7, 0.2, 0.1]]), [20_000, 1])
  samples = distributions.straight_through(tfp.distributions.OneHotCategorical(logits=logits), replicas.gumbel([20_000, 3], [1, 1]))
  np.testing.assert_allclose(samples.numpy().mean(0), [0.7, 0.2, 0.1], atol=0.015)


def test_symlog_and_symexp():
  values = np.array([-1e4, -2.0, -0.01, 0.0, 0.5, 300.0], np.float32)
  np.testing.assert_allclose(distributions.symlog(tf.constant(values)), np.sign(values) * np.log(1 + np.abs(values)), rtol=1e-6)
  np.testing.assert_allclose(distributions.symexp(distributions.symlog(tf.constant(values))), values, rtol=1e-4)
