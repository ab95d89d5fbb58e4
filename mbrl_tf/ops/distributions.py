"""Distributions that TensorFlow Probability lacks, and transforms of what they describe."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd: Any = tfp.distributions
tfb = tfp.bijectors

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


class Normals(tfd.Independent):
  """Independent normals; event shape `[A]`."""

  def __init__(self, mean, std):
    """Takes mean and standard deviation, both `[..., A]`."""
    self._mean_each, self._std_each = mean, std
    super().__init__(tfd.Normal(mean, std), 1, name='Normals')
    self._parameters = {'mean': mean, 'std': std}

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'mean': tfp.util.ParameterProperties(event_ndims=1), 'std': tfp.util.ParameterProperties(event_ndims=1)}

  def from_noise(self, noise):
    """The sample that standard normal noise `[..., A]` gives; gradients flow through it."""
    return self._mean_each + self._std_each * noise


def _expected_magnitude(mean, variance):
  """E|y| of normal y."""
  scale = tf.sqrt(2 * tf.convert_to_tensor(variance, mean.dtype))
  return scale / np.sqrt(np.pi) * tf.exp(-tf.square(mean / scale)) + mean * tf.math.erf(mean / scale)


class Joint(tfd.Distribution):
  """Independent parts, whose events are flattened and joined to one vector: log-probabilities,
  entropies and divergences add up.
  """

  def __init__(self, parts):
    """Takes distributions of one batch shape, whose events are numbers or arrays of any type."""
    self._parts = list(parts)
    self._sizes = [math.prod(part.event_shape) for part in parts]
    super().__init__(
        parts[0].dtype, tfd.NOT_REPARAMETERIZED, False, True, {'parts': parts}, name='Joint')

  @property
  def parts(self):
    """The distributions, in order."""
    return self._parts

  def __getitem__(self, slices):
    """The same of some of the batch."""
    return Joint([part[slices] for part in self._parts])

  def _batch_shape(self):
    return self._parts[0].batch_shape

  def _batch_shape_tensor(self):
    return self._parts[0].batch_shape_tensor()

  def _event_shape(self):
    return tf.TensorShape([sum(self._sizes)])

  def _event_shape_tensor(self):
    return tf.constant([sum(self._sizes)])

  def _log_prob(self, value):
    values = tf.split(value, self._sizes, -1)
    return sum(part.log_prob(self._unflattened(part, each))
               for part, each in zip(self._parts, values))

  def _entropy(self):
    return sum(part.entropy() for part in self._parts)

  def _mode(self):
    return self._flattened([part.mode() for part in self._parts])

  def _sample_n(self, n, seed=None):
    seeds = tfp.random.split_seed(seed, len(self._parts))
    return self._flattened(
        [part.sample(n, each) for part, each in zip(self._parts, tf.unstack(seeds))])

  def _flattened(self, values):
    lead = lambda part, value: tf.shape(value)[:value.shape.rank - len(part.event_shape)]
    return tf.concat([
        tf.reshape(tf.cast(value, self.dtype), tf.concat([lead(part, value), [size]], 0))
        for part, value, size in zip(self._parts, values, self._sizes)], -1)

  @staticmethod
  def _unflattened(part, value):
    shape = tf.concat([tf.shape(value)[:-1], np.array(part.event_shape, np.int32)], 0)
    return tf.cast(tf.reshape(value, shape), part.dtype)


@tfd.RegisterKL(Joint, Joint)
def _kl_of_joints(one, other, name=None):
  del name
  return sum(tfd.kl_divergence(*pair) for pair in zip(one.parts, other.parts))


def joint(parts):
  """The `Joint` of some distributions; one alone, of a number or a vector, stays as it is."""
  return parts[0] if len(parts) == 1 and len(parts[0].event_shape) < 2 else Joint(parts)


class TwoHot(tfd.Distribution):
  """A number, told by the probabilities of bins (Bellemare et al. 2017, arXiv:1707.06887; Hafner et
  al. 2023, arXiv:2301.04104, section 2.1). Event shape `[]`.

  A value between two bins is the average of these two, weighted by how near they are. Its
  log-probability is the negative cross-entropy with these weights.
  """

  def __init__(self, logits, bins, to_bins=None, from_bins=None):
    """Only keeps its arguments.

    Args:
      logits: `[..., n]`.
      bins: n increasing numbers, as numpy knows them. What lies beyond is taken for the first or
        the last.
      to_bins: function from a value to the space in which bins stand, such as `symlog`; None for
        none.
      from_bins: its inverse.
    """
    parameters = {'logits': logits}
    self._logits, self._bins = logits, np.asarray(bins, np.float32)
    self._to_bins = to_bins or tf.identity
    self._from_bins = from_bins or tf.identity
    super().__init__(logits.dtype, tfd.NOT_REPARAMETERIZED, False, True, parameters, name='TwoHot')

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'logits': tfp.util.ParameterProperties(event_ndims=1)}

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.constant([], tf.int32)

  def _batch_shape(self):
    return self._logits.shape[:-1]

  def _mean(self):
    """The mean in the space of the bins, brought back."""
    products = tf.nn.softmax(self._logits) * self._bins
    # Added from the outside in: the largest bins, of either sign, cancel before they round off what
    # lies between them.
    return self._from_bins(0.5 * tf.reduce_sum(products + tf.reverse(products, [-1]), -1))

  def _log_prob(self, value):
    return tf.reduce_sum(self.weights(value) * tf.nn.log_softmax(self._logits), -1)

  def weights(self, value):
    """The weights of the bins `[..., n]` that stand for values `[...]`: hats over the bins."""
    bins, gaps = self._bins, np.diff(self._bins)
    inside = tf.clip_by_value(self._to_bins(value), bins[0], bins[-1])[..., None]
    rising = (inside - (bins - np.append(gaps[:1], gaps))) / np.append(gaps[:1], gaps)
    falling = ((bins + np.append(gaps, gaps[-1:])) - inside) / np.append(gaps, gaps[-1:])
    return tf.maximum(tf.minimum(rising, falling), 0.0)


def tanh_log_prob(before, log_std, noise):
  """The log-density of `tanh(before)` where `before` is a normal's mean plus `exp(log_std) noise`.

  It holds at any magnitude: log(1 - tanh(x)^2) = 2 (log 2 - x - softplus(-2 x)).

  Args:
    before: `[..., A]`.
    log_std: `[..., A]`.
    noise: standard normal, `[..., A]`.

  Returns:
    `[...]`, of all entries together.
  """
  normal = -0.5 * tf.square(noise) - log_std - 0.5 * np.log(2 * np.pi)
  change = 2 * (np.log(2) - before - tf.nn.softplus(-2 * before))
  return tf.reduce_sum(normal - change, -1)


def straight_through(logits, noise):
  """A one-hot sample whose gradient is that of the probabilities (Bengio et al. 2013, arXiv:1308.3432).

  Args:
    logits: `[..., n]`.
    noise: of the Gumbel distribution, shaped as the logits; the largest of logits and noise is the choice.
  """
  return with_gradient_of(likeliest(logits + noise), tf.nn.softmax(logits))


def mixed_with_uniform(logits, share):
  """Probabilities of which a share is the same for all classes (Hafner et al. 2023,
  arXiv:2301.04104): none is less than share / n.

  Args:
    logits: `[..., n]`.
    share: in [0, 1].
  """
  return (1 - share) * tf.nn.softmax(logits) + share / logits.shape[-1]


def likeliest(values):
  """The largest of values `[..., n]`, one-hot."""
  return tf.one_hot(tf.argmax(values, -1), values.shape[-1], dtype=values.dtype)


def with_gradient_of(sample, probabilities):
  """A sample through which the gradient of other numbers of its shape flows."""
  return sample + probabilities - tf.stop_gradient(probabilities)


def symlog(values):
  """sign(x) log(1 + |x|): large numbers become moderate, small ones stay (Hafner et al. 2023, arXiv:2301.04104, eq. 1)."""
  return tf.sign(values) * tf.math.log1p(tf.abs(values))


def symexp(values):
  """The inverse of `symlog`."""
  return tf.sign(values) * tf.math.expm1(tf.abs(values))
