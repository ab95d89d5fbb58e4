"""From what a simulator observes, whatever its Gymnasium space, to arrays that models read.

Free of TensorFlow. A Dict or a Tuple is taken apart into its leaves, and each leaf is one of three
kinds: numbers, choices, or an image. Texts are left out; what has no fixed size is refused.
"""

import dataclasses
import math
import re

import numpy as np
from gymnasium import spaces

from mbrl_tf import errors, types

AUTO, NONE = 'auto', 'none'  # what is taken for an image: found out, or nothing
NUMBERS = 'numbers'          # instead of a layout: no image
ALONE = 'observation'        # the key of what is no Dict and no Tuple
_LEAST_SIDE = 16             # pixels of what is taken for an image unless somebody says so
_LEAST_SIDE_ASKED = 8        # pixels that the smallest convolutions need
_LARGEST_BOUND = 1e6         # of a pixel; beyond it, bounds stand for none
_MOST_CHOICES = 10_000       # of one leaf, one-hot
_KEY = re.compile(r'[A-Za-z0-9_.][A-Za-z0-9_./-]*')
_AXES = {'n': 'frames', 'h': 'height', 'w': 'width', 'c': 'channels'}
_NUMBER = r'[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?'
_OVERRULED = re.compile(
    rf'(?P<key>[^=,]+)=(?P<layout>{NUMBERS}|[nhwc]+)'
    rf'(?::(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER}))?')


class Misfit(Exception):
  """What a simulator returned is outside its space.

  Attributes:
    key: of the leaf, or of the part that should hold it.
    expected, received: in words.
  """

  def __init__(self, key, expected, received):
    super().__init__(f'{key}: {expected}, {received}')
    self.key, self.expected, self.received = key, expected, received


class Observing:
  """Reads the observations of one space.

  Attributes:
    spec: of what is read: `types.ArraySpec`, or a dict of them by key.
    space: the same as a `gymnasium.spaces` Box or Dict of Boxes.
    own_space: the simulator's own, without what is not read of it.
    left_out: keys of the texts, which are not read.
  """

  def __init__(self, space, name, images=AUTO):
    """Plans how to read.

    Args:
      space: a `gymnasium.spaces.Space`.
      name: of the simulator, for errors.
      images: what is taken for an image, by commas. `auto`: what has the shape and the bounds of
        one; `none`; and `KEY=LAYOUT`, which overrules this for one key. A layout names each axis of
        the array by a letter, height `h`, width `w`, channels `c`, frames `n`, or is `numbers`. A
        range may follow, as in `depth=hw:0..10`, otherwise that of the space is taken. An array
        that is alone has the key `observation`.

    Raises:
      UserError: a space that no model reads, or `images` that do not fit it.
    """
    leaves = list(_leaves(space, (), name))
    taken = [(path, leaf) for path, leaf in leaves if not _is_text(leaf)]
    if not taken:
      raise _nothing_left(space, name)
    keys = _unique([path for path, _ in taken])
    self.left_out = tuple('/'.join(path) for path, leaf in leaves if _is_text(leaf))
    is_dict = isinstance(space, (spaces.Dict, spaces.Tuple))
    overruled = _overruled(images, keys.values(), name)
    readers = {path: _reader(keys[path], leaf, overruled(keys[path]), name)
               for path, leaf in taken}
    for path, reader in readers.items():
      if path and keys[path] != '/'.join(path):
        reader.say(f'the key {"/".join(path)!r}, which is too like another')
    self._tree = _tree(space, (), readers)
    by_key = {reader.key: reader for reader in readers.values()}
    self._leaves, self.own_space = by_key, self._tree.own_space
    boxes = {key: reader.space for key, reader in by_key.items()}
    self.spec = {key: reader.spec for key, reader in by_key.items()} if is_dict else (
        by_key[ALONE].spec)
    self.space = spaces.Dict(boxes) if is_dict else boxes[ALONE]
    self.read = self._read_parts if is_dict else self._tree.read

  def _read_parts(self, observation):
    """Returns what an observation holds, as `spec` says; a `Misfit` where it is outside its
    space.
    """
    parts = {}
    self._tree.read_into(observation, parts)
    return parts

  def read_rows(self, arrays):
    """Returns what is read of the simulator's own arrays `[T, ...]` by key, as `spec` says with a
    leading axis; a `Misfit` where one is outside its space, or not there.
    """
    if set(arrays) != set(self._leaves):
      raise Misfit(ALONE, f'the keys {sorted(self._leaves)}', sorted(arrays))
    read = {key: leaf.read_rows(arrays[key]) for key, leaf in self._leaves.items()}
    return read if isinstance(self.spec, dict) else read[ALONE]

  def own_rows(self, observation):
    """The inverse of `read_rows`; what was taken for an image is as exact as a byte for each
    number.
    """
    parts = observation if isinstance(self.spec, dict) else {ALONE: observation}
    return {key: leaf.own_rows(np.asarray(parts[key])) for key, leaf in self._leaves.items()}

  def nested(self, arrays):
    """Returns arrays by key in the structure of `own_space`."""
    return self._tree.nested(arrays)

  def flat(self, nest):
    """Returns arrays by key of a structure like `own_space`, in which there may be more."""
    arrays = {}
    self._tree.flatten_into(nest, arrays)
    return arrays


class _Leaf:
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


class _Numbers(_Leaf):
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


class _Choices(_Leaf):
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


class _Image(_Leaf):
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


