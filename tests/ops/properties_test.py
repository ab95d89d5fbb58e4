"""Returns and masks against plain loops, on shapes and values that nobody chose."""

from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays
import numpy as np
import tensorflow as tf

from mbrl_tf.ops import masks, returns

often = settings(max_examples=40, derandomize=True, deadline=None)
shares = strategies.sampled_from([0., 0.5, 0.9, 0.99, 1.])
sizes = strategies.tuples(strategies.integers(1, 4), strategies.integers(1, 12))


@strategies.composite
def batches(draw, count):
  """`count` arrays `[B, H]` of moderate numbers, and a mask of rollouts that end at any step."""
  shape = draw(sizes)
  values = [draw(arrays.arrays(np.float64, shape, elements=strategies.floats(-100, 100))) for _ in range(count)]
  lengths = np.array(draw(strategies.lists(strategies.integers(1, shape[1]), min_size=shape[0], max_size=shape[0])))
  return *values, (np.arange(shape[1]) < lengths[:, None]).astype(np.float64)


@often
@given(batch=batches(1), discount=shares)
def test_a_discounted_sum_is_a_loop(batch, discount):
  values = batch[0] * batch[1]
  expected, after = np.zeros_like(values), np.zeros(len(values))
  for t in reversed(range(values.shape[1])):
    expected[:, t] = after = values[:, t] + discount * after
  np.testing.assert_allclose(returns.discounted_sum(tf.constant(values), discount), expected, rtol=1e-9, atol=1e-9)


@often
@given(batch=batches(2), discount=shares, gae_lambda=shares, garbage=strategies.sampled_from([0., np.nan, np.inf]))
def test_advantages_are_a_loop_and_do_not_see_what_is_masked(batch, discount, gae_lambda, garbage):
  rewards, values, mask = batch
  expected = np.zeros_like(rewards)
  for row, length in enumerate(mask.sum(1).astype(int)):
    after = 0.
    for t in reversed(range(length)):
      following = values[row, t + 1] if t + 1 < length else 0.
      expected[row, t] = after = rewards[row, t] + discount * following - values[row, t] + discount * gae_lambda * after
  spoiled = [np.where(mask > 0, array, garbage) for array in (rewards, values)]
  told = returns.generalized_advantages(*map(tf.constant, spoiled), tf.constant(mask), discount, gae_lambda)
  np.testing.assert_allclose(told, expected, rtol=1e-9, atol=1e-9)


@often
@given(batch=batches(3), lambda_=shares)
def test_lambda_returns_are_averages_of_n_step_returns(batch, lambda_):
  """The definition (arXiv:1912.01603, eq. 5 and 6), not the recursion."""
  rewards, values, discounts = (array.T for array in batch[:3])
  discounts = (discounts + 100) / 200
  bootstrap = values[-1] - rewards[0]
  horizon = len(rewards)
  following = [*values, bootstrap]

  def n_step(t, n):
    end, total, weight = min(t + n, horizon), 0., 1.
    for s in range(t, end):
      total, weight = total + weight * rewards[s], weight * discounts[s]
    return total + weight * following[end]

  told = returns.lambda_returns(*map(tf.constant, (rewards, values, discounts, bootstrap)), lambda_)
  for t in range(horizon):
    expected = (1 - lambda_) * sum((lambda_**(n - 1) * n_step(t, n) for n in range(1, horizon - t)), np.zeros_like(bootstrap))
    np.testing.assert_allclose(told[t], expected + lambda_**(horizon - t - 1) * n_step(t, horizon - t), rtol=1e-8, atol=1e-8)


@often
@given(batch=batches(1), garbage=strategies.sampled_from([0., np.nan, np.inf]))
def test_masked_moments_are_those_of_what_counts(batch, garbage):
  values, mask = batch
  spoiled = tf.constant(np.where(mask > 0, values, garbage))
  np.testing.assert_allclose(masks.masked_mean(spoiled, tf.constant(mask), -1),
                             [row[counts > 0].mean() for row, counts in zip(values, mask)], rtol=1e-9, atol=1e-9)
  counted = values[mask > 0]
  standard = masks.standardize(spoiled, tf.constant(mask), (0, 1)).numpy()
  np.testing.assert_allclose(standard[mask > 0], (counted - counted.mean()) / (counted.std() + 1e-8), rtol=1e-6, atol=1e-4)
  assert (standard[mask == 0] == 0).all()
