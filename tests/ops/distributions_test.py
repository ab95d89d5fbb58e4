"""The tanh-normal against numerical integration, one-hot gradients, and symlog."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.ops import distributions, replicas

tfd = tfp.distributions

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
    sample = distributions.straight_through(logits, replicas.gumbel([1, 3], [3, 4]))
    value = tf.reduce_sum(sample * weights)
    expected = tf.reduce_sum(tf.nn.softmax(logits) * weights)
  assert sorted(np.round(sample.numpy()[0], 6).tolist()) == [0, 0, 1]
  np.testing.assert_allclose(tape.gradient(value, logits), tape.gradient(expected, logits), rtol=1e-5)


def test_straight_through_samples_follow_the_probabilities():
  logits = tf.tile(tf.math.log([[0.7, 0.2, 0.1]]), [20_000, 1])
  samples = distributions.straight_through(logits, replicas.gumbel([20_000, 3], [1, 1]))
  np.testing.assert_allclose(samples.numpy().mean(0), [0.7, 0.2, 0.1], atol=0.015)


def test_symlog_and_symexp():
  values = np.array([-1e4, -2.0, -0.01, 0.0, 0.5, 300.0], np.float32)
  np.testing.assert_allclose(distributions.symlog(tf.constant(values)), np.sign(values) * np.log(1 + np.abs(values)), rtol=1e-6)
  np.testing.assert_allclose(distributions.symexp(distributions.symlog(tf.constant(values))), values, rtol=1e-4)


def independent_parts():
  """A normal of two numbers, a choice among 3 and two choices among 2, for a batch of 4."""
  generator = np.random.default_rng(3)
  mean, std = generator.normal(size=(4, 2)), generator.uniform(0.5, 2, (4, 2))
  one, two = generator.normal(size=(4, 3)), generator.normal(size=(4, 2, 2))
  made = distributions.joint([
      tfd.Independent(tfd.Normal(tf.constant(mean, tf.float32), tf.constant(std, tf.float32)), 1),
      tfd.Categorical(logits=tf.constant(one, tf.float32)),
      tfd.Independent(tfd.Categorical(logits=tf.constant(two, tf.float32)), 1)])
  logs = [logits - np.log(np.exp(logits).sum(-1, keepdims=True)) for logits in (one, two)]
  return made, mean, std, *logs


def test_the_log_probability_of_independent_parts_adds_up():
  made, mean, std, one, two = independent_parts()
  values = np.concatenate([np.random.default_rng(4).normal(size=(4, 2)),
                           [[0, 1, 0], [2, 0, 0], [1, 1, 1], [2, 0, 1]]], -1)
  normal = -0.5 * ((values[:, :2] - mean) / std)**2 - np.log(std) - 0.5 * np.log(2 * np.pi)
  chosen = values[:, 2:].astype(int)
  expected = normal.sum(-1) + one[range(4), chosen[:, 0]] + sum(
      two[range(4), at, chosen[:, 1 + at]] for at in range(2))
  assert made.event_shape == (5,) and made.batch_shape == (4,)
  np.testing.assert_allclose(made.log_prob(values.astype('f')), expected, rtol=1e-4)
  for compiled in (True, False):
    found = tf.function(made.log_prob, jit_compile=compiled)(tf.constant(values, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_entropies_and_divergences_of_independent_parts_add_up():
  made, _, std, one, two = independent_parts()
  entropy = (0.5 + 0.5 * np.log(2 * np.pi) + np.log(std)).sum(-1) - (np.exp(one) * one).sum(
      -1) - (np.exp(two) * two).sum((-1, -2))
  np.testing.assert_allclose(made.entropy(), entropy, rtol=1e-4)
  others = made[::-1]
  expected = sum(np.asarray(tfd.kl_divergence(a, b)) for a, b in zip(made.parts, others.parts))
  np.testing.assert_allclose(tfd.kl_divergence(made, others), expected, rtol=1e-5)
  np.testing.assert_allclose(tfd.kl_divergence(made, made), np.zeros(4), atol=1e-6)


def test_samples_and_modes_of_independent_parts_stand_beside_each_other():
  made, mean, _, one, two = independent_parts()
  expected = np.concatenate([mean, one.argmax(-1)[:, None], two.argmax(-1)], -1)
  np.testing.assert_allclose(made.mode(), expected, rtol=1e-5)
  drawn = made.sample(20_000, seed=[5, 6]).numpy()
  assert drawn.shape == (20_000, 4, 5)
  np.testing.assert_allclose(drawn[..., :2].mean(0), mean, atol=0.06)
  np.testing.assert_allclose((drawn[..., 2] == 1).mean(0), np.exp(one)[:, 1], atol=0.02)
  np.testing.assert_allclose(drawn[..., 3:].mean(0), np.exp(two)[..., 1], atol=0.02)
  centered = drawn - drawn.mean(0)
  correlations = np.einsum('nbi,nbj->bij', centered, centered) / len(drawn)
  correlations /= drawn.std(0)[:, :, None] * drawn.std(0)[:, None]
  assert np.abs(correlations - np.eye(5)).max() < 0.04