class _Branch:
  """A Dict or a Tuple of leaves and branches."""

  def __init__(self, key, children, keys):
    """Takes children by key; `keys` are all that an observation has, or how many a Tuple has."""
    self._key, self._keys, self._children = key, keys, list(children.items())
    own = [(name, child.own_space) for name, child in self._children]
    self.own_space = (spaces.Tuple([space for _, space in own]) if isinstance(keys, int)
                      else spaces.Dict(dict(own)))

  def read_into(self, value, parts):
    """Reads all leaves."""
    self._require(value)
    for key, child in self._children:
      child.read_into(value[key], parts)

  def nested(self, arrays):
    """Returns arrays by key in this structure."""
    parts = {name: child.nested(arrays) for name, child in self._children}
    return tuple(parts.values()) if isinstance(self._keys, int) else parts

  def flatten_into(self, value, arrays):
    """Puts all arrays of a structure under their keys; a `Misfit` where one is not there."""
    for key, child in self._children:
      try:
        part = value[key]
      except (KeyError, IndexError, TypeError):
        raise Misfit(self._key, f'a part {key!r}', type(value).__name__) from None
      child.flatten_into(part, arrays)

  def _require(self, value):
    if isinstance(self._keys, int):
      if not isinstance(value, (tuple, list)) or len(value) != self._keys:
        raise Misfit(self._key, f'a tuple of {self._keys}', type(value).__name__)
    elif not isinstance(value, dict) or value.keys() != self._keys:
      received = sorted(value, key=str) if isinstance(value, dict) else type(value).__name__
      raise Misfit(self._key, f'a dict with the keys {sorted(self._keys, key=str)}', received)


def _tree(space, path, readers):
  """Returns what reads an observation of a space: a leaf, a branch, or None where nothing is read
  of it.
  """
  if isinstance(space, spaces.Dict):
    parts, keys = dict(space.spaces), frozenset(space.spaces)
  elif isinstance(space, spaces.Tuple):
    parts, keys = dict(enumerate(space.spaces)), len(space.spaces)
  else:
    return readers.get(path)
  children = {key: _tree(part, (*path, str(key)), readers) for key, part in parts.items()}
  return _Branch('/'.join(path) or ALONE,
                 {key: child for key, child in children.items() if child is not None}, keys)


def _leaves(space, path, name):
  """Yields (path, space) of all that is no Dict and no Tuple."""
  if isinstance(space, spaces.Dict):
    for key, part in space.spaces.items():
      _require_key(key, name)
      yield from _leaves(part, (*path, key), name)
  elif isinstance(space, spaces.Tuple):
    for index, part in enumerate(space.spaces):
      yield from _leaves(part, (*path, str(index)), name)
  else:
    yield path, space


def _require_key(key, name):
  if not isinstance(key, str) or not _KEY.fullmatch(key):
    raise errors.UserError(
        f'Keys of observations name the inputs of exported policies too, so those of {name} must '
        f'be texts of letters, digits, and _ . / - alone. Received: key={key!r}')


def _is_text(space):
  """Whether a space holds texts, also one of a package's own, such as MiniGrid's missions."""
  return isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind in 'US')


def _unique(paths):
  """Returns {path: key}: the path joined, and a number after it where that is too like another's.

  TensorFlow makes the names of an exported model's inputs of keys, where neither capitals nor
  punctuation tell them apart.
  """
  folded = lambda key: re.sub(r'[^a-z0-9]', '_', key.lower())
  keys = {path: '/'.join(path) or ALONE for path in paths}
  reserved, used, found = {folded(key) for key in keys.values()}, set(), {}
  for path, key in sorted(keys.items(), key=lambda item: (item[1], item[0])):
    chosen, number = key, 2
    while folded(chosen) in used or (chosen != key and folded(chosen) in reserved):
      chosen, number = f'{key}-{number}', number + 1
    used.add(folded(chosen))
    found[path] = chosen
  return found


def _reader(key, space, overruled, name):
  """Returns the leaf that reads a space."""
  if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
    return _Choices(key, space, name)
  if isinstance(space, spaces.MultiBinary):
    leaf = _reader(key, spaces.Box(0, 1, space.shape, np.uint8), overruled, name)
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


def _overruled(images, keys, name):
  """Returns the function from a key to its (layout, low, high), None where nothing is said."""
  said, otherwise = {}, None
  for item in map(str.strip, images.split(',')):
    if item in (AUTO, NONE):
      otherwise = (NUMBERS, None, None) if item == NONE else None
      continue
    match = _OVERRULED.fullmatch(item)
    low, high = (float(match[end]) if match and match[end] else None for end in ('low', 'high'))
    if not match or (low is not None and not low < high):
      raise errors.UserError(
          f"Images are '{AUTO}', '{NONE}', and KEY=LAYOUT by commas, such as 'depth=hw:0..10' or "
          f"'map={NUMBERS}'; a layout is of the letters n, h, w, c, and a range goes upwards. "
          f'Received: environment.images={images!r}')
    if match['key'] not in keys:
      raise errors.unknown_name(f'observation of {name}', match['key'], keys)
    said[match['key']] = match['layout'], low, high
  return lambda key: said.get(key, otherwise)


def _nothing_left(space, name):
  """Returns the error of a space that nothing is read of."""
  return errors.UserError(
      f'{name} observes nothing that models read: texts are left out, and a Dict or Tuple needs an '
      'entry; gymnasium.wrappers.TransformObservation can make numbers of what is there. '
      f'Received: observation_space={space}')


def _is_finite(array):
  """Whether all entries are finite. The sum of squares is four times as fast, and overflows only
  far from any real task.
  """
  return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())
