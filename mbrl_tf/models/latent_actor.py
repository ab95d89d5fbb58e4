"""The actor on latent features: tanh-normal for an action's numbers, one-hot for its choices."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import heads
from mbrl_tf.ops import actions, distributions

tfd = tfp.distributions


class LatentActor(heads.Perceptron):
  """A perceptron whose output stands for a distribution of the features of actions: numbers in
  (-1, 1) (Hafner et al. 2019, arXiv:1912.01603, appendix A), and choices, one-hot.

  Attributes:
    action: `types.ActionSpec`.
  """

  def __init__(self, features_size, action, layers=4, units=400, activation='elu',
               precision='float32', mean_scale=5.0, initial_std=5.0, least_std=1e-4):
    """Makes the variables.

    Args:
      features_size: `F`.
      action: `types.ActionSpec`, of `A` features.
      layers, units, activation, precision: as for `Perceptron`.
      mean_scale: the mean of a number before the tanh stays within +- this.
      initial_std: standard deviation before the tanh where the network gives 0.
      least_std: its lower bound.
    """
    outputs = 2 * action.numbers + sum(action.choices)
    super().__init__(features_size, outputs, layers, units, activation, precision, 'actor')
    self.action = action
    self._mean_scale, self._least_std = mean_scale, least_std
    self._raw_std = float(np.log(np.expm1(initial_std)))

  def call(self, features):
    """The distribution of the action at features `[..., F]`."""
    return self.distribution(self.raw(features))

  def raw(self, features):
    """What `distribution` needs, one tensor: to be stacked over steps, where the distributions of
    many are looked at together.
    """
    return super().call(features)

  def distribution(self, raw):
    """The distribution that `raw` `[..., 2 C + n1 + n2 + ...]` stands for; event shape `[A]`."""
    numbers, logits = actions.split(self.action, raw, 2)
    parts = [] if numbers is None else [self._normal(numbers)]
    for each in [] if logits is None else actions.runs(self.action, logits):
      choice = tfd.OneHotCategorical(logits=each, dtype=tf.float32)
      parts.append(choice if len(each.shape) == len(raw.shape) else tfd.Independent(choice, 1))
    return distributions.joint(parts)

  def noise(self, steps, rows, seed):
    """What `sample` needs for `rows` rows of this replica in each of some steps, `[steps, rows,
    A]`.
    """
    return actions.noise(self.action, [steps, rows], seed, axis=1)

  def sample(self, raw, noise):
    """A sample `[..., A]` of the distribution that `raw` stands for, that lets gradients through:
    those of choices are straight-through.
    """
    numbers, logits = actions.split(self.action, raw, 2)
    numbers_noise, choices_noise = actions.split(self.action, noise)
    return actions.join(
        None if numbers is None else self._normal(numbers).from_noise(numbers_noise),
        None if logits is None else actions.by_choice(
            self.action, distributions.straight_through, logits, choices_noise))

  def _normal(self, raw):
    """`TanhNormal` of numbers, of `[..., 2 C]`."""
    mean, std = tf.split(raw, 2, -1)
    mean = self._mean_scale * tf.tanh(mean / self._mean_scale)
    return distributions.TanhNormal(mean, tf.nn.softplus(std + self._raw_std) + self._least_std)
