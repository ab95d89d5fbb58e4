"""The normalizer, against numpy."""

import numpy as np
import tensorflow as tf

from mbrl_tf.models import normalizer

DATA = np.random.default_rng(0).normal([5, -1000, 0], [2, 0.1, 30], [200, 3]).astype(np.float32)


def fitted(data=DATA):
  result = normalizer.Normalizer(data.shape[1])
  result.fit(data)
  return result


def test_starts_as_the_identity():
  np.testing.assert_allclose(normalizer.Normalizer(3).normalize(DATA), DATA, rtol=1e-6)


def test_moments_are_those_of_the_population():
  result = fitted()
  np.testing.assert_allclose(result.mean, DATA.mean(0, dtype=np.float64), rtol=1e-6)
  np.testing.assert_allclose(result.std, DATA.std(0, dtype=np.float64), rtol=1e-5)
  np.testing.assert_allclose(
      result.normalize(DATA), (DATA - DATA.mean(0, dtype=np.float64)) / DATA.std(0, dtype=np.float64), atol=2e-3)


def test_a_large_mean_does_not_drown_the_deviation():
  data = (1e4 + np.random.default_rng(1).normal(size=[1000, 1]) * 0.5).astype(np.float32)
  np.testing.assert_allclose(fitted(data).std, data.std(0, dtype=np.float64), rtol=1e-4)


def test_denormalize_is_the_inverse_and_scale_takes_no_mean():
  result = fitted()
  np.testing.assert_allclose(result.denormalize(result.normalize(DATA)), DATA, rtol=1e-5, atol=1e-4)
  np.testing.assert_allclose(result.scale(tf.constant([2., 2., 2.])), 2 * DATA.std(0, dtype=np.float64), rtol=1e-5)


def test_constant_columns_become_zero_and_come_back():
  data = np.column_stack([DATA[:, 0], np.full(200, 0.1, np.float32)])
  result = fitted(data)
  np.testing.assert_array_equal(result.normalize(data)[:, 1], np.zeros(200))
  np.testing.assert_allclose(result.denormalize(tf.constant([[0., 3.]]))[0, 1], 0.1, rtol=1e-6)


def test_a_second_fit_forgets_the_first():
  result = fitted()
  result.fit(DATA[:50])
  np.testing.assert_allclose(result.mean, DATA[:50].mean(0, dtype=np.float64), rtol=1e-6)
