"""Distributions that TensorFlow Probability lacks, and transforms of what they describe."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd, tfb = tfp.distributions, tfp.bijectors

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)  # of the standard normal, up to the factor of the weights
_MODE_ITERATIONS = 30


class TanhNormal(tfd.TransformedDistribution):
  """`tanh(x)` with `x` from a diagonal normal; event shape `[A]`.

  TFP gives such a distribution neither mode nor entropy. Here both are computed, not sampled.
  """

  def __init__(self, mean, std):
    """Takes mean and standard deviation of `x`, both `[..., A]`."""
    self._mean_before, self._std_before = mean, std
    super().__init__(tfd.Independent(tfd.Normal(mean, std), 1), tfb.Tanh(), name='TanhNormal')
    self._parameters = {'mean': mean, 'std': std}

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'mean': tfp.util.ParameterProperties(event_ndims=1), 'std': tfp.util.ParameterProperties(event_ndims=1)}

  def from_noise(self, noise):
    """The sample that standard normal noise `[..., A]` gives; gradients flow through it."""
    return tf.tanh(self._mean_before + self._std_before * noise)

  def _mode(self):
    """The action of the highest density.

    The log-density at tanh(x) is -(x - m)^2 / (2 s^2) - log(1 - tanh(x)^2), stationary where x = m + 2 s^2 tanh(x). On the
    side of the mean's sign the right-hand side is concave and starts at |m|, so it has one fixed point there, which is the
    maximum, and is reached from its upper bound |m| + 2 s^2 without passing it.
    """
    magnitude, pull = tf.abs(self._mean_before), 2 * tf.square(self._std_before)
    x = magnitude + pull
    for _ in range(_MODE_ITERATIONS):
      # Newton's step; from above the fixed point of a concave function it never goes below.
      tangent = tf.tanh(x)
      x -= (x - magnitude - pull * tangent) / (1 - pull * (1 - tf.square(tangent)) + 1e-6)
    return tf.where(self._mean_before < 0, -tf.tanh(x), tf.tanh(x))

  def _entropy(self):
    """H(x) + E[log(1 - tanh(x)^2)], the expectation by Gauss-Hermite quadrature; `[...]`, in nats."""
    dtype = self._mean_before.dtype
    nodes, weights = tf.constant(_NODES, dtype), tf.constant(_WEIGHTS / _WEIGHTS.sum(), dtype)
    x = self._mean_before[..., None] + self._std_before[..., None] * nodes
    correction = 2 * (np.log(2) - x - tf.nn.softplus(-2 * x))
    return self.distribution.entropy() + tf.reduce_sum(tf.reduce_sum(correction * weights, -1), -1)


def straight_through(distribution, noise):
  """A one-hot sample whose gradient is that of the probabilities (Bengio et al. 2013, arXiv:1308.3432).

  Args:
    distribution: `tfd.OneHotCategorical`.
    noise: of the Gumbel distribution, shaped as the logits; the largest of logits and noise is the choice.
  """
  logits = distribution.logits
  sample = tf.one_hot(tf.argmax(logits + noise, -1), logits.shape[-1], dtype=logits.dtype)
  probabilities = tf.nn.softmax(logits)
  return sample + probabilities - tf.stop_gradient(probabilities)


def symlog(values):
  """sign(x) log(1 + |x|): large numbers become moderate, small ones stay (Hafner et al. 2023, arXiv:2301.04104, eq. 1)."""
  return tf.sign(values) * tf.math.log1p(tf.abs(values))


def symexp(values):
  """The inverse of `symlog`."""
  return tf.sign(values) * tf.math.expm1(tf.abs(values))
