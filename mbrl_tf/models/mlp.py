"""A multilayer perceptron with explicit parameters, which may carry a leading task or member axis."""

from typing import Any, NamedTuple

import tensorflow as tf


class Layer(NamedTuple):
  """One dense layer: kernel `[in, out]` or `[K, in, out]`, bias `[out]` or `[K, out]`."""
  kernel: Any
  bias: Any


def initial_layers(sizes, seed, members=None, output_scale=1.0, dtype=tf.float32):
  """Glorot-uniform kernels and zero biases.

  Args:
    sizes: widths of input, hidden layers, and output.
    seed: int32 `[2]`.
    members: length of the leading axis; None for no such axis. Each member draws its own kernel.
    output_scale: factor on the last kernel, one for all outputs or one for each.
    dtype: of the parameters.

  Returns:
    A list of `Layer`.
  """
  lead = [] if members is None else [members]
  seeds = tf.random.experimental.stateless_split(seed, len(sizes) - 1)
  layers = []
  for index, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:])):
    limit = (6 / (fan_in + fan_out))**0.5 * (output_scale if index == len(sizes) - 2 else 1.0)
    kernel = tf.random.stateless_uniform(lead + [fan_in, fan_out], seeds[index], -limit, limit, dtype)
    layers.append(Layer(kernel, tf.zeros(lead + [fan_out], dtype)))
  return layers


def apply(layers, inputs, activation):
  """Runs the perceptron; the last layer is linear.

  Args:
    layers: list of `Layer`. Without a leading axis inputs are `[..., in]`; with one they are `[K, M, in]`.
    inputs: tensor.
    activation: function between the layers.

  Returns:
    `[..., out]` or `[K, M, out]`.
  """
  hidden = inputs
  for index, (kernel, bias) in enumerate(layers):
    if kernel.shape.rank == 3:
      bias = bias[:, None, :]
    hidden = tf.matmul(hidden, kernel) + bias
    if index < len(layers) - 1:
      hidden = activation(hidden)
  return hidden
