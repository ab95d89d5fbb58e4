"""Perceptrons that read latent features and return a distribution, and the encoder and decoder of vectors."""

import tensorflow as tf
import tensorflow_probability as tfp

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
