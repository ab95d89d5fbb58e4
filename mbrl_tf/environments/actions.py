"""From the actions of policies to those of a simulator, whatever structure these have; free of
TensorFlow."""

import math
from typing import Any, Callable, Mapping, NamedTuple, Optional, Tuple, Union

import gymnasium
import numpy as np
from gymnasium import spaces

from mbrl_tf import errors, types

_LARGEST_BOUND = 1e15  # of an action; its square is still far from the largest float32
_SLACK = 1e-6          # of the range, by which an action that was stored may lie beyond its bounds
_MOST_VALUES = 2**24   # of a choice: float32 tells no more whole numbers apart


class Numbers(NamedTuple):
  """A Box: numbers in [-1, 1] become `offset + scale * number`, rounded down where they are whole
  numbers, and clipped.

  Of whole numbers each is met by an equally wide part of [-1, 1].
  """
  at: Any                  # where they stand in a policy's action, an index
  shape: Tuple[int, ...]   # of the simulator's array
  dtype: np.dtype          # of the simulator's array
  offset: np.ndarray       # float64 [A]
  scale: np.ndarray        # float64 [A]
  low: np.ndarray          # float64 [A]
  high: np.ndarray         # float64 [A]
  is_whole: bool

  def reader(self) -> Callable[[np.ndarray], Any]:
    """Returns the function from a policy's action to the simulator's array, each time a new one."""
    _, shape, dtype, offset, scale, low, high, is_whole = self
    at = self.at
    if not is_whole and bool((low == -1).all() and (high == 1).all()):
      return lambda action: np.array(action[at], dtype).reshape(shape)

    def scaled(action):
      own = offset + scale * action[at]
      if is_whole:
        own = np.floor(own)
      # In float64, in which bounds are exact, so that no rounding leads beyond them.
      return np.minimum(np.maximum(own, low), high).astype(dtype).reshape(shape)

    return scaled

  def of_own(self, own: np.ndarray) -> np.ndarray:
    """Returns the numbers `[T, A]` that become the simulator's own `[T, *shape]`; a ValueError where
    these are beyond the bounds.
    """
    flat = own.reshape(len(own), -1).astype(np.float64)
    slack = _SLACK * (self.high - self.low)
    outside = (flat < self.low - slack) | (flat > self.high + slack) | ~np.isfinite(flat)
    if outside.any():
      row, entry = np.argwhere(outside)[0]
      raise ValueError(f'{flat[row, entry]:g} in row {row} is not within '
                       f'{self.low[entry]:g} to {self.high[entry]:g}')
    if self.is_whole:
      if (flat != np.floor(flat)).any():
        raise ValueError('it holds numbers that are not whole')
      flat = flat + 0.5  # the middle of what becomes this number
    scale = np.where(self.scale == 0, 1.0, self.scale)
    return np.clip((flat - self.offset) / scale, -1.0, 1.0)


