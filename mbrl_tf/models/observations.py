"""What models read of an observation: its images by key, and everything else as one vector."""

import math

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import one_hot

_CHOICE_STD = 0.5  # the largest deviation that something can have which is 0 or 1


class Observations:
  """Takes observations, one array or a dict, apart.

  What a spec calls an image is one; all others are joined to one vector: choices one-hot, bytes and
  numbers as they are.

  Attributes:
    specs: key to `types.ArraySpec`; a single array has the key `observation`.
    images: keys of the images, sorted.
    vector_size: length of the joined vector; 0 where there are images alone.
    dtype: of the joined vector: float64 where one of its parts is, otherwise float32.
    rounding: of each of its entries, as a share of it, numpy `[vector_size]`.
    is_byte: whether each of its entries is a byte, numpy bool `[vector_size]`.
    least_std: the deviation that each of its entries has at least, where its unit is known, and 0
      elsewhere; numpy `[vector_size]`.
  """

  def __init__(self, spec):
    """`spec` is a `types.ArraySpec` or a mapping of them."""
    self.specs = by_key(spec)
    self._is_dict = isinstance(spec, dict)
    self.images = sorted(key for key, array in self.specs.items() if array.is_image)
    read = {key: array for key, array in sorted(self.specs.items()) if key not in self.images}
    self._shapes = {key: one_hot.shape(array) for key, array in read.items()}
    self._sizes = [math.prod(shape) for shape in self._shapes.values()]
    self.vector_size = sum(self._sizes)
    floats = [np.dtype(np.float32) if array.choices else np.result_type(array.dtype, np.float32)
              for array in read.values()]
    self.dtype = np.result_type(np.float32, *floats)
    self.rounding = np.repeat([np.finfo(dtype).eps for dtype in floats], self._sizes)
    is_byte = np.array([array.dtype == 'uint8' for array in read.values()], bool)
    self.is_byte = np.repeat(is_byte, self._sizes)
    self.least_std = np.repeat(
        [_CHOICE_STD if array.choices else 0.0 for array in read.values()], self._sizes)

  @property
  def entries(self):
    """What the entries of the joined vector are called, a tuple: `observation[3]`."""
    return tuple(f'{key}[{index}]' for key, size in zip(self._shapes, self._sizes)
                 for index in range(size))

  def joined(self, observation):
    """All that is no image, of an observation or of a dict by key, as `[..., vector_size]`."""
    observation, flat = by_key(observation), []
    for key, size in zip(self._shapes, self._sizes):
      spec, value = self.specs[key], tf.convert_to_tensor(observation[key])
      lead = tf.shape(value)[:value.shape.rank - len(spec.shape)]
      value = tf.cast(one_hot.of_choices(spec, value) if spec.choices else value, self.dtype)
      flat.append(tf.reshape(value, tf.concat([lead, [size]], 0)))
    return tf.concat(flat, -1)

  def split(self, vector):
    """The inverse of `joined`: key to `[..., *shape]`; of choices `[..., C]`, C of them in all."""
    lead = tf.unstack(tf.shape(vector)[:-1])
    return {key: tf.reshape(value, [*lead, *shape]) for (key, shape), value in zip(
        self._shapes.items(), tf.split(vector, self._sizes, -1))}

  def shown(self, vector):
    """As `split`, in the structure and in the types in which a task's functions take observations;
    there must be no images.
    """
    if not self._is_dict and len(self._shapes['observation']) == 1:
      return tf.cast(vector, _as_read(self.specs['observation']))
    parts = {key: tf.cast(value, _as_read(self.specs[key]))
             for key, value in self.split(vector).items()}
    return parts if self._is_dict else parts['observation']


def by_key(observation):
  """An observation, or its spec, as a dict."""
  return dict(observation) if isinstance(observation, dict) else {'observation': observation}


def signature(spec, frames=1):
  """The `tf.TensorSpec` of a batch of observations, or a dict of them, as an exported function
  takes it.

  Args:
    spec: a `types.ArraySpec` or a mapping of them.
    frames: images that stand side by side in the channels of one.
  """

  def of(array, name):
    shape = list(array.shape)
    if array.is_image:
      shape[-1] *= frames
    return tf.TensorSpec([None, *shape], tf.as_dtype(array.dtype), name)

  if isinstance(spec, types.ArraySpec):
    return of(spec, 'observation')
  return {key: of(array, f'observation/{key}') for key, array in spec.items()}


def _as_read(array):
  """The float type in which functions take an array."""
  return array.dtype if array.dtype in ('float32', 'float64') else 'float32'
