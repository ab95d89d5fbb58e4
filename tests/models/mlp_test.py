"""The perceptron, against plain matrix products."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.models import mlp


def by_hand(layers, row):
  """One row through layers without a leading axis."""
  for index, (kernel, bias) in enumerate(layers):
    row = np.array([sum(row[i] * kernel[i, j] for i in range(len(row))) + bias[j] for j in range(kernel.shape[1])])
    if index < len(layers) - 1:
      row = np.tanh(row)
  return row


def with_biases(layers):
  return [mlp.Layer(kernel, tf.random.stateless_normal(bias.shape, [9, index])) for index, (kernel, bias) in enumerate(layers)]


def test_members_are_independent_perceptrons():
  layers = with_biases(mlp.initial_layers([3, 4, 2], [1, 2], members=2))
  inputs = tf.random.stateless_normal([2, 5, 3], [3, 4])
  outputs = mlp.apply(layers, inputs, tf.tanh)
  assert outputs.shape == [2, 5, 2]
  for k in range(2):
    own = [(layer.kernel[k].numpy(), layer.bias[k].numpy()) for layer in layers]
    for row in range(5):
      np.testing.assert_allclose(outputs[k, row], by_hand(own, inputs[k, row].numpy()), rtol=1e-4, atol=1e-6)


def test_without_a_leading_axis_inputs_keep_their_axes():
  layers = with_biases(mlp.initial_layers([3, 4, 2], [1, 2]))
  inputs = tf.random.stateless_normal([2, 5, 3], [3, 4])
  outputs = mlp.apply(layers, inputs, tf.tanh)
  own = [(layer.kernel.numpy(), layer.bias.numpy()) for layer in layers]
  np.testing.assert_allclose(outputs[1, 3], by_hand(own, inputs[1, 3].numpy()), rtol=1e-4, atol=1e-6)


def test_first_kernels_are_glorot_uniform_and_biases_zero():
  layers = mlp.initial_layers([50, 40, 30], [1, 2], members=3, output_scale=0.01)
  limit = np.sqrt(6 / 90)
  kernel = layers[0].kernel.numpy()
  assert 0.98 * limit < np.abs(kernel).max() <= limit
  assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
  assert np.abs(layers[1].kernel).max() <= 0.01 * np.sqrt(6 / 70)
  assert not any(np.any(layer.bias) for layer in layers)


def test_members_and_layers_draw_their_own_kernels():
  layers = mlp.initial_layers([4, 4, 4], [1, 2], members=2)
  drawn = [layers[0].kernel[0], layers[0].kernel[1], layers[1].kernel[0], layers[1].kernel[1]]
  for i in range(4):
    for j in range(i):
      assert not np.allclose(drawn[i], drawn[j])
  again = mlp.initial_layers([4, 4, 4], [1, 2], members=2)
  np.testing.assert_array_equal(again[1].kernel, layers[1].kernel)
