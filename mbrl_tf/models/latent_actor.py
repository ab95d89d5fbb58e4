"""Actors on latent features: tanh-normal for continuous actions, one-hot for discrete ones."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import heads
from mbrl_tf.ops import distributions, replicas

tfd = tfp.distributions


class _Actor(heads.Perceptron):
  """A perceptron whose output stands for a distribution of actions."""

  def call(self, features):
    """The distribution of the action at features `[..., F]`."""
    return self.distribution(self.raw(features))

  def raw(self, features):
    """What `distribution` needs, one tensor: to be stacked over steps, where the distributions of many are looked at together."""
    return super().call(features)


class TanhNormalActor(_Actor):
  """Continuous actions in (-1, 1) (Hafner et al. 2019, arXiv:1912.01603, appendix A)."""

  def __init__(self, features_size, action_size, layers=4, units=400, activation='elu', precision='float32',
               mean_scale=5.0, initial_std=5.0, least_std=1e-4):
    """Makes the variables.

    Args:
      features_size: `F`.
      action_size: `A`.
      layers, units, activation, precision: as for `Perceptron`.
      mean_scale: the mean before the tanh stays within +- this.
      initial_std: standard deviation before the tanh where the network gives 0.
      least_std: its lower bound.
    """
    super().__init__(features_size, 2 * action_size, layers, units, activation, precision, 'actor')
    self._mean_scale, self._least_std = mean_scale, least_std
    self._raw_std = float(np.log(np.expm1(initial_std)))

  def distribution(self, raw):
    """The distribution that `raw` `[..., 2 A]` stands for; event shape `[A]`."""
    mean, std = tf.split(raw, 2, -1)
    mean = self._mean_scale * tf.tanh(mean / self._mean_scale)
    return distributions.TanhNormal(mean, tf.nn.softplus(std + self._raw_std) + self._least_std)

  def noise(self, steps, rows, seed):
    """What `sample` needs for `rows` rows of this replica in each of some steps, `[steps, rows, A]`."""
    return replicas.normal([steps, rows, self.output_size // 2], seed, axis=1)

  def sample(self, distribution, noise):
    """A sample `[..., A]` of what `call` returned, that lets gradients through."""
    return distribution.from_noise(noise)


class OneHotActor(_Actor):
  """One of `num_values` choices, one-hot."""

  def __init__(self, features_size, num_values, layers=4, units=400, activation='elu', precision='float32'):
    super().__init__(features_size, num_values, layers, units, activation, precision, 'actor')

  def distribution(self, raw):
    """The distribution of the one-hot action that `raw` `[..., num_values]`, its logits, stands for."""
    return tfd.OneHotCategorical(logits=raw, dtype=tf.float32)

  def noise(self, steps, rows, seed):
    """What `sample` needs for `rows` rows of this replica in each of some steps, `[steps, rows, num_values]`."""
    return replicas.gumbel([steps, rows, self.output_size], seed, axis=1)

  def sample(self, distribution, noise):
    """A one-hot sample `[..., num_values]` of what `call` returned, with straight-through gradients."""
    return distributions.straight_through(distribution, noise)
