"""What models read of an array as a simulator shows it: numbers, choices one-hot."""

import numpy as np
import tensorflow as tf


def read(spec, value):
  """An array of one observation as floats.

  Args:
    spec: its `types.ArraySpec`.
    value: tensor `[..., *shape]`; integers of choices, bytes, or floats, which are read already.

  Returns:
    `[..., C]`, where the entries are choices: one-hot, those of one entry after those of another, C
    of them in all. Otherwise `[..., *shape]`. float32, or the float that `value` has.
  """
  if value.dtype.is_floating:
    return value
  return of_choices(spec, value) if spec.choices else tf.cast(value, tf.float32)


def of_choices(spec, value, dtype=tf.float32):
  """Integers `[..., *shape]`, of which each is a choice, one-hot, `[..., C]`; see `read`."""
  most = max(spec.choices)
  hot = tf.one_hot(value - tf.constant(spec.minimum, value.dtype), most, dtype=dtype)
  lead = tf.shape(value)[:value.shape.rank - len(spec.shape)]
  flat = tf.reshape(hot, tf.concat([lead, [most * len(spec.choices)]], 0))
  if len(set(spec.choices)) == 1:
    return flat
  # Each entry got as many places as that with the most choices.
  kept = np.concatenate([most * index + np.arange(count)
                         for index, count in enumerate(spec.choices)])
  return tf.gather(flat, kept, axis=-1)


def shape(spec):
  """The shape of what `read` returns, without leading axes."""
  return (sum(spec.choices),) if spec.choices else tuple(spec.shape)
