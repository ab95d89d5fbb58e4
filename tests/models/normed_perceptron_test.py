"""Normalised perceptrons, computed again in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.models import normed_perceptron

INPUTS = np.random.default_rng(0).normal(size=(2, 3, 5)).astype('f')


def numpy_mish(x):
  x = np.asarray(x, np.float64)
  return x * np.tanh(np.logaddexp(0, x))


def by_hand(model, inputs, member=None, simnorm=False):
  """Layer by layer, row by row."""
  names = {
      v.name.split(':')[0].split('/')[-1]: v.numpy().astype(np.float64)
      for v in model.trainable_variables
  }
  values = names if member is None else {name: value[member] for name, value in names.items()}
  layers = sum(name.startswith('kernel') for name in values)
  rows = []
  for row in inputs.reshape(-1, inputs.shape[-1]):
    for layer in range(layers):
      row = row @ values[f'kernel_{layer}'] + values[f'bias_{layer}']
      last = layer == layers - 1
      if not last or simnorm:
        row = (row - row.mean()
              ) / np.sqrt(row.var() + 1e-5) * values[f'scale_{layer}'] + values[f'shift_{layer}']
        if not last:
          row = numpy_mish(row)
        else:
          powers = np.exp(row.reshape(-1, 8))
          row = (powers / powers.sum(-1, keepdims=True)).reshape(-1)
    rows.append(row)
  return np.array(rows).reshape(*inputs.shape[:-1], -1)


def moved(model):
  """A model whose variables are all away from where they begin."""
  for index, variable in enumerate(model.trainable_variables):
    variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [index, 3]))
  return model


@pytest.mark.parametrize('simnorm', [False, True])
def test_one_perceptron_is_what_numpy_says(simnorm):
  model = moved(normed_perceptron.NormedPerceptron([5, 6, 7, 16], [1, 2], simnorm=simnorm))
  assert len(model.trainable_variables) == (12 if simnorm else 10) and model.output_size == 16
  found = model(INPUTS).numpy()
  assert found.shape == (2, 3, 16)
  np.testing.assert_allclose(found, by_hand(model, INPUTS, simnorm=simnorm), rtol=1e-4, atol=1e-5)


def test_members_are_perceptrons_of_their_own_and_can_be_chosen():
  model = moved(normed_perceptron.NormedPerceptron([5, 6, 4], [1, 2], members=3))
  first = model.trainable_variables[0].numpy()
  assert first.shape == (3, 5, 6) and (first[0] != first[1]).all() and (first[1] != first[2]).all()
  expected = np.stack([by_hand(model, INPUTS, member) for member in range(3)])
  found = model(INPUTS).numpy()
  assert found.shape == (3, 2, 3, 4)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(model(INPUTS, chosen=tf.constant([2, 0])), expected[[2, 0]], rtol=1e-4,
                             atol=1e-5)


def test_only_chosen_members_get_gradients():
  model = moved(normed_perceptron.NormedPerceptron([5, 6, 4], [1, 2], members=3))
  with tf.GradientTape() as tape:
    loss = tf.reduce_sum(tf.square(model(INPUTS, chosen=tf.constant([1]))))
  for gradient in tape.gradient(loss, model.trainable_variables):
    gradient = tf.convert_to_tensor(gradient).numpy()
    assert np.abs(gradient[1]).max() > 0 and np.abs(gradient[[0, 2]]).max() == 0


def test_simplices_sum_to_one():
  found = normed_perceptron.simnorm(
      tf.constant(np.random.default_rng(1).normal(size=(4, 3, 24)) * 30, tf.float32)).numpy()
  np.testing.assert_allclose(found.reshape(4, 3, 3, 8).sum(-1), 1, rtol=1e-5)
  assert found.min() >= 0


def test_with_an_output_scale_of_zero_it_begins_at_zero_and_can_learn():
  model = normed_perceptron.NormedPerceptron([5, 6, 4], [1, 2], members=2, output_scale=0.0)
  with tf.GradientTape() as tape:
    outputs = model(INPUTS)
    loss = tf.reduce_sum(outputs)
  np.testing.assert_array_equal(outputs, np.zeros((2, 2, 3, 4)))
  first, last = (
      next(v for v in model.trainable_variables if f'kernel_{i}' in v.name) for i in (0, 1))
  assert np.abs(first).min() > 0
  gradient = tape.gradient(loss, last).numpy()
  assert (np.abs(gradient).max(axis=(1, 2)) > 0).all()  # of each member


def test_mish_and_its_slope_are_the_definition_everywhere():
  x = np.concatenate(
      [np.linspace(-30, 30, 601), [-1e30, -1e4, -88.0, 19.99, 20.01, 88.0, 1e4, 1e30]]).astype('f')
  values = tf.constant(x)
  with tf.GradientTape() as tape:
    tape.watch(values)
    found = normed_perceptron.mish(values)
  np.testing.assert_allclose(found, numpy_mish(x), rtol=2e-6, atol=1e-7)
  x = x.astype(np.float64)
  t = np.tanh(np.logaddexp(0, x))
  with np.errstate(over='ignore'):
    slope = t + x * (1 - t**2) / (1 + np.exp(-x))
  np.testing.assert_allclose(tape.gradient(found, values), slope, rtol=1e-4, atol=1e-6)


def test_an_unknown_batch_keeps_its_axes():
  model = normed_perceptron.NormedPerceptron([5, 6, 8], [1, 2], members=2, simnorm=True)
  run = tf.function(model.call, input_signature=[tf.TensorSpec([None, None, 5])], autograph=False)
  assert run(tf.constant(INPUTS)).shape == (2, 2, 3, 8) and run(tf.zeros([7, 1, 5
                                                                         ])).shape == (2, 7, 1, 8)
