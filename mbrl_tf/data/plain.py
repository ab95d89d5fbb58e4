"""One episode in a plain `.npz`, as its simulator shows and takes it: what people bring, and take away.

  observation, or observation/KEY   [T + 1, ...]   by the path of each part, such as observation/0/place
  action, or action/KEY             [T, ...]       in the task's own units
  reward                            [T]
  terminated                        bool [T]       true in the last row at most
  truncated                         bool [T]       may be left out: what is not terminated was truncated
  action_repeat                     []             may be left out: env steps of a row, otherwise 1
"""

import io
from typing import Any, Dict

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.data import archive, files

_GROUPS = ('observation', 'action')
_NEEDED = ('reward', 'terminated')
_OTHERS = (*_NEEDED, 'truncated', 'action_repeat')


def read(path) -> types.NativeEpisode:
  """Reads one file.

  Raises:
    UserError: it cannot be read, or lacks what it needs, or holds what nobody knows; says what.
  """
  try:
    with open(path, 'rb') as file:
      stored = archive.Archive(file)
      arrays = {name: stored[name] for name in stored.files}
  except archive.READ_ERRORS as error:
    raise errors.UserError('This file is no .npz of numbers, or is damaged. '
                           f'Received: {type(error).__name__}: {error}') from error
  groups: Dict[str, Dict[str, Any]] = {group: {} for group in _GROUPS}
  for name, array in arrays.items():
    group, _, key = name.partition('/')
    if group in groups:
      groups[group][key or group] = array
    elif name not in _OTHERS:
      raise errors.unknown_name('array in a file of an episode', name,
                                [*_GROUPS, *_OTHERS, *(f'{group}/KEY' for group in _GROUPS)])
  missing = [name for name in _NEEDED if name not in arrays]
  missing += [group for group, found in groups.items() if not found]
  if missing:
    raise errors.UserError(f'A file of an episode needs {", ".join(missing)} as well. '
                           f'Received: arrays={sorted(arrays)}')
  repeat = arrays.get('action_repeat', np.array(1))
  if repeat.ndim or repeat.dtype.kind not in 'iu':
    raise errors.UserError('action_repeat must be one whole number. '
                           f'Received: action_repeat={repeat.dtype}{list(repeat.shape)}')
  return types.NativeEpisode(
      groups['observation'], groups['action'], arrays['reward'], arrays['terminated'],
      arrays.get('truncated'), int(repeat))


def write(path, episode: types.NativeEpisode):
  """Writes one file, which appears as a whole; raises as `files.writing` does."""
  arrays = {name: getattr(episode, name) for name in _OTHERS}
  for group in _GROUPS:
    for key, array in getattr(episode, group).items():
      arrays[group if key == group else f'{group}/{key}'] = array
  content = io.BytesIO()
  np.savez_compressed(content, **arrays)
  with content.getbuffer() as written:
    files.write_atomically(path, written)
