"""What a simulator's answers are, held against Gymnasium's interface and against its own spaces.

Free of TensorFlow. Each thing that is wrong is a `Note`; what it means for the toolkit, and what to
do, is in `NOTES`.
"""

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

_SHOWN = 100  # letters of what was received
_SHOWN_NUMBERS = 20


class Note(NamedTuple):
  """One thing that is wrong with one answer; `code` is a key of `NOTES`."""
  code: str
  received: str


# Code to (topic, level, what is wrong, what to do).
NOTES = {
    'tuple': ('interface', 'error', 'It does not answer as a gymnasium.Env does',
              'Return (observation, info) from reset(), and (observation, reward, terminated, '
              'truncated, info) from step()'),
    'info': ('interface', 'warning', 'The info is no dict', 'Return {} where there is nothing to '
             'tell'),
    'mask': ('interface', 'warning', 'The info has an action_mask, and policies here choose among '
             'all', 'Where a forbidden choice is no harmless one, have a gymnasium.Wrapper take '
             'another for it'),
    'flag': ('interface', 'error', 'terminated or truncated is neither true nor false',
             'Return bool(...) of them'),
    'flag type': ('interface', 'warning', 'terminated or truncated is no bool, and is taken for '
                  'one', 'Return bool(...) of them'),
    'reward': ('interface', 'error', 'The reward is no number', 'Return one float'),
    'reward type': ('interface', 'warning', 'The reward is an array of one number, and is taken '
                    'for that', 'Return float(reward)'),
    'keys': ('interface', 'error', 'The observation has other parts than its space',
             'Return what observation_space tells, or tell what is returned'),
    'shape': ('interface', 'error', 'The observation has another shape than its space',
              'Return what observation_space tells, or tell what is returned'),
    'type': ('interface', 'error', 'The observation has a type that cannot be converted to that of '
             'its space', 'Give observation_space the type of the numbers that are returned'),
    'other type': ('interface', 'warning', 'The observation has another type than its space, and '
                   'is converted',
                   'Return observation.astype(observation_space.dtype), or give the space the '
                   'type of the numbers that are returned'),
    'member': ('interface', 'error', 'The observation is no member of its space',
               'Return what observation_space tells, or tell what is returned'),
    'not finite': ('numbers', 'error', 'The simulator returns NaN or infinity',
                   'Find the step where it begins: a division by 0, a state that explodes. Where '
                   'it cannot be helped, end the episode before'),
    'bounds': ('numbers', 'warning', 'Observations lie outside of the bounds of their space',
               'Widen the bounds of observation_space (infinity is allowed), or find what leaves '
               'them'),
    'observation changed': ('arrays', 'warning', 'An observation that was handed out changes '
                            'afterwards; here it is copied, elsewhere it would be stored changed',
                            'Return a copy: observation.copy()'),
    'action changed': ('arrays', 'warning', 'step() changes the action that it is given; here it '
                       'is a copy, elsewhere another action would be stored than was chosen',
                       'Compute with a copy of the action'),
}


def of_reset(answer, space):
  """Returns the observation in what reset() returned, None where there is none, and notes."""
  if not isinstance(answer, tuple) or len(answer) != 2:
    return None, [Note('tuple', f'reset()={described(answer)}')]
  observation, info = answer
  return observation, of_observation(observation, space) + _of_info(info)


def of_step(answer, space):
  """Returns (observation, reward, terminated, truncated) and notes; None and notes where it is
  something else that was returned.
  """
  if not isinstance(answer, tuple) or len(answer) != 5:
    return None, [Note('tuple', f'step()={described(answer)}')]
  observation, reward, terminated, truncated, info = answer
  notes = of_observation(observation, space) + _of_info(info)
  ends = []
  for key, value in (('terminated', terminated), ('truncated', truncated)):
    flag = _one(value)
    if flag is None:
      notes.append(Note('flag', f'{key}={described(value)}'))
    elif not isinstance(value, (bool, np.bool_)):
      notes.append(Note('flag type', f'{key}={described(value)}'))
    ends.append(bool(flag))
  number = _one(reward)
  if number is None:
    notes.append(Note('reward', f'reward={described(reward)}'))
  elif not np.isfinite(number):
    notes.append(Note('not finite', f'reward={number}'))
  elif np.ndim(reward):
    notes.append(Note('reward type', f'reward={described(reward)}'))
  return (observation, None if number is None else float(number), *ends), notes


