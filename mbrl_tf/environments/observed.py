"""What reads one array of an observation: numbers, choices, or an image; and which of them it is.

Free of TensorFlow.
"""

import dataclasses
import math

import numpy as np
from gymnasium import spaces

from mbrl_tf import errors, types

NUMBERS = 'numbers'          # instead of a layout: no image
_LEAST_SIDE = 16             # pixels of what is taken for an image unless somebody says so
_LEAST_SIDE_ASKED = 8        # pixels that the smallest convolutions need
_LARGEST_BOUND = 1e6         # of a pixel; beyond it, bounds stand for none
_MOST_CHOICES = 10_000       # of one leaf, one-hot
_AXES = {'n': 'frames', 'h': 'height', 'w': 'width', 'c': 'channels'}


class Misfit(Exception):
  """What a simulator returned is outside its space.

  Attributes:
    key: of the leaf, or of the part that should hold it.
    expected, received: in words.
  """

  def __init__(self, key, expected, received):
    super().__init__(f'{key}: {expected}, {received}')
    self.key, self.expected, self.received = key, expected, received


def reader(key, space, overruled, name):
  """Returns the leaf that reads a space."""
  if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
    return _Choices(key, space, name)
  if isinstance(space, spaces.MultiBinary):
    leaf = reader(key, spaces.Box(0, 1, space.shape, np.uint8), overruled, name)
    leaf.accept(space, np.int64)
    return leaf
  if not isinstance(space, spaces.Box) or space.dtype.kind not in 'biuf':
    raise errors.UserError(
        f'{name} observes something of no fixed size, or of a kind that models do not read: they '
        'take numbers, choices and images. gymnasium.wrappers.TransformObservation can make an '
        'array of it, and gymnasium.wrappers.FilterObservation leaves it out of a Dict. '
        f'Received: key={key!r}, observation_space={space}')
  if not math.prod(space.shape):
    raise errors.UserError(f'There is nothing to observe in an array without entries, in {name}. '
                           f'Received: key={key!r}, shape={space.shape}')
  if overruled is not None:
    return _asked(key, space, *overruled)
  layout = _layout(tuple(space.shape))
  if layout and _has_one_range(space):
    return _Image(key, space, layout, space.low.min(), space.high.max())
  return _Numbers(key, space, 'an array without the finite bounds of an image' if layout else '')


def _asked(key, box, layout, low, high):
  """Returns the leaf that reads a Box as somebody says."""
  told = f'Received: environment.images with {key}={layout}, shape={tuple(box.shape)}'
  if layout == NUMBERS:
    return _Numbers(key, box)
  is_layout = len(set(layout)) == len(layout) == len(box.shape) and {'h', 'w'} <= set(layout)
  if not is_layout:
    raise errors.UserError(
        'The layout of an image names each axis of the array once: height h and width w, and where '
        f'it has them channels c and frames n. {told}')
  sides = [box.shape[layout.index(letter)] for letter in 'hw']
  if min(sides) < _LEAST_SIDE_ASKED:
    raise errors.UserError(f'An image must be {_LEAST_SIDE_ASKED} pixels high and wide at least, '
                           f'because convolutions make it smaller. {told}')
  if low is None:
    if not _is_bounded(box):
      raise errors.UserError(
          'The pixels of an image need a range, and the bounds of this array are none: give one, '
          f'as in {key}={layout}:0..1. {told}, low={box.low.min()}, high={box.high.max()}')
    low, high = box.low, box.high
  return _Image(key, box, layout, low, high)


def _layout(shape):
  """Returns the layout of an array that has the shape of an image, '' where it has not.

  The axis of channels is the last or the first, and is no longer than height and width; frames that
  are stacked stand before or after all that.
  """
  if len(shape) == 2:
    return 'hw' if min(shape) >= _LEAST_SIDE else ''
  if len(shape) == 4:
    inner = _layout(shape[1:])
    if inner and shape[0] <= min(size for size, axis in zip(shape[1:], inner) if axis in 'hw'):
      return 'n' + inner
    inner = _layout(shape[:-1])
    return inner + 'n' if inner else ''
  if len(shape) != 3:
    return ''
  fits = lambda channels, sides: min(sides) >= max(_LEAST_SIDE, channels)
  last, first = fits(shape[2], shape[:2]), fits(shape[0], shape[1:])
  if last and (not first or shape[2] <= shape[0]):
    return 'hwc'
  return 'chw' if first else ''


