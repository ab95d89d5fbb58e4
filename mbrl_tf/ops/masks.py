"""Means and moments over the steps that were taken, leaving out those after a termination."""

import tensorflow as tf


def zero_masked(values, mask):
  """`values` where `mask` is above 0, and 0 elsewhere; a product would turn a masked infinity into NaN."""
  return tf.where(mask > 0, values, tf.zeros_like(values))


def masked_mean(values, mask, axis):
  """Mean of `values` over `axis`, counting only where `mask` is 1; 0 where nothing counts.

  Args:
    values: a tensor.
    mask: of the same shape, 1 where the value counts and 0 elsewhere.
    axis: axes to reduce.
  """
  mask = tf.cast(mask, values.dtype)
  total = tf.reduce_sum(zero_masked(values, mask), axis)
  return total / tf.maximum(tf.reduce_sum(mask, axis), 1)


def standardize(values, mask, axis, epsilon=1e-8):
  """Shifts and scales `values` to mean 0 and standard deviation 1 over the counted entries of `axis`; 0 where masked."""
  keep = list(axis) if isinstance(axis, (tuple, list)) else [axis]
  shape = [1 if i in [k % values.shape.rank for k in keep] else -1 for i in range(values.shape.rank)]
  if shape.count(-1) > 1:
    raise ValueError(f'standardize keeps one axis apart. Received: axis={axis!r} for rank {values.shape.rank}')
  mean = tf.reshape(masked_mean(values, mask, axis), shape)
  variance = tf.reshape(masked_mean(tf.square(values - mean), mask, axis), shape)
  return zero_masked((values - mean) / (tf.sqrt(variance) + epsilon), mask)
