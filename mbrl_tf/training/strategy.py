"""On which devices a run learns: `run.devices` as a `tf.distribute.Strategy`."""

import tensorflow as tf


def mirrored(devices):
  """A `MirroredStrategy` on devices such as `['CPU:0', 'CPU:1']`, or on all GPUs."""
  is_cpu = devices[0].startswith('CPU')
  # Logical CPUs share their memory. TensorFlow's collectives would bind the process to one number of them for ever.
  exchange = tf.distribute.ReductionToOneDevice() if is_cpu else None
  return tf.distribute.MirroredStrategy(devices, cross_device_ops=exchange)
