"""Distributions that TensorFlow Probability lacks, and transforms of what they describe."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd, tfb = tfp.distributions, tfp.bijectors

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)  # of the standard normal, up to the factor of the weights
# log(2 cosh(x)) is near |x| blurred by a normal of this variance, and has as much area above |x|.
_BLUR_VARIANCE = np.pi**2 / 12
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
    """H(x) + E[log(1 - tanh(x)^2)]; `[...]`, in nats, to 0.013 for each number of the action.

    The logarithm is 2 log(2) - 2 log(2 cosh(x)). Where the normal is broad, the bend of log(2 cosh(x)) at 0 lies between the nodes of a
    Gauss-Hermite quadrature. So the expectation of a function that bends much alike is taken in closed form, and the quadrature sees
    the small and smooth rest.
    """
    mean, std = self._mean_before, self._std_before
    nodes, weights = tf.constant(_NODES, mean.dtype), tf.constant(_WEIGHTS / _WEIGHTS.sum(), mean.dtype)
    x = mean[..., None] + std[..., None] * nodes
    rest = x + tf.nn.softplus(-2 * x) - _expected_magnitude(x, _BLUR_VARIANCE)
    expected = _expected_magnitude(mean, tf.square(std) + _BLUR_VARIANCE) + tf.reduce_sum(rest * weights, -1)
    return self.distribution.entropy() + 2 * tf.reduce_sum(np.log(2) - expected, -1)


def _expected_magnitude(mean, variance):
  """E|y| of normal y."""
  scale = tf.sqrt(2 * tf.convert_to_tensor(variance, mean.dtype))
  return scale / np.sqrt(np.pi) * tf.exp(-tf.square(mean / scale)) + mean * tf.math.erf(mean / scale)


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
