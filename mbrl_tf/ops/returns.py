"""Sums of rewards over a finite horizon: discounted, generalised advantages, and lambda-returns."""

import math

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import masks


def discounted_sum(values, discount, ended=None):
  """For each step t, the sum over s >= t of discount^(s - t) values[s]; one matrix product instead of a scan.

  Args:
    values: `[..., H]`; entries after the end of a rollout must be 0.
    discount: a Python number in [0, 1].
    ended: `[..., H]`, 1 where the sums up to a step do not reach beyond it; None for nowhere.

  Returns:
    `[..., H]`.
  """
  horizon = values.shape[-1]
  # weights[s, t] = discount^(s - t) for s >= t. 200 x 200 multiply-adds are far cheaper than 200 dependent steps.
  steps = np.arange(horizon)
  gap = steps[:, None] - steps[None, :]
  weights = np.where(gap >= 0, np.power(float(discount), np.maximum(gap, 0)), 0.0)
  flat, weights = tf.reshape(values, [-1, horizon]), tf.constant(weights, values.dtype)
  if ended is not None:
    part = tf.reshape(tf.cumsum(ended, axis=-1, exclusive=True), [-1, horizon])
    together = tf.cast(part[:, :, None] == part[:, None, :], values.dtype)
    return tf.reshape(tf.reduce_sum(flat[:, :, None] * weights * together, 1), tf.shape(values))
  return tf.reshape(flat @ weights, tf.shape(values))


def generalized_advantages(rewards, values, mask, discount, gae_lambda, ended=None):
  """Generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, eq. 16) over a finite horizon.

  The value after the last step taken is 0, at the horizon as at a termination: the task ends there, and the value
  function knows the time.

  Args:
    rewards: `[..., H]`.
    values: `[..., H]`, the value of the observation at each step.
    mask: `[..., H]`, 1 for steps taken, 0 after a termination.
    discount: in [0, 1].
    gae_lambda: in [0, 1].
    ended: `[..., H]`, 1 where a rollout terminated with a step and another one begins with the next; None for nowhere.

  Returns:
    `[..., H]`, 0 where masked.
  """
  mask = tf.cast(mask, rewards.dtype)
  rewards, values = masks.zero_masked(rewards, mask), masks.zero_masked(values, mask)
  next_values = tf.concat([values[..., 1:], tf.zeros_like(values[..., :1])], -1)
  if ended is not None:
    next_values = masks.zero_masked(next_values, 1 - ended)
  errors = rewards + discount * next_values - values
  return mask * discounted_sum(errors, discount * gae_lambda, ended)


def lambda_returns(rewards, values, discounts, bootstrap, lambda_):
  """The exponentially weighted average of n-step returns (Hafner et al. 2019, arXiv:1912.01603, eq. 5 and 6).

  A state's value counts the state's own reward, as in the paper: V(t) = r(t) + d(t) ((1 - lambda) v(t + 1) + lambda V(t + 1)),
  with V(H) = v(H) the bootstrap.

  Args:
    rewards: `[H, ...]`, of states 0 to H - 1. Time leads.
    values: `[H, ...]`, v of the same states.
    discounts: `[H, ...]`, of what follows each state: gamma times the probability that the episode goes on from it.
    bootstrap: `[...]`, v of state H.
    lambda_: in [0, 1]; 0 looks one step ahead, 1 as far as there are steps.

  Returns:
    `[H, ...]`.
  """
  following = tf.concat([values[1:], bootstrap[None]], 0)
  inputs = rewards + discounts * following * (1 - lambda_)
  result, last = [], bootstrap
  for reward, discount in zip(reversed(tf.unstack(inputs)), reversed(tf.unstack(discounts))):
    last = reward + discount * lambda_ * last
    result.append(last)
  return tf.stack(result[::-1])


def percentile_range(values):
  """From the 5th to the 95th percentile of `[M]`, between the nearest of the sorted values."""
  count = values.shape[0]
  ordered = tf.sort(values)
  return ordered[math.floor(0.95 * (count - 1))] - ordered[math.ceil(0.05 * (count - 1))]


def discount(decisions, episodes, least, most):
  """gamma for episodes of some decisions; `most` where they have no limit (Hansen et al. 2023,
  arXiv:2310.16828, appendix H): it looks ahead for a share of an episode.

  Args:
    decisions: of an episode, or 0 for no limit.
    episodes: 1 - gamma times the decisions.
    least, most: bounds.
  """
  return min(max(1 - episodes / decisions, least), most) if decisions else most
