"""Stored actions of many decisions, and a simulator's own of them; free of TensorFlow."""

import math

import numpy as np

from mbrl_tf import types
from mbrl_tf.environments import actions

ALONE = 'action'  # the key of an action that is one array


def parts(spec, tree):
  """Returns the `types.ActionPart`s of a simulator's action by key, as `by_key` has them."""
  return {key: _part(spec, leaf) for key, leaf in by_key(tree).items()}


def _part(spec, leaf):
  at = leaf.at
  if at == ():
    at = slice(0, spec.numbers + len(spec.choices))
  elif not isinstance(at, slice):
    at = slice(at, at + 1)
  if isinstance(leaf, actions.Numbers):
    low, high = leaf.low, leaf.high
  else:
    counts = spec.choices[at.start - spec.numbers:at.stop - spec.numbers]
    low = np.ravel(leaf.start)
    high = low + np.array(counts, np.int64) - 1
  return types.ActionPart(
      (at.start, at.stop), leaf.shape or (), np.dtype(leaf.dtype).name, low, high)


class ActionRows:
  """Takes stored actions of many decisions apart, and puts them together.

  Attributes:
    leaves: `actions.Numbers` and `actions.Choices` by key, in order: the path of each in the
      simulator's action, such as `arm/0`; where an action is one array, its key is `action`.
  """

  def __init__(self, spec, tree):
    """Takes the `types.ActionSpec` and the `actions.Tree` of `actions.ConvertActions`."""
    self._spec, self._tree, self._convert = spec, tree, actions.reader(tree)
    self.leaves = by_key(tree)

  def read(self, arrays):
    """Returns actions as a policy gives them `[T, ...]`, of the simulator's own `[T, ...]` by key.

    Raises:
      ValueError: they are none of the simulator's; says of which key, and why.
    """
    if set(arrays) != set(self.leaves):
      raise ValueError(f'there must be the keys {sorted(self.leaves)}, and are {sorted(arrays)}')
    numbers, choices = [], []
    counts = np.array(self._spec.choices, np.int64)
    for key, leaf in self.leaves.items():
      own, shape = np.asarray(arrays[key]), leaf.shape or ()
      kinds = 'biuf' if isinstance(leaf, actions.Numbers) else 'biu'
      if own.shape[1:] != shape or own.dtype.kind not in kinds:
        wanted = ', '.join(map(str, ('T', *shape)))
        raise ValueError(f'{key} must have the shape [{wanted}] and the type {leaf.dtype}, and has '
                         f'{own.dtype}{list(own.shape)}')
      try:
        if isinstance(leaf, actions.Numbers):
          numbers.append(leaf.of_own(own))
        else:
          mine, counts = np.split(counts, [math.prod(shape)])
          choices.append(leaf.of_own(own, mine))
      except ValueError as error:
        raise ValueError(f'{key}: {error}') from None
    joined = np.concatenate([*numbers, *choices], 1).astype(self._spec.dtype)
    return joined.reshape(len(joined), *self._spec.shape)

  def own_rows(self, chosen):
    """The inverse of `read`: what the simulator was given for actions `[T, ...]`, by key."""
    if self._spec.numbers:
      chosen = np.clip(chosen, *self._spec.bounds)
    rows = [by_key(self._convert(action)) for action in chosen]
    return {key: np.stack([np.asarray(row[key], leaf.dtype) for row in rows])
            for key, leaf in self.leaves.items()}

  def nested(self, arrays):
    """Returns arrays by key in the structure of the simulator's actions."""
    inner = iter([arrays[key] for key in self.leaves])
    return actions.map_leaves(lambda leaf: next(inner), self._tree)

  def flat(self, nest):
    """Returns arrays by key of such a structure."""
    return by_key(nest)


def by_key(tree):
  """Returns what is in dicts and tuples by its path, joined by `/`, and numbered where two would be
  alike; `action` where it is alone.
  """
  found = {}

  def collect(part, path):
    if isinstance(part, dict) or type(part) is tuple:
      for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
        collect(inner, (*path, str(key)))
      return
    key = name = '/'.join(path) or ALONE
    number = 1
    while name in found:
      number += 1
      name = f'{key}-{number}'
    found[name] = part

  collect(tree, ())
  return found
