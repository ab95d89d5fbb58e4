"""Perceptrons that read latent features and return a distribution, and the encoder and decoder of vectors."""

import functools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import normed_perceptron
from mbrl_tf.ops import distributions

tfd = tfp.distributions


class Perceptron(tf.keras.Model):
  """Dense layers of equal width, and a linear one."""

  def __init__(self, input_size, output_size, layers, units, activation='elu', precision='float32', name='perceptron'):
    """Makes the variables.

    Args:
      input_size: of the last axis of the input.
      output_size: of the last axis of the output; 0 leaves the linear layer out.
      layers: hidden layers.
      units: their width.
      activation: of the hidden layers.
      precision: a Keras policy, of the hidden layers.
      name: of the model.
    """
    super().__init__(name=name)
    dense = tf.keras.layers.Dense
    self._layers = [dense(units, activation, dtype=precision, name=f'dense_{index}') for index in range(layers)]
    if output_size:
      # In full precision: a value of 200 is told to whole numbers by bfloat16.
      self._layers.append(dense(output_size, dtype='float32', name='output'))
    for layer in self._layers:
      layer.build([None, input_size])
      input_size = layer.units
    self.output_size = input_size

  def call(self, inputs):
    """`[..., input_size]` to float32 `[..., output_size]`."""
    for layer in self._layers:
      inputs = layer(inputs)
    return tf.cast(inputs, tf.float32)


class NormalHead(Perceptron):
  """A normal with deviation 1 for each entry: of a reward or value (event shape `[]`), or of a vector `[size]`."""

  def __init__(self, input_size, layers, units, size=None, activation='elu', precision='float32', name='normal_head'):
    """As `Perceptron`; size None for a single number."""
    super().__init__(input_size, size or 1, layers, units, activation, precision, name)
    self._is_number = size is None

  def call(self, inputs):
    mean = super().call(inputs)
    return tfd.Normal(mean[..., 0], 1.0) if self._is_number else tfd.Independent(tfd.Normal(mean, 1.0), 1)


class BernoulliHead(Perceptron):
  """The probability that an episode goes on; event shape `[]`."""

  def __init__(self, input_size, layers, units, activation='elu', precision='float32', name='bernoulli_head'):
    super().__init__(input_size, 1, layers, units, activation, precision, name)

  def call(self, inputs):
    return tfd.Bernoulli(logits=super().call(inputs)[..., 0])


class NormedHead(normed_perceptron.NormedPerceptron):
  """A normed perceptron whose outputs stand for a distribution; before anything is learned, the
  same for all features.

  A last layer that begins at 0 promises no reward that was never seen (Hafner et al. 2023,
  arXiv:2301.04104).
  """

  def __init__(self, sizes, stands_for, seed, name='normed_head'):
    """Makes the variables.

    Args:
      sizes: widths of input, hidden layers and output.
      stands_for: function from outputs `[..., sizes[-1]]` to a distribution, such as those below.
      seed: int32 `[2]`.
      name: of the model.
    """
    super().__init__(sizes, seed, output_scale=0.0, name=name, activation=tf.nn.silu)
    self._stands_for = stands_for

  def call(self, inputs):
    return self._stands_for(super().call(inputs))


def unit_normals(outputs):
  """A normal with deviation 1 for each entry; event shape `[size]`."""
  return tfd.Independent(tfd.Normal(outputs, 1.0), 1)


def going_on(outputs):
  """The probability that an episode goes on, of one output; event shape `[]`."""
  return tfd.Bernoulli(logits=outputs[..., 0])


def two_hot(bins, limit):
  """What so many outputs stand for as `TwoHot`: a number in bins at equal distances in symlog space
  (arXiv:2301.04104, section 2.1).

  Args:
    bins: how many.
    limit: symlog of the largest number that can be told.

  Returns:
    A function from outputs `[..., bins]` to a distribution of event shape `[]`.
  """
  places = np.linspace(-limit, limit, bins)
  return functools.partial(distributions.TwoHot, bins=np.sign(places) * np.expm1(np.abs(places)))
