"""Distributions of actions that a search narrows to the best ones: what CEM and MPPI have in common.

Numbers of an action are drawn from normals with a mean and a deviation, choices from categories
with a probability for each value. Both stand side by side in one vector of features, see
`ops.actions`; where there are choices, a `mean` holds their probabilities.
"""

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import distributions


def initial_mean(spec, horizon):
  """What a search begins with where it knows nothing: numbers 0, all values of a choice alike; numpy
  `[H, F]`."""
  return np.tile(actions_lib.uniform_choices(spec)[None], [horizon, 1])


def drawn(spec, mean, std, noise):
  """Actions `[..., F]` of a distribution.

  Args:
    spec: `types.ActionSpec`.
    mean, std: `[..., F]`; the deviation of choices is not read.
    noise: `[..., F]`, see `actions.noise`.

  Returns:
    Numbers, clipped to [-1, 1], and choices one-hot.
  """
  return actions_lib.by_kind(
      spec,
      lambda mean, std, noise: tf.clip_by_value(mean + std * noise, -1.0, 1.0),
      lambda shares, _, noise: distributions.likeliest(tf.math.log(shares) + noise),
      mean, std, noise)


def refitted(spec, elites, weights, least):
  """Mean and variance of the best actions.

  Args:
    spec: `types.ActionSpec`.
    elites: `[N, E, ..., F]`.
    weights: `[N, E]`, whose sum is 1 in each row.
    least: what all values of a choice keep together, as a share, so that none is given up.

  Returns:
    Two of `[N, ..., F]`.
  """
  weights = weights[(..., *[tf.newaxis] * (elites.shape.rank - 2))]
  mean = tf.reduce_sum(weights * elites, 1)
  variance = tf.reduce_sum(weights * tf.square(elites - mean[:, None]), 1)
  mean = actions_lib.by_kind(
      spec, tf.identity,
      lambda shares: (shares + least / shares.shape[-1]) / (1 + least), mean)
  return mean, variance
