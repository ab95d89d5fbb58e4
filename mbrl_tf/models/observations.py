"""What models read of an observation: its images by key, and everything else as one vector."""

import math

import numpy as np
import tensorflow as tf


class Observations:
  """Takes observations, one array or a dict, apart.

  Arrays `uint8 [height, width, channels]` are images; all others are joined to one vector, as they
  are: bytes of one axis, too.

  Attributes:
    specs: key to `types.ArraySpec`; a single array has the key `observation`.
    images: keys of the images, sorted.
    vector_size: length of the joined vector; 0 where there are images alone.
    dtype: of the joined vector: float64 where one of its parts is, otherwise float32.
    rounding: of each of its entries, as a share of it, numpy `[vector_size]`.
  """

  def __init__(self, spec):
    """`spec` is a `types.ArraySpec` or a mapping of them."""
    self.specs = by_key(spec)
    self.images = sorted(key for key, array in self.specs.items() if array.is_image)
    self._shapes = {
        key: array.shape for key, array in sorted(self.specs.items()) if key not in self.images}
    self._sizes = [math.prod(shape) for shape in self._shapes.values()]
    self.vector_size = sum(self._sizes)
    floats = [np.result_type(self.specs[key].dtype, np.float32) for key in self._shapes]
    self.dtype = np.result_type(np.float32, *floats)
    self.rounding = np.repeat([np.finfo(dtype).eps for dtype in floats], self._sizes)

  def joined(self, observation):
    """All that is no image, of an observation or of a dict by key, as `[..., vector_size]`."""
    observation, flat = by_key(observation), []
    for (key, shape), size in zip(self._shapes.items(), self._sizes):
      value = observation[key]
      lead = tf.shape(value)[:value.shape.rank - len(shape)]
      flat.append(tf.reshape(tf.cast(value, self.dtype), tf.concat([lead, [size]], 0)))
    return tf.concat(flat, -1)

  def split(self, vector):
    """The inverse of `joined`: key to `[..., *shape]`."""
    lead = tf.unstack(tf.shape(vector)[:-1])
    return {key: tf.reshape(value, [*lead, *shape]) for (key, shape), value in zip(
        self._shapes.items(), tf.split(vector, self._sizes, -1))}


def by_key(observation):
  """An observation, or its spec, as a dict."""
  return dict(observation) if isinstance(observation, dict) else {'observation': observation}
