"""From what a simulator observes, whatever its Gymnasium space, to arrays that models read.

Free of TensorFlow. A Dict or a Tuple is taken apart into its leaves, and each leaf is one of three
kinds: numbers, choices, or an image. Texts are left out; what has no fixed size is refused.
"""

import re

import numpy as np
from gymnasium import spaces

from mbrl_tf import errors
from mbrl_tf.environments import observed

AUTO, NONE = 'auto', 'none'  # what is taken for an image: found out, or nothing
ALONE = 'observation'        # the key of what is no Dict and no Tuple
_KEY = re.compile(r'[A-Za-z0-9_.][A-Za-z0-9_./-]*')
_NUMBER = r'[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?'
_OVERRULED = re.compile(
    rf'(?P<key>[^=,]+)=(?P<layout>{observed.NUMBERS}|[nhwc]+)'
    rf'(?::(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER}))?')


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
    readers = {path: observed.reader(keys[path], leaf, overruled(keys[path]), name)
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
    """Returns what an observation holds, as `spec` says; an `observed.Misfit` where it is outside
    its space.
    """
    parts = {}
    self._tree.read_into(observation, parts)
    return parts

  def read_rows(self, arrays):
    """Returns what is read of the simulator's own arrays `[T, ...]` by key, as `spec` says with a
    leading axis; an `observed.Misfit` where one is outside its space, or not there.
    """
    if set(arrays) != set(self._leaves):
      raise observed.Misfit(ALONE, f'the keys {sorted(self._leaves)}', sorted(arrays))
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
    """Puts all arrays of a structure under their keys; an `observed.Misfit` where one is not
    there.
    """
    for key, child in self._children:
      try:
        part = value[key]
      except (KeyError, IndexError, TypeError):
        raise observed.Misfit(self._key, f'a part {key!r}', type(value).__name__) from None
      child.flatten_into(part, arrays)

  def _require(self, value):
    if isinstance(self._keys, int):
      if not isinstance(value, (tuple, list)) or len(value) != self._keys:
        raise observed.Misfit(self._key, f'a tuple of {self._keys}', type(value).__name__)
    elif not isinstance(value, dict) or value.keys() != self._keys:
      received = sorted(value, key=str) if isinstance(value, dict) else type(value).__name__
      raise observed.Misfit(
          self._key, f'a dict with the keys {sorted(self._keys, key=str)}', received)


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


def _overruled(images, keys, name):
  """Returns the function from a key to its (layout, low, high), None where nothing is said."""
  said, otherwise = {}, None
  for item in map(str.strip, images.split(',')):
    if item in (AUTO, NONE):
      otherwise = (observed.NUMBERS, None, None) if item == NONE else None
      continue
    match = _OVERRULED.fullmatch(item)
    low, high = (float(match[end]) if match and match[end] else None for end in ('low', 'high'))
    if not match or (low is not None and not low < high):
      raise errors.UserError(
          f"Images are '{AUTO}', '{NONE}', and KEY=LAYOUT by commas, such as 'depth=hw:0..10' or "
          f"'map={observed.NUMBERS}'; a layout is of the letters n, h, w, c, and a range goes "
          'upwards. '
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

