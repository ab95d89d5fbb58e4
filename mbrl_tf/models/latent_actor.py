"""Actors on latent features: a tanh-normal or a bounded normal for an action's numbers, one-hot for
its choices."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import heads, normed_perceptron
from mbrl_tf.ops import actions, distributions

tfd = tfp.distributions


class Actor(tf.keras.Model):
  """A perceptron whose output stands for a distribution of the features of actions: numbers and
  choices, one-hot. What numbers are drawn from, and of which logits choices are, an actor says.

  Attributes:
    action: `types.ActionSpec`.
  """

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
      choice = tfd.OneHotCategorical(logits=self._choice(each), dtype=tf.float32)
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
            self.action, lambda each, noise: distributions.straight_through(
                self._choice(each), noise), logits, choices_noise))

  def taken(self, sample):
    """The action `[..., A]` that a sample stands for."""
    return sample

  def _normal(self, raw):
    """The distribution of numbers, of `[..., 2 C]`, which has `from_noise`."""
    raise NotImplementedError

  def _choice(self, logits):
    """The logits `[..., n]` of a choice, of what the network gave for it."""
    return logits


class LatentActor(Actor, heads.Perceptron):
  """Numbers in (-1, 1) of a normal that went through a tanh (Hafner et al. 2019, arXiv:1912.01603,
  appendix A)."""

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

  def _normal(self, raw):
    """`TanhNormal` of numbers, of `[..., 2 C]`."""
    mean, std = tf.split(raw, 2, -1)
    mean = self._mean_scale * tf.tanh(mean / self._mean_scale)
    return distributions.TanhNormal(mean, tf.nn.softplus(std + self._raw_std) + self._least_std)


class BoundedActor(Actor, normed_perceptron.NormedPerceptron):  # type: ignore[misc]
  """Numbers of a normal whose mean is in (-1, 1) and whose deviation is bounded on both sides, so
  that no action is certain, and none is lost beyond a bound; what a sample has beyond is cut off
  where it is taken. Choices, of which no value is impossible (Hafner et al. 2023,
  arXiv:2301.04104).
  """

  def __init__(self, features_size, action, layers, units, seed, least_std=0.1, most_std=1.0,
               uniform_share=0.01):
    """Makes the variables.

    Args:
      features_size: `F`.
      action: `types.ActionSpec`, of `A` features.
      layers, units: hidden layers and their width.
      seed: int32 `[2]`.
      least_std, most_std: bounds of the deviation.
      uniform_share: of the probability of each choice, the same for all values.
    """
    outputs = 2 * action.numbers + sum(action.choices)
    super().__init__([features_size, *[units] * layers, outputs], seed, output_scale=0.01,
                     name='actor', activation=tf.nn.silu)
    self.action = action
    self._std_bounds, self._uniform_share = (least_std, most_std), uniform_share

  def taken(self, sample):
    if not self.action.numbers:
      return sample
    numbers, choices = actions.split(self.action, sample)
    return actions.join(tf.clip_by_value(numbers, -1.0, 1.0), choices)

  def _normal(self, raw):
    """`Normals` of numbers, of `[..., 2 C]`."""
    mean, std = tf.split(raw, 2, -1)
    least, most = self._std_bounds
    return distributions.Normals(tf.tanh(mean), least + (most - least) * tf.sigmoid(std + 2.0))

  def _choice(self, logits):
    return tf.math.log(distributions.mixed_with_uniform(logits, self._uniform_share))
