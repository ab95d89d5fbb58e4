"""The losses of TD-MPC2 (Hansen et al. 2023, arXiv:2310.16828, section 3.1).

Time leads: `H` steps of an unroll, `B` sequences. Each loss is a sum over the steps, of which step
t counts rho^t, divided by the number of all steps and sequences. A step beyond the end of an
episode counts nothing, and is counted in that number: so each real transition is worth as much as
any other, and replicas may average.
"""

from typing import Any, NamedTuple

import tensorflow as tf


def step_weights(is_first, rho):
  """What each step of an unroll counts, `[H, B]`: rho^t, and 0 from the first step on that no
  action led to.

  Args:
    is_first: bool `[H, B]`, whether an episode begins with the observation after the step.
    rho: see above.
  """
  going = tf.math.cumprod(1 - tf.cast(is_first, tf.float32), 0)
  powers = tf.constant([rho**t for t in range(is_first.shape[0])], tf.float32)
  return going * powers[:, None]


def consistency_loss(predicted, encoded, weights):
  """The mean squared error of latents `[H, B, L]` that the dynamics predict; no gradient flows into
  `encoded` (eq. 4)."""
  error = tf.reduce_mean(tf.square(predicted - tf.stop_gradient(encoded)), -1)
  return tf.reduce_mean(weights * error)


def latent_errors(predicted, encoded, weights):
  """The mean squared error of the latent after each step, `[H, B]`, without gradients; 0 where a
  step counts nothing.

  Args:
    predicted, encoded: latents after each step, `[H, B, L]`.
    weights: what each step counts, `[H, B]`.
  """
  counted = tf.cast(weights > 0, tf.float32)
  return tf.stop_gradient(counted * tf.reduce_mean(tf.square(predicted - encoded), -1))


def novelty(errors, units, weights):
  """How new what followed each step is to the model, `[H, B]`, between -1, what it foresaw, and 1
  (after Pathak et al. 2017, arXiv:1705.05363); 0 where a step counts nothing.

  It is the model's error beside what it mostly is, so that it does not fade as the model gets
  better (Burda et al. 2019, arXiv:1810.12894, section 2.4). What is usual counts 0: were it paid,
  each step would be, and to end an episode would cost more than the rare reward there brings. It is
  bounded, because errors of a hundred times the usual one are common where the model is good: were
  they paid in full, to look for them would be worth more than any reward.

  Args:
    errors: `[H, B]`.
    units: the error of each step that is usual, `[H]`; where it is 0, nothing is new.
    weights: what each step counts, `[H, B]`.
  """
  units = units[:, None]
  relative = tf.math.divide_no_nan(errors - units, errors + units)
  return tf.where((units > 0) & (weights > 0), relative, tf.zeros_like(errors))


def two_hot_loss(distribution, values, weights):
  """The cross-entropy of rewards or values; no gradient flows into the values (eq. 4).

  Args:
    distribution: `TwoHot` of batch shape `[H, B]`, or `[K, H, B]` of K members, which learn the
      same.
    values: `[H, B]`.
    weights: `[H, B]`.
  """
  return -tf.reduce_mean(weights * distribution.log_prob(tf.stop_gradient(values)))


def termination_loss(logits, terminated, weights):
  """The cross-entropy of whether the episode terminated after each step, all `[H, B]`."""
  labels = tf.cast(terminated, tf.float32)
  return tf.reduce_mean(weights * tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))


class Returns(NamedTuple):
  """What is added up of the rewards after each of V steps, before a value takes their place."""
  rewards: Any     # [V, B], discounted sums
  discount: Any    # [V, B], what the value after them counts: gamma^n; 0 after a termination
  last: Any        # int [V, B], the step after which that value is taken


def returns(rewards, terminated, is_first, discount, steps, count):
  """Sums of up to `count` rewards of one episode, from each of the first steps on.

  Args:
    rewards, terminated, is_first: of what follows each step, `[H, B]`; where an episode begins
      after a step, no action was taken there: such a step ends a sum, and a sum that begins with it
      means nothing.
    discount: gamma.
    steps: V.
    count: rewards at most; V - 1 + count is at most H.

  Returns:
    `Returns`.
  """
  found = []
  for first in range(steps):
    total, taken, alive = rewards[first], tf.ones_like(rewards[first]), _not(terminated[first])
    factor = discount * alive
    for step in range(first + 1, first + count):
      alive *= _not(is_first[step])
      total += factor * alive * rewards[step]
      factor *= tf.where(alive > 0, discount * _not(terminated[step]), tf.ones_like(alive))
      taken += alive
      alive *= _not(terminated[step])
    found.append(Returns(total, factor, first + tf.cast(taken, tf.int32) - 1))
  return tf.nest.map_structure(lambda *rows: tf.stack(rows), *found)


def value_targets(summed, values):
  """Rewards and the least of the values of K drawn members after them, `[V, B]`, without gradients
  (eq. 4; arXiv:1802.09477).

  Args:
    summed: `Returns`.
    values: `[K, V, B]`, of the slow value models at the observation after `summed.last` and the
      policy's action there.
  """
  return tf.stop_gradient(summed.rewards + summed.discount * tf.reduce_min(values, 0))


def policy_loss(values, entropies, weights, scale, entropy_scale):
  """The negative value of the policy's actions in units of its range, less what its entropy is
  worth (eq. 5).

  Args:
    values: mean value `[V, B]`, whose gradient flows into the actions alone.
    entropies: of one sample each, `[V, B]`, in nats.
    weights: `[V, B]`.
    scale: the range of values, `[]`; below 1 it counts as 1.
    entropy_scale: what a nat is worth, `[]`.
  """
  worth = values / tf.maximum(scale, 1.0) + tf.stop_gradient(entropy_scale) * entropies
  return -tf.reduce_mean(weights * worth)


def _not(flags):
  return 1 - tf.cast(flags, tf.float32)