def _is_bounded(box):
  """Whether the bounds of a Box are numbers that somebody means, and leave a range."""
  low, high = box.low.astype(np.float64), box.high.astype(np.float64)
  return bool(np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()
              and max(np.abs(low).max(), np.abs(high).max()) <= _LARGEST_BOUND)


def _has_one_range(box):
  return _is_bounded(box) and box.low.min() == box.low.max() and box.high.min() == box.high.max()


class Leaf:
  """One array.

  Attributes:
    key: of what is read.
    spec: its `types.ArraySpec`.
    space: its `gymnasium.spaces.Box`.
    own_space: of what the simulator returns.
  """

  def __init__(self, key, spec, box, own_space):
    """Takes what is read, and of what."""
    self.key, self.spec, self.space, self.own_space = key, spec, box, own_space
    self._shape, self._dtype = tuple(own_space.shape), np.dtype(own_space.dtype)

  def accept(self, own_space, dtype):
    """Takes whatever fits another type, of what the simulator says is another space."""
    self.own_space, self._dtype = own_space, np.dtype(dtype)

  def say(self, text):
    """Adds to what the spec says of where the array comes from."""
    told = ', '.join(filter(None, [self.spec.taken_from, text]))
    self.spec = dataclasses.replace(self.spec, taken_from=told)

  def read_into(self, value, parts):
    """Puts what is read under its key."""
    parts[self.key] = self.read(value)

  def read(self, value):
    """Returns what is read of a value; a `Misfit` where it is outside its space."""
    raise NotImplementedError

  def read_rows(self, rows):
    """Returns what is read of `[T, ...]`; a `Misfit` that names the row where one is outside."""
    read = []
    for number, value in enumerate(rows):
      try:
        read.append(self.read(value))
      except Misfit as misfit:
        raise Misfit(misfit.key, misfit.expected, f'{misfit.received} in row {number}') from None
    return np.stack(read)

  def own_rows(self, rows):
    """The inverse of `read_rows`."""
    own = self.own_space
    return rows.astype(own.dtype).reshape(len(rows), *own.shape)

  def nested(self, arrays):
    """Returns the array that has this key."""
    return arrays[self.key]

  def flatten_into(self, value, arrays):
    """Puts an array under its key."""
    arrays[self.key] = np.asarray(value)

  def _array(self, value):
    """Returns the value as an array, which is not copied, of the expected shape and a fitting
    type.
    """
    array = np.asarray(value)
    if array.shape != self._shape or not np.can_cast(array.dtype, self._dtype, 'same_kind'):
      raise Misfit(self.key, f'shape {self._shape} and a type that fits {self._dtype}',
                   f'{array.dtype}{list(array.shape)}')
    return array


class _Numbers(Leaf):
  """Numbers of any shape. Bytes stay as they are.

  All else is float32 where that holds what the simulator declares, and float64 where it does not: a
  small motion upon a large offset must survive until it is normalised.
  """

  def __init__(self, key, box, reason=''):
    dtype = np.dtype(np.uint8)
    if box.dtype != dtype:
      dtype = np.result_type(box.dtype, np.float32)
      dtype = dtype if dtype == np.float32 else np.dtype(np.float64)
    # The bounds of bytes are those of their type: nothing that is worth to be carried.
    low, high = (None if dtype == np.uint8 or not np.isfinite(bound).any() else bound.astype(dtype)
                 for bound in (box.low, box.high))
    shape, self._is_bytes, self._to = tuple(box.shape), dtype == np.uint8, dtype
    as_numbers = self._is_bytes and len(shape) > 1
    super().__init__(
        key, types.ArraySpec(shape, dtype.name, low, high, as_numbers=as_numbers,
                             taken_from=reason),
        spaces.Box(box.low.astype(dtype), box.high.astype(dtype), shape, dtype), box)
    self._dtype = dtype

  def read(self, value):
    array = self._array(value).astype(self._to)
    if not self._is_bytes and not _is_finite(array):
      raise Misfit(self.key, 'finite numbers', array)
    return array


