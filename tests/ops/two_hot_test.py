"""The two-hot distribution against numpy loops, and the log-density of tanh of a normal."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.ops import distributions

UNIFORM = np.linspace(-10, 10, 21)
SPACED = np.sign(np.linspace(-10, 10, 41)) * np.expm1(np.abs(np.linspace(-10, 10, 41)))
VALUES = {'uniform': [-25.0, -10.0, -9.3, -0.25, 0.0, 1.0, 3.75, 9.999, 10.0, 1e6],
          'spaced': [-1e9, SPACED[0], -300.0, -0.1, 0.0, SPACED[25], 1.5, 2e4, SPACED[-1], 1e9]}
BINS = {'uniform': UNIFORM, 'spaced': SPACED}


def two_hot(value, bins):
  """The two bins around a value, each as heavy as the value is near; found by a search."""
  value, weights = np.clip(value, bins[0], bins[-1]), np.zeros(len(bins))
  above = min(max(int(np.searchsorted(bins, value)), 1), len(bins) - 1)
  share = (value - bins[above - 1]) / (bins[above] - bins[above - 1])
  weights[above - 1], weights[above] = 1 - share, share
  return weights


def numpy_symlog(value):
  return np.sign(value) * np.log1p(np.abs(value))


def softmax(logits):
  powers = np.exp(logits - logits.max(-1, keepdims=True))
  return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize('kind', BINS)
def test_a_value_is_shared_by_its_two_bins_by_nearness(kind):
  bins = BINS[kind]
  tested = distributions.TwoHot(tf.zeros([len(bins)]), bins)
  found = tested.weights(tf.constant(VALUES[kind], tf.float32)).numpy()
  np.testing.assert_allclose(found, [two_hot(v, bins) for v in VALUES[kind]], atol=2e-5)
  np.testing.assert_allclose(found.sum(-1), 1, atol=2e-5)
  np.testing.assert_allclose(found @ bins, np.clip(VALUES[kind], bins[0], bins[-1]), rtol=1e-4,
                             atol=1e-4)
  assert ((found > 1e-4).sum(-1) <= 2).all()


@pytest.mark.parametrize('transformed', [False, True])
def test_mean_and_log_probability_of_members_are_the_formulas(transformed):
  generator = np.random.default_rng(0)
  logits = generator.normal(size=(2, 3, 4, 21)).astype('f')
  values = generator.normal(size=(3, 4)).astype('f') * 30
  inner = numpy_symlog if transformed else lambda value: value
  outer = (lambda value: np.sign(value) * np.expm1(np.abs(value))) if transformed else inner
  tested = distributions.TwoHot(
      tf.constant(logits), UNIFORM,
      *((distributions.symlog, distributions.symexp) if transformed else ()))
  probabilities = softmax(logits.astype(np.float64))
  mean, log_prob = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
  for index in np.ndindex(2, 3, 4):
    mean[index] = outer(sum(p * b for p, b in zip(probabilities[index], UNIFORM)))
    weights = two_hot(inner(float(values[index[1:]])), UNIFORM)
    log_prob[index] = np.sum(weights * np.log(probabilities[index]))
  assert tested.batch_shape == (2, 3, 4) and tested.event_shape == ()
  np.testing.assert_allclose(tested.mean(), mean, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(tested.log_prob(tf.constant(values)), log_prob, rtol=1e-5, atol=1e-5)


def test_learned_to_the_full_it_tells_any_value_exactly():
  bins = np.linspace(-10, 10, 101)
  for value in (-20000.0, -3.7, -1e-3, 0.0, 0.5, 12.0, 900.0, 1e8):
    weights = two_hot(numpy_symlog(value), bins)
    logits = tf.constant(np.log(weights + 1e-30)[None], tf.float32)
    mean = distributions.TwoHot(logits, bins, distributions.symlog, distributions.symexp).mean()[0]
    np.testing.assert_allclose(mean, min(max(value, -np.expm1(10)), np.expm1(10)), rtol=1e-4,
                               atol=1e-5)


def test_far_bins_of_either_sign_cancel_exactly_where_they_are_equally_likely():
  symlog = np.linspace(-10, 10, 101)
  bins = np.sign(symlog) * np.expm1(np.abs(symlog))
  logits = np.zeros([1, 101], 'f')
  assert distributions.TwoHot(tf.constant(logits), bins).mean()[0] == 0
  logits[0, 50 + 5] = 1e-3  # of the bin at e - 1, among bins of up to 22,025
  expected = (np.e - 1) * (np.exp(1e-3) - 1) / (100 + np.exp(1e-3))
  np.testing.assert_allclose(
      distributions.TwoHot(tf.constant(logits), bins).mean()[0], expected, rtol=0.02)


def test_the_gradient_is_the_probabilities_less_the_weights():
  logits = tf.constant(np.random.default_rng(1).normal(size=(3, 21)), tf.float32)
  values = tf.constant([-7.3, 0.0, 40.0])
  with tf.GradientTape() as tape:
    tape.watch(logits)
    loss = -tf.reduce_sum(distributions.TwoHot(logits, UNIFORM).log_prob(values))
  expected = softmax(logits.numpy()) - [two_hot(v, UNIFORM) for v in values.numpy()]
  np.testing.assert_allclose(tape.gradient(loss, logits), expected, atol=1e-5)


def test_the_log_density_of_tanh_of_a_normal_is_that_of_the_transformed_distribution():
  generator = np.random.default_rng(2)
  mean, log_std, noise = (generator.normal(size=(50, 3)) * scale for scale in (1.5, 0.7, 1.0))
  before = mean + np.exp(log_std) * noise
  reference = tfp.distributions.TransformedDistribution(
      tfp.distributions.Independent(tfp.distributions.Normal(mean, np.exp(log_std)), 1),
      tfp.bijectors.Tanh())
  expected = reference.log_prob(np.tanh(before))  # in float64
  found = distributions.tanh_log_prob(
      *(tf.constant(v, tf.float32) for v in (before, log_std, noise)))
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('before', [-1e4, -60.0, 60.0, 1e4])
def test_far_out_the_log_density_and_its_gradient_stay_exact(before):
  """There 1 - tanh(x)^2 is 4 exp(-2 |x|), which float32 cannot hold."""
  x = tf.constant([before])
  with tf.GradientTape() as tape:
    tape.watch(x)
    found = distributions.tanh_log_prob(x, tf.constant([0.5]), tf.constant([2.0]))
  normal = -0.5 * 4 - 0.5 - 0.5 * np.log(2 * np.pi)
  assert float(found) == pytest.approx(normal - (np.log(4) - 2 * abs(before)), rel=1e-5)
  np.testing.assert_allclose(tape.gradient(found, x), [2 * np.sign(before)], rtol=1e-5)


def test_a_sample_lets_the_gradient_of_other_numbers_through():
  sample, through = tf.constant([0.0, 1.0]), tf.constant([0.3, 0.7])
  with tf.GradientTape() as tape:
    tape.watch([sample, through])
    found = distributions.with_gradient_of(sample, through)
    total = tf.reduce_sum(found * [2.0, -5.0])
  np.testing.assert_allclose(found, [0, 1], atol=1e-6)
  np.testing.assert_allclose(tape.gradient(total, through), [2, -5])
