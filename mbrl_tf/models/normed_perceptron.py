"""Perceptrons with a normalisation before each nonlinearity, as one model or as an ensemble."""

import tensorflow as tf

from mbrl_tf.models import mlp

SIMNORM_GROUP = 8  # entries of a simplex, as published
_EPSILON = 1e-5  # of the variance that layers are normalised by


class NormedPerceptron(tf.keras.Model):
  """Dense layers, each followed by layer normalisation and a nonlinearity, and a last one
  (Hansen et al. 2023, arXiv:2310.16828, section 3.1).

  Attributes:
    output_size: of the last axis.
    members: K of an ensemble, or None.
  """

  def __init__(self, sizes, seed, members=None, simnorm=False, output_scale=1.0,
               name='normed_perceptron', activation=None):
    """Makes the variables.

    Args:
      sizes: widths of input, hidden layers and output.
      seed: int32 `[2]`, of the first kernels.
      members: K independent perceptrons, whose variables are `[K, ...]`; None for one without that
        axis.
      simnorm: the last layer is normalised too, and becomes simplices of `SIMNORM_GROUP` entries;
        without it the last layer is linear.
      output_scale: factor on the first kernel of the last layer, one for all outputs or one for
        each; with 0 it begins at 0.
      name: of the model.
      activation: function after each normalisation but that of a simplex; None for Mish.
    """
    super().__init__(name=name)
    self.output_size, self.members, self._simnorm = sizes[-1], members, simnorm
    self._activation = activation or mish
    layers = mlp.initial_layers(sizes, seed, members, output_scale)
    lead = [] if members is None else [members]
    normed = len(layers) if simnorm else len(layers) - 1
    self._kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}')
                     for i, layer in enumerate(layers)]
    self._biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]
    self._scales = [tf.Variable(tf.ones(lead + [size]), name=f'scale_{i}')
                    for i, size in enumerate(sizes[1:][:normed])]
    self._shifts = [tf.Variable(tf.zeros(lead + [size]), name=f'shift_{i}')
                    for i, size in enumerate(sizes[1:][:normed])]

  def call(self, inputs, chosen=None):
    """`[..., in]` to `[..., out]`; of an ensemble, which reads the same inputs, `[K, ..., out]`.

    Args:
      inputs: tensor.
      chosen: int `[k]`, the members to compute; None for all.
    """
    parameters = [self._kernels, self._biases, self._scales, self._shifts]
    rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
    if self.members is None:
      outputs, lead = self._run(rows, *parameters), []
    else:
      if chosen is not None:
        parameters = [[tf.gather(variable, chosen) for variable in kind] for kind in parameters]
      # One product for each member: XLA on a CPU is slower with a batched one.
      members = zip(*[zip(*[tf.unstack(variable) for variable in kind]) for kind in parameters])
      outputs = tf.stack([self._run(rows, *member) for member in members])
      lead = [outputs.shape[0]]
    known = [tf.shape(inputs)[axis] if size is None else size
             for axis, size in enumerate(inputs.shape[:-1])]
    return tf.reshape(outputs, [*lead, *known, self.output_size])

  def _run(self, hidden, kernels, biases, scales, shifts):
    """Rows `[M, in]` to `[M, out]`, with the parameters of one perceptron."""
    last = len(kernels) - 1
    for index, (kernel, bias) in enumerate(zip(kernels, biases)):
      hidden = tf.matmul(hidden, kernel) + bias
      if index < len(scales):
        hidden = normalized(hidden) * scales[index] + shifts[index]
        hidden = simnorm(hidden) if index == last else self._activation(hidden)
    return hidden


def mish(values):
  """x tanh(softplus(x)) (Misra 2019, arXiv:1908.08681), with one exponential.

  With e = exp(x), tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2).
  """
  exponential = tf.exp(tf.minimum(values, 20.0))  # beyond, the quotient is 1 in float32
  product = exponential * (exponential + 2.0)
  return values * (product / (product + 2.0))


def simnorm(values, group=SIMNORM_GROUP):
  """Softmax over each `group` of entries of `[..., S]` (arXiv:2310.16828, eq. 3)."""
  shape = tf.shape(values)
  groups = tf.reshape(values, tf.concat([shape[:-1], [values.shape[-1] // group, group]], 0))
  return tf.reshape(tf.nn.softmax(groups), shape)


def normalized(rows):
  """Mean 0 and variance 1 over the last axis."""
  centered = rows - tf.reduce_mean(rows, -1, keepdims=True)
  variance = tf.reduce_mean(tf.square(centered), -1, keepdims=True)
  return centered * tf.math.rsqrt(variance + _EPSILON)
