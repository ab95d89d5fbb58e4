"""The linear baseline, against least squares of numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import baselines

RNG = np.random.default_rng(0)
OBSERVATIONS = RNG.normal(0, 6, [2, 4, 7, 2])
RETURNS = RNG.normal(size=[2, 4, 7])
MASK = np.array([[[float(h < length) for h in range(7)] for length in row] for row in ([7, 3, 1, 7], [7, 7, 5, 7])])


def features(observation, t):
  """One row, written out."""
  clipped = np.clip(observation, -10, 10)
  time = t / 100
  return np.concatenate([clipped, clipped**2, [time, time**2, time**3, 1]])


def fitted(observations=OBSERVATIONS, targets=RETURNS, mask=MASK, ridge=1e-2):
  return baselines.fit_and_predict(tf.constant(observations), tf.constant(targets), tf.constant(mask), ridge).numpy()


def test_features_by_hand():
  rows = baselines.linear_features(tf.constant(OBSERVATIONS)).numpy()
  assert rows.shape == (2, 4, 7, 8)
  assert np.abs(OBSERVATIONS).max() > 10  # so that clipping is seen
  for index in np.ndindex(2, 4, 7):
    np.testing.assert_allclose(rows[index], features(OBSERVATIONS[index], index[-1]), rtol=1e-12)


def test_the_fit_is_ridge_regression_of_each_task_on_the_steps_taken():
  result = fitted()
  for k in range(2):
    kept = [(b, h) for b in range(4) for h in range(7) if MASK[k, b, h]]
    rows = np.array([features(OBSERVATIONS[k, b, h], h) for b, h in kept])
    targets = np.array([RETURNS[k, b, h] for b, h in kept])
    # Ridge as ordinary least squares: one more observation of 0 for each coefficient.
    rows_and_ridge = np.concatenate([rows, np.sqrt(1e-2) * np.eye(8)])
    coefficients = np.linalg.lstsq(rows_and_ridge, np.concatenate([targets, np.zeros(8)]), rcond=None)[0]
    np.testing.assert_allclose([result[k, b, h] for b, h in kept], rows @ coefficients, rtol=1e-6, atol=1e-8)
  assert (result[MASK == 0] == 0).all()


def test_returns_that_are_linear_in_the_features_are_recovered():
  weights = RNG.normal(size=8)
  small = OBSERVATIONS / 10
  targets = np.array([features(small[i], i[-1]) @ weights for i in np.ndindex(2, 4, 7)]).reshape(2, 4, 7)
  np.testing.assert_allclose(fitted(small, targets, ridge=1e-9), targets * MASK, atol=1e-4)


def test_large_float32_observations_do_not_spoil_the_fit():
  observations = np.concatenate([1000 * OBSERVATIONS, np.zeros_like(OBSERVATIONS)], -1).astype(np.float32)
  result = fitted(observations, RETURNS.astype(np.float32), MASK.astype(np.float32), 1e-5)
  residual = ((result - RETURNS) * MASK)**2
  assert np.isfinite(result).all() and residual.sum() < (RETURNS**2 * MASK).sum()


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_masked_steps_are_never_seen(value):
  spoiled = fitted(np.where(MASK[..., None] > 0, OBSERVATIONS, value), np.where(MASK > 0, RETURNS, value))
  np.testing.assert_array_equal(spoiled, fitted())