def of_observation(value, space, name='observation'):
  """Returns the notes of one observation, part by part."""
  if isinstance(space, spaces.Dict):
    if not isinstance(value, dict) or set(value) != set(space.spaces):
      return [Note('keys', f'{name}={_keys(value)}, expected {sorted(space.spaces, key=str)}')]
    return [note for key, part in space.spaces.items()
            for note in of_observation(value[key], part, f'{name}[{key!r}]')]
  if isinstance(space, spaces.Tuple):
    if not isinstance(value, (tuple, list)) or len(value) != len(space.spaces):
      return [Note('keys', f'{name}={described(value)}, expected {len(space.spaces)} parts')]
    return [note for index, part in enumerate(space.spaces)
            for note in of_observation(value[index], part, f'{name}[{index}]')]
  if isinstance(space, spaces.Box):
    return _of_box(value, space, name)
  return [] if space.contains(value) else [Note('member', f'{name}={described(value)} in {space}')]


def _of_box(value, box, name):
  try:
    array = np.asarray(value)
  except ValueError:  # lists of different lengths
    return [Note('type', f'{name}={described(value)}')]
  if array.shape != box.shape:
    return [Note('shape', f'{name}={described(array)}, expected {list(box.shape)}')]
  if not np.can_cast(array.dtype, box.dtype, 'same_kind'):
    return [Note('type', f'{name}={described(value)}, expected {box.dtype}')]
  notes = []
  if array.dtype != box.dtype or not isinstance(value, (np.ndarray, np.generic)):
    notes.append(Note('other type', f'{name}={described(value)}, expected {box.dtype}'))
  if not np.isfinite(array).all():
    at = _first(~np.isfinite(array))
    return [*notes, Note('not finite', f'{name}{list(at)}={array[at]}')]
  outside = (array < box.low) | (array > box.high)
  if outside.any():
    at = _first(outside)
    notes.append(Note('bounds', f'{name}{list(at)}={array[at]:.8g}, bounds {box.low[at]:.8g} to '
                      f'{box.high[at]:.8g}'))
  return notes


def _of_info(info):
  if not isinstance(info, dict):
    return [Note('info', f'info={described(info)}')]
  return [Note('mask', f'action_mask={shown(info["action_mask"])}')] if 'action_mask' in info else []


def _one(value):
  """Returns the only number in a value, None where it is something else."""
  try:
    array = np.asarray(value)
  except ValueError:
    return None
  return array.item() if array.size == 1 and array.dtype.kind in 'biuf' else None


def _first(truths):
  """Returns the index of the first entry that is true."""
  return tuple(int(index) for index in np.argwhere(truths)[0])


def described(value):
  """Returns what a value is, in few words."""
  if isinstance(value, (np.ndarray, np.generic)):
    return f'{value.dtype}{list(value.shape)}'
  if isinstance(value, (tuple, list)):
    return f'a {type(value).__name__} of {len(value)}'
  return f'{type(value).__name__} {shown(value)}'


def _keys(value):
  if not isinstance(value, dict):
    return described(value)
  return f'a dict of {shown(sorted(value, key=str))}'


def rounded(value):
  """Returns a text of the first numbers of an array, or of a mapping of arrays."""
  if isinstance(value, dict):
    return ', '.join(f'{key}: {rounded(part)}' for key, part in value.items())
  numbers = np.ravel(value)
  more = ', ...' if len(numbers) > _SHOWN_NUMBERS else ''
  return f'[{", ".join(f"{number:.6g}" for number in numbers[:_SHOWN_NUMBERS])}{more}]'


def shown(value, letters=_SHOWN):
  """Returns the beginning of a value's text, whatever its own code does: so many letters of it."""
  try:
    text = repr(value)
  except Exception as error:
    text = f'(its repr raises {type(error).__name__})'
  return text if len(text) <= letters else f'{text[:letters]}...'


def plain(value):
  """Returns a copy in arrays, dicts and tuples of numbers alone, which any process can read."""
  if isinstance(value, dict):
    return {str(key): plain(part) for key, part in value.items()}
  if isinstance(value, (tuple, list)):
    return tuple(plain(part) for part in value)
  array = np.array(value)
  return shown(value) if array.dtype.kind not in 'biuf' else array


def arrays(value, name='observation'):
  """Returns {name: array} of all arrays of numbers in a value."""
  if isinstance(value, dict):
    parts = [(f'{name}[{key!r}]', part) for key, part in value.items()]
  elif isinstance(value, (tuple, list)):
    parts = [(f'{name}[{index}]', part) for index, part in enumerate(value)]
  else:
    is_array = isinstance(value, np.ndarray) and value.dtype.kind in 'biuf'
    return {name: value} if is_array else {}
  return {inner: array for key, part in parts for inner, array in arrays(part, key).items()}


def same(one, other):
  """Whether two values of `plain` hold the same."""
  if isinstance(one, dict):
    return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
  if isinstance(one, tuple):
    return len(one) == len(other) and all(map(same, one, other))
  if isinstance(one, np.ndarray):
    return np.array_equal(one, other, equal_nan=True)
  return one == other
