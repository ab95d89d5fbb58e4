"""Discounted sums over a finite horizon, as one matrix product each instead of a scan over time."""

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import masks


def discounted_sum(values, discount):
  """For each step t, the sum over s >= t of discount^(s - t) values[s].

  Args:
    values: `[..., H]`; entries after the end of a rollout must be 0.
    discount: a Python number in [0, 1].

  Returns:
    `[..., H]`.
  """
  horizon = values.shape[-1]
  # weights[s, t] = discount^(s - t) for s >= t. 200 x 200 multiply-adds are far cheaper than 200 dependent steps.
  steps = np.arange(horizon)
  gap = steps[:, None] - steps[None, :]
  weights = np.where(gap >= 0, np.power(float(discount), np.maximum(gap, 0)), 0.0)
  flat = tf.reshape(values, [-1, horizon])
  return tf.reshape(flat @ tf.constant(weights, values.dtype), tf.shape(values))


def generalized_advantages(rewards, values, mask, discount, gae_lambda):
  """Generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, eq. 16) over a finite horizon.

  The value after the last step taken is 0, at the horizon as at a termination: the task ends there, and the value
  function knows the time.

  Args:
    rewards: `[..., H]`.
    values: `[..., H]`, the value of the observation at each step.
    mask: `[..., H]`, 1 for steps taken, 0 after a termination.
    discount: in [0, 1].
    gae_lambda: in [0, 1].

  Returns:
    `[..., H]`, 0 where masked.
  """
  mask = tf.cast(mask, rewards.dtype)
  rewards, values = masks.zero_masked(rewards, mask), masks.zero_masked(values, mask)
  next_values = tf.concat([values[..., 1:], tf.zeros_like(values[..., :1])], -1)
  errors = rewards + discount * next_values - values
  return mask * discounted_sum(errors, discount * gae_lambda)
