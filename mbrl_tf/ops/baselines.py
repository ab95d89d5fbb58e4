"""A value baseline that is linear in features of observation and time (Duan et al. 2016, arXiv:1604.06778, sec. 4)."""

import tensorflow as tf

from mbrl_tf.ops import masks

OBSERVATION_LIMIT = 10.0


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


def fit_and_predict(observations, returns, mask, ridge=1e-5):
  """Ridge regression of returns on linear features, one for each task, and its values on the same data.

  Solved through the normal equations in float64: squared features of unscaled observations span many orders of
  magnitude.

  Args:
    observations: `[K, B, H, O]`.
    returns: `[K, B, H]`.
    mask: `[K, B, H]`; steps with 0 do not enter the fit.
    ridge: added to the diagonal.

  Returns:
    `[K, B, H]`, 0 where masked.
  """
  tasks, width = observations.shape[0], 2 * observations.shape[-1] + 4
  features = tf.reshape(masks.zero_masked(linear_features(observations), mask[..., None]), [tasks, -1, width])
  features = tf.cast(features, tf.float64)
  targets = tf.cast(tf.reshape(masks.zero_masked(returns, mask), [tasks, -1, 1]), tf.float64)
  gram = tf.matmul(features, features, transpose_a=True) + ridge * tf.eye(width, dtype=tf.float64)
  factor = tf.linalg.cholesky(gram)
  coefficients = tf.linalg.cholesky_solve(factor, tf.matmul(features, targets, transpose_a=True))
  return tf.cast(tf.reshape(features @ coefficients, tf.shape(returns)), returns.dtype)
