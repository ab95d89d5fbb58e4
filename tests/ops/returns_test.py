"""Discounted sums and advantages, against the recursions that define them."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import returns

RNG = np.random.default_rng(0)
REWARDS, VALUES = RNG.normal(size=[2, 3, 6]), RNG.normal(size=[2, 3, 6])
LENGTHS = [[6, 2, 1], [3, 6, 5]]
MASK = np.array([[[float(h < length) for h in range(6)] for length in row] for row in LENGTHS])


def recursive_sum(values, discount):
  total, sums = 0., []
  for value in values[::-1]:
    total = value + discount * total
    sums.append(total)
  return np.array(sums[::-1])


def looped_advantages(rewards, values, length, discount, gae_lambda):
  """Backwards in time over the steps that were taken; the value after the last one is 0."""
  advantages, running, following = np.zeros(len(rewards)), 0., 0.
  for t in reversed(range(length)):
    running = rewards[t] + discount * following - values[t] + discount * gae_lambda * running
    advantages[t], following = running, values[t]
  return advantages


def advantages(rewards=REWARDS, values=VALUES, mask=MASK, discount=0.9, gae_lambda=0.8):
  return returns.generalized_advantages(tf.constant(rewards), tf.constant(values), tf.constant(mask), discount, gae_lambda).numpy()


@pytest.mark.parametrize('discount', [0., 0.9, 1.])
def test_discounted_sum_is_the_recursion(discount):
  sums = returns.discounted_sum(tf.constant(REWARDS), discount).numpy()
  for k in range(2):
    for b in range(3):
      np.testing.assert_allclose(sums[k, b], recursive_sum(REWARDS[k, b], discount), rtol=1e-12)


def test_discounted_sum_by_hand():
  np.testing.assert_allclose(returns.discounted_sum(tf.constant([1., 2., 4.]), 0.5), [3., 4., 4.])


@pytest.mark.parametrize('gae_lambda', [0., 0.8, 1.])
def test_advantages_are_the_recursion(gae_lambda):
  result = advantages(gae_lambda=gae_lambda)
  for k in range(2):
    for b in range(3):
      expected = looped_advantages(REWARDS[k, b], VALUES[k, b], LENGTHS[k][b], 0.9, gae_lambda)
      np.testing.assert_allclose(result[k, b], expected, rtol=1e-10, atol=1e-12)


def test_lambda_one_is_the_return_less_the_value():
  result = advantages(mask=np.ones_like(MASK), gae_lambda=1.)
  np.testing.assert_allclose(result[1, 2], recursive_sum(REWARDS[1, 2], 0.9) - VALUES[1, 2], rtol=1e-10)


def test_a_rollout_that_terminates_has_the_advantages_of_the_shorter_one():
  result = advantages()
  short = advantages(REWARDS[:, :, :2], VALUES[:, :, :2], MASK[:, :, :2])
  np.testing.assert_allclose(result[0, 1, :2], short[0, 1], rtol=1e-12)


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_masked_rewards_and_values_are_never_seen(value):
  spoil = lambda x: np.where(MASK > 0, x, value)
  np.testing.assert_array_equal(advantages(spoil(REWARDS), spoil(VALUES)), advantages())


def reference_lambda_returns(rewards, values, discounts, bootstrap, lambda_):
  """The paper's definition: a weighted average of n-step returns, with a discount of its own for each state."""
  horizon = len(rewards)
  values = np.concatenate([values, bootstrap[None]])

  def n_step(start, n):
    end = min(start + n, horizon)
    total, weight = 0.0, 1.0
    for t in range(start, end):
      total, weight = total + weight * rewards[t], weight * discounts[t]
    return total + weight * values[end]

  result = []
  for start in range(horizon):
    last = horizon - start
    total = sum((1 - lambda_) * lambda_ ** (n - 1) * n_step(start, n) for n in range(1, last))
    result.append(total + lambda_ ** (last - 1) * n_step(start, last))
  return np.array(result)


@pytest.mark.parametrize('lambda_', [0.0, 0.3, 0.95, 1.0])
def test_lambda_returns_average_n_step_returns(lambda_):
  generator = np.random.default_rng(1)
  rewards, values, discounts = (generator.uniform(0, 1, (6, 4)) for _ in range(3))
  bootstrap = generator.normal(size=4)
  found = returns.lambda_returns(*(tf.constant(x) for x in (rewards, values, discounts, bootstrap)), lambda_)
  np.testing.assert_allclose(found, reference_lambda_returns(rewards, values, discounts, bootstrap, lambda_), rtol=1e-10)


@pytest.mark.parametrize('count', [3, 20, 21, 101, 128, 256])
def test_the_range_is_that_of_the_inner_nine_tenths(count):
  values = np.random.default_rng(0).permutation(np.arange(count)).astype('f') ** 2
  found = float(returns.percentile_range(tf.constant(values)))
  inner = np.percentile(values, [5, 95])
  ordered = np.sort(values)
  # Neither percentile is farther than the nearest of the sorted values towards the middle.
  low, high = ordered[ordered >= inner[0] - 1e-3][0], ordered[ordered <= inner[1] + 1e-3][-1]
  assert found == high - low >= 0


@pytest.mark.parametrize('decisions, expected', [(500, 0.99), (1000, 0.995), (100_000, 0.995),
                                                 (250, 0.98), (100, 0.95), (20, 0.95), (3, 0.95),
                                                 (0, 0.995)])
def test_the_discount_is_that_of_the_length_of_an_episode(decisions, expected):
  """Published for 500 decisions: 0.99."""
  assert returns.discount(decisions, 5, 0.95, 0.995) == pytest.approx(expected)