class _Choices(Leaf):
  """Whole numbers each of which is one of some choices."""

  def __init__(self, key, space, name):
    """Takes a Discrete or a MultiDiscrete."""
    counts = np.asarray(space.n if isinstance(space, spaces.Discrete) else space.nvec, np.int64)
    first = np.broadcast_to(np.asarray(space.start, np.int64), counts.shape)
    if counts.sum() > _MOST_CHOICES:
      raise errors.UserError(
          f'{name} observes one of so many choices that they take {counts.sum():,} numbers, for '
          'models read a choice one-hot; gymnasium.wrappers.TransformObservation can make fewer '
          f'numbers of it. Received: key={key!r}, observation_space={space}')
    last = first + counts - 1
    dtype = np.dtype(np.int32 if np.abs([first, last]).max() < 2**31 else np.int64)
    first, last = first.astype(dtype), last.astype(dtype)
    self._first, self._last = first, last
    super().__init__(
        key, types.ArraySpec(counts.shape, dtype.name, first, last,
                             choices=tuple(counts.ravel().tolist())),
        spaces.Box(first, last, counts.shape, dtype), space)
    self._dtype = np.dtype(np.int64)

  def read(self, value):
    array = self._array(value)
    if (array < self._first).any() or (array > self._last).any():
      raise Misfit(self.key, f'one of the choices {self._first.min()} to {self._last.max()}', array)
    return array.astype(self.space.dtype)


class _Image(Leaf):
  """Numbers in rows and columns, as bytes: 0 is the least that a pixel may be, and 255 the most."""

  def __init__(self, key, box, layout, low, high):
    """Takes a Box.

    Args:
      key: of what is read.
      box: of the array.
      layout: a letter for each axis.
      low, high: what becomes 0 and 255, numbers or arrays like the box.
    """
    native, shape, dtype = box.dtype, tuple(box.shape), np.dtype(np.uint8)
    self._order = tuple(layout.index(letter) for letter in 'hwnc' if letter in layout)
    sizes = [shape[axis] for axis in self._order]
    self._out_shape = (*sizes[:2], math.prod(sizes[2:]))
    self._low = np.asarray(low, np.float32)
    self._scale = np.float32(255) / (np.asarray(high, np.float32) - self._low)
    low, high = np.min(low), np.max(high)
    self._is_bytes = native == dtype and low == 0 and high == 255
    order = ', '.join(_AXES[letter] for letter in layout)
    super().__init__(
        key, types.ArraySpec(self._out_shape, dtype.name, taken_from=(
            f'{native} {list(shape)} ({order}) of {low:g} to {high:g}')),
        spaces.Box(0, 255, self._out_shape, dtype), box)

  def read(self, value):
    array = self._array(value)
    if not self._is_bytes:
      if not _is_finite(array):
        raise Misfit(self.key, 'finite numbers', array)
      array = np.clip(np.rint((array.astype(np.float32) - self._low) * self._scale), 0, 255)
    # a copy in any case: the simulator may use its array again
    return array.transpose(self._order).astype(np.uint8, order='C').reshape(self._out_shape)

  def own_rows(self, rows):
    own = self.own_space
    array = rows.reshape(len(rows), *(own.shape[axis] for axis in self._order))
    array = array.transpose(0, *(1 + np.argsort(self._order)))
    if not self._is_bytes:
      array = array / self._scale + self._low
      array = array if own.dtype.kind == 'f' else np.rint(array)
    return array.astype(own.dtype)


def _is_finite(array):
  """Whether all entries are finite. The sum of squares is four times as fast, and overflows only
  far from any real task.
  """
  return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())
