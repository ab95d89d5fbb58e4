"""The baseline, against least squares of numpy."""

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


def test_random_features_bend_what_they_are_given_in_their_own_ways():
  rows = baselines.random_features(tf.constant(OBSERVATIONS / 6), 5).numpy()
  assert rows.shape == (2, 4, 7, 5) and np.abs(rows).max() <= 1
  again = baselines.random_features(tf.constant(OBSERVATIONS / 6), 5).numpy()
  np.testing.assert_array_equal(rows, again)
  # Undone, each is a sum of the clipped observation, the time and a constant.
  given = np.concatenate([np.clip(OBSERVATIONS / 6, -10, 10),
                          np.broadcast_to(np.arange(7)[:, None] / 100, (2, 4, 7, 1)),
                          np.ones((2, 4, 7, 1))], -1).reshape(-1, 4)
  bent = np.arctanh(rows).reshape(-1, 5)
  weights = np.linalg.lstsq(given, bent, rcond=None)[0]
  np.testing.assert_allclose(given @ weights, bent, atol=1e-6)
  assert np.linalg.matrix_rank(weights) == 4


def test_random_features_explain_what_is_bent():
  observations = np.random.default_rng(1).normal(size=[1, 40, 50, 3])
  targets = np.sin(2 * observations[..., 0]) * observations[..., 1]
  mask = np.ones([1, 40, 50])
  fitted_with = lambda count: baselines.fit_and_predict(
      tf.constant(observations), tf.constant(targets), tf.constant(mask), 1e-5, count).numpy()
  left = lambda count: np.var(targets - fitted_with(count)) / np.var(targets)
  assert left(0) > 0.9 and left(64) < 0.4


def test_with_random_features_too_masked_steps_are_never_seen():
  given = lambda value: baselines.fit_and_predict(
      tf.constant(np.where(MASK[..., None] > 0, OBSERVATIONS, value)),
      tf.constant(np.where(MASK > 0, RETURNS, value)), tf.constant(MASK), 1e-5, 3).numpy()
  np.testing.assert_array_equal(given(np.nan), given(0.0))
