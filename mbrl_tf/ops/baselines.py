"""A value baseline that is linear in features of observation and time (Duan et al. 2016,
arXiv:1604.06778, sec. 4)."""

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import masks

OBSERVATION_LIMIT = 10.0
_SLOPE = 2.0  # deviation of what a random feature bends, for observations of deviation 1


def linear_features(observations):
  """Features [o, o^2, t, t^2, t^3, 1] with o clipped to +-10 and t in hundreds of steps.

  Args:
    observations: `[K, B, H, O]`.

  Returns:
    `[K, B, H, 2 O + 4]`.
  """
  clipped = tf.clip_by_value(observations, -OBSERVATION_LIMIT, OBSERVATION_LIMIT)
  time = tf.cast(tf.range(tf.shape(observations)[2]), observations.dtype) / 100
  powers = tf.stack([time, time**2, time**3, tf.ones_like(time)], -1)
  shape = tf.concat([tf.shape(observations)[:3], [4]], 0)
  return tf.concat([clipped, tf.square(clipped), tf.broadcast_to(powers, shape)], -1)


def random_features(observations, count):
  """Features tanh(w o + v t + b) with o and t as in `linear_features`, and with w, v and b that are
  drawn once and for all (Rahimi and Recht 2008, "Random features for large-scale kernel machines").

  Args:
    observations: `[K, B, H, O]`, of about mean 0 and deviation 1.
    count: F.

  Returns:
    `[K, B, H, F]`.
  """
  generator, size = np.random.default_rng(0), observations.shape[-1]
  constant = lambda values: tf.constant(values, observations.dtype)
  weights = constant(generator.normal(0, _SLOPE / np.sqrt(size), [size, count]))
  biases, speeds = constant(generator.uniform(-2, 2, count)), constant(generator.normal(size=count))
  clipped = tf.clip_by_value(observations, -OBSERVATION_LIMIT, OBSERVATION_LIMIT)
  time = tf.cast(tf.range(tf.shape(observations)[2]), observations.dtype) / 100
  shape = tf.concat([tf.shape(observations)[:3], [count]], 0)
  bent = tf.reshape(tf.reshape(clipped, [-1, size]) @ weights, shape)
  return tf.tanh(bent + biases + speeds * time[:, None])


def fit_and_predict(observations, returns, mask, ridge=1e-5, features=0):
  """Ridge regression of returns on linear features, and some random ones, one for each task, and
  its values on the same data.

  Solved through the normal equations in float64: squared features of unscaled observations span many orders of
  magnitude.

  Args:
    observations: `[K, B, H, O]`.
    returns: `[K, B, H]`.
    mask: `[K, B, H]`; steps with 0 do not enter the fit.
    ridge: added to the diagonal.
    features: how many random ones.

  Returns:
    `[K, B, H]`, 0 where masked.
  """
  rows = linear_features(observations)
  if features:
    rows = tf.concat([rows, random_features(observations, features)], -1)
  tasks, width = observations.shape[0], rows.shape[-1]
  rows = tf.reshape(masks.zero_masked(rows, mask[..., None]), [tasks, -1, width])
  rows = tf.cast(rows, tf.float64)
  targets = tf.cast(tf.reshape(masks.zero_masked(returns, mask), [tasks, -1, 1]), tf.float64)
  gram = tf.matmul(rows, rows, transpose_a=True) + ridge * tf.eye(width, dtype=tf.float64)
  factor = tf.linalg.cholesky(gram)
  coefficients = tf.linalg.cholesky_solve(factor, tf.matmul(rows, targets, transpose_a=True))
  return tf.cast(tf.reshape(rows @ coefficients, tf.shape(returns)), returns.dtype)