class Choices(NamedTuple):
  """A Discrete, MultiDiscrete or MultiBinary: choices from 0 on begin at the simulator's first."""
  at: Any                  # where they stand in a policy's action, an index
  shape: Optional[Tuple[int, ...]]   # of the simulator's array; None for one number
  dtype: np.dtype          # of the simulator's own
  start: Any               # an int, or int64 [D]

  def reader(self) -> Callable[[np.ndarray], Any]:
    """Returns the function from a policy's action to what the simulator takes."""
    at, shape, dtype, start = self
    if shape is not None:
      return lambda action: (
          np.asarray(action[at], np.int64) + start).astype(dtype).reshape(shape)
    if dtype == np.int64:  # as which any simulator takes a plain int
      return lambda action: int(action[at]) + start
    return lambda action: dtype.type(int(action[at]) + start)

  def of_own(self, own: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the choices `[T, D]` from 0 on that become the simulator's own `[T, *shape]`; a
    ValueError where one is none of as many as `counts`, `[D]`, tells.
    """
    chosen = own.reshape(len(own), -1).astype(np.int64) - self.start
    outside = (chosen < 0) | (chosen >= counts)
    if outside.any():
      row, entry = np.argwhere(outside)[0]
      first = np.broadcast_to(self.start, chosen.shape[1:])[entry]
      raise ValueError(f'{chosen[row, entry] + first} in row {row} is none of the choices '
                       f'{first} to {first + counts[entry] - 1}')
    return chosen


# What a simulator's action consists of: one of these, or a dict or tuple of such trees.
Tree = Union[Numbers, Choices, Mapping[Any, Any], Tuple[Any, ...]]


class ConvertActions(gymnasium.Wrapper):
  """Gives the simulator what its action space holds, in its own structure, types and bounds.

  Numbers beyond [-1, 1] are clipped beforehand, for all simulators at once (in `vectorized`). At
  each step the simulator gets arrays of its own, for it may change them, and a repeated action is
  to be what was chosen.

  Attributes:
    action_spec: the `types.ActionSpec` of what `step` takes.
    action_tree: the `Tree` of what the simulator takes.
  """

  def __init__(self, env, name):
    """Wraps `env`; a UserError where policies cannot act in its action space."""
    super().__init__(env)
    space = env.action_space
    if env.has_wrapper_attr('action_masks') and env.get_wrapper_attr('action_masks') is not None:
      raise errors.UserError(
          f'{name} forbids some choices at times, by its action_masks, and policies here choose '
          'among all: have a gymnasium.Wrapper take another choice for a forbidden one, and tell '
          f'action_masks = None. Received: action_masks={env.get_wrapper_attr("action_masks")!r}')
    parts = _parts(space, name)
    boxes = sum(math.prod(part.shape) for part in parts if isinstance(part, spaces.Box))
    counts = [count for part in parts if not isinstance(part, spaces.Box)
              for count in _counts(part)]
    self.action_spec = types.ActionSpec(boxes, tuple(counts))
    if not parts:
      raise _nothing(name, f'action_space={space}')
    if max(counts, default=0) > _MOST_VALUES:
      raise errors.UserError(f'A choice in actions of {name} has more values than a policy can '
                             f'weigh, {_MOST_VALUES}. Received: action_space={space}')
    self.action_tree = _tree(space, _Places(self.action_spec, len(parts) == 1))
    self._convert = reader(self.action_tree)

  def step(self, action):
    return self.env.step(self._convert(action))


def leaves(tree: Tree):
  """Returns all `Numbers` and `Choices` of a tree, in order."""
  if isinstance(tree, (Numbers, Choices)):
    return [tree]
  return [leaf for part in (tree.values() if isinstance(tree, dict) else tree)
          for leaf in leaves(part)]


def map_leaves(function, tree: Tree):
  """Returns what a function makes of each leaf, in the structure of the simulator's actions."""
  if isinstance(tree, (Numbers, Choices)):
    return function(tree)
  if isinstance(tree, dict):
    return {key: map_leaves(function, part) for key, part in tree.items()}
  return tuple(map_leaves(function, part) for part in tree)


class _Places:
  """Gives out the places in a policy's action, to numbers and choices each in their order; `()`,
  which is all of it, where there is one part alone."""

  def __init__(self, spec, is_alone):
    self._numbers, self._choices, self._is_alone = 0, spec.numbers, is_alone

  def of_numbers(self, count):
    """Returns the index of so many numbers more."""
    self._numbers += count
    return () if self._is_alone else slice(self._numbers - count, self._numbers)

  def of_choices(self, count):
    """Returns the index of so many choices more."""
    self._choices += count
    return () if self._is_alone else slice(self._choices - count, self._choices)

  def of_choice(self):
    """Returns the index of one choice more."""
    self._choices += 1
    return () if self._is_alone else self._choices - 1


def _parts(space, name, path=''):
  """Returns the Boxes and choices in an action space, in order; a UserError where there is another
  kind."""
  if isinstance(space, (spaces.Dict, spaces.Tuple)):
    inner = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
    return [part for key, each in inner for part in _parts(each, name, f'{path}[{key!r}]')]
  if isinstance(space, spaces.Box):
    if not math.prod(space.shape):
      raise _nothing(name, f'action_space{path}={space}')
    if not _has_bounds(space):
      raise errors.UserError(
          f'Continuous actions of {name} must have finite bounds, because policies act in [-1, 1] '
          'and the adapter scales to the bounds (gymnasium.wrappers.RescaleAction sets some). A '
          f'bound beyond {_LARGEST_BOUND:g}, or at the end of what its type holds, is taken for '
          f'none. Received: action_space{path}={space}')
  elif not isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
    raise errors.UserError(
        f'Actions of {name} must be a Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or '
        'Tuple of these, because policies decide a fixed number of numbers and choices; '
        'gymnasium.wrappers.TransformAction makes another kind of such a one. '
        f'Received: action_space{path}={space}')
  return [space]


def _nothing(name, received):
  return errors.UserError(f'There is nothing to decide in a part of the actions of {name} that has '
                          f'no entry: give it one, or leave it out. Received: {received}')


def _counts(space):
  """Returns the number of values of each choice."""
  if isinstance(space, spaces.Discrete):
    return [int(space.n)]
  if isinstance(space, spaces.MultiBinary):
    return [2] * math.prod(space.shape)
  return [int(count) for count in space.nvec.ravel()]


def _tree(space, places):
  if isinstance(space, spaces.Dict):
    return {key: _tree(part, places) for key, part in space.spaces.items()}
  if isinstance(space, spaces.Tuple):
    return tuple(_tree(part, places) for part in space.spaces)
  if isinstance(space, spaces.Box):
    low, high = (bound.ravel().astype(np.float64) for bound in (space.low, space.high))
    is_whole = space.dtype.kind in 'biu'
    first, last = (low, high + 1) if is_whole else (low, high)
    return Numbers(places.of_numbers(low.size), space.shape, space.dtype, (last + first) / 2,
                   (last - first) / 2, low, high, is_whole)
  if isinstance(space, spaces.Discrete):
    return Choices(places.of_choice(), None, space.dtype, int(space.start))
  start = np.zeros(space.shape, np.int64)
  if isinstance(space, spaces.MultiDiscrete):
    start = start + space.start
  return Choices(places.of_choices(start.size), space.shape, space.dtype, start.ravel())


def reader(tree):
  """Returns the function from a policy's action to the simulator's."""
  readers = map_leaves(lambda leaf: leaf.reader(), tree)
  if isinstance(tree, (Numbers, Choices)):
    return readers
  return lambda action: _read(readers, action)


def _read(readers, action):
  if isinstance(readers, dict):
    return {key: _read(reader, action) for key, reader in readers.items()}
  if isinstance(readers, tuple):
    return tuple(_read(reader, action) for reader in readers)
  return readers(action)


def _has_bounds(space):
  """Whether all bounds of a Box are numbers that somebody means: neither infinite nor what stands
  for it.
  """
  low, high, dtype = space.low.astype(np.float64), space.high.astype(np.float64), space.dtype
  most = _LARGEST_BOUND
  if dtype.kind == 'f':
    most = min(most, float(np.finfo(dtype).max))
  elif dtype.itemsize > 2:  # smaller ones are used to their ends: bytes are
    most = min(most, np.iinfo(dtype).max - 2)  # Gymnasium writes 2 less for infinity
  return bool(space.is_bounded() and (np.abs(low) < most).all() and (np.abs(high) < most).all())
