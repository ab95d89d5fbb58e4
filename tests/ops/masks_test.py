"""Masked means and standardisation, against loops over the entries that count."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import masks

RNG = np.random.default_rng(0)
VALUES = RNG.normal(3, 2, [2, 3, 5])
MASK = np.array([[[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]], float)


def counted(task, values=VALUES):
  return [values[task, b, h] for b in range(3) for h in range(5) if MASK[task, b, h]]


def spoiled(value):
  return np.where(MASK > 0, VALUES, value)


def test_the_mean_counts_what_the_mask_keeps():
  mean = masks.masked_mean(tf.constant(VALUES), tf.constant(MASK), axis=(1, 2))
  np.testing.assert_allclose(mean, [sum(counted(k)) / len(counted(k)) for k in range(2)], rtol=1e-12)


def test_the_mean_of_nothing_is_zero():
  assert float(masks.masked_mean(tf.constant([3., 4.]), tf.zeros([2]), axis=-1)) == 0


@pytest.mark.parametrize('value', [np.inf, -np.inf, np.nan])
def test_masked_entries_are_never_seen(value):
  mask = tf.constant(MASK)
  for function in (masks.masked_mean, masks.standardize):
    expected = function(tf.constant(VALUES), mask, axis=(1, 2))
    np.testing.assert_array_equal(function(tf.constant(spoiled(value)), mask, axis=(1, 2)), expected)


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_the_mean_has_a_finite_gradient_beside_masked_entries(value):
  values = tf.constant(spoiled(value))
  with tf.GradientTape() as tape:
    tape.watch(values)
    mean = masks.masked_mean(values, tf.constant(MASK), axis=(1, 2))
  expected = MASK / MASK.sum((1, 2), keepdims=True)
  np.testing.assert_allclose(tape.gradient(mean, values), expected)


def test_standardised_entries_have_mean_zero_and_deviation_one_in_each_task():
  result = masks.standardize(tf.constant(VALUES), tf.constant(MASK), axis=(1, 2)).numpy()
  for k in range(2):
    entries = np.array(counted(k))
    np.testing.assert_allclose(counted(k, result), (entries - entries.mean()) / entries.std(), rtol=1e-6)
  assert (result[MASK == 0] == 0).all()


def test_equal_entries_standardise_to_zero():
  result = masks.standardize(tf.fill([2, 3, 5], 7.), tf.constant(MASK, tf.float32), axis=(1, 2))
  np.testing.assert_array_equal(result, np.zeros([2, 3, 5]))


def test_standardize_keeps_one_axis_only():
  with pytest.raises(ValueError, match='Received: axis=1'):
    masks.standardize(tf.zeros([2, 3, 5]), tf.ones([2, 3, 5]), axis=1)
