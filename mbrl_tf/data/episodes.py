"""The durable store of real episodes: one file per episode, shared by all algorithms.

A file is an `.npz` read without pickle. Its name holds the episode's index, so that a store opens without reading
any file, and for people its number of decisions: `00000012-200.npz`.
"""

import io
import os
import pathlib
import re
import warnings
import zipfile
import zlib
from typing import Iterator, Tuple

import numpy as np

from mbrl_tf import errors
from mbrl_tf import types

_FILE_NAME = re.compile(r'^(\d{8})-\d+\.npz$')
_TEMPORARY = '.partial'
_OBSERVATION = 'observation'
_READ_ERRORS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class EpisodeStore:
  """Episodes on disk, in the order in which they were appended.

  A file appears by an atomic rename after its content has reached the disk, so a process that is killed at any moment
  leaves whole episodes only. An episode whose file is damaged or gone keeps its index; `episodes` skips it with a
  warning.

  Attributes:
    folder: where the files are.
    truncations: how often `truncate` dropped something; a view that has read the store rebuilds when it changes.
  """

  def __init__(self, folder):
    """Opens the store, and creates the folder where it does not exist.

    Args:
      folder: path; nothing else may write there.
    """
    self.folder = pathlib.Path(folder)
    self.folder.mkdir(parents=True, exist_ok=True)
    self.truncations = 0
    self._files = {}
    for path in self.folder.iterdir():
      match = _FILE_NAME.match(path.name)
      if match:
        self._files[int(match.group(1))] = path
    self._count = max(self._files, default=-1) + 1

  def __len__(self):
    return self._count

  def append(self, episode: types.Episode) -> int:
    """Writes one episode durably.

    Args:
      episode: numpy arrays; see `types.Episode`.

    Returns:
      The episode's index.

    Raises:
      UserError: where the lengths of the episode's arrays do not fit each other.
    """
    arrays = _to_arrays(episode)
    index = self._count
    path = self.folder / f'{index:08d}-{len(arrays["reward"])}.npz'
    content = io.BytesIO()
    # Images shrink well. Vectors hardly do, and there the time to compress is what counts.
    has_image = any(value.dtype == np.uint8 and value.ndim == 4 for value in arrays.values())
    (np.savez_compressed if has_image else np.savez)(content, **arrays)
    _write_atomically(path, content.getbuffer())
    self._files[index] = path
    self._count = index + 1
    return index

  def load(self, index: int) -> types.Episode:
    """Reads one episode.

    Raises:
      UserError: where there is no such episode, or its file is damaged.
    """
    if not 0 <= index < self._count:
      raise errors.UserError(f'The store holds episodes 0 to {self._count - 1}. Received: index={index}')
    path = self._files.get(index)
    if path is None:
      raise errors.UserError(f'The file of this episode is gone from {self.folder}. Received: index={index}')
    try:
      with np.load(path, allow_pickle=False) as stored:
        return _from_arrays({key: stored[key] for key in stored.files})
    except _READ_ERRORS as error:
      raise errors.UserError(
          f'The file of this episode is damaged ({type(error).__name__}: {error}). Received: path={str(path)!r}') from error

  def episodes(self, first: int = 0) -> Iterator[Tuple[int, types.Episode]]:
    """Yields `(index, episode)` from index `first` on; what cannot be read is skipped with a warning."""
    for index in range(first, self._count):
      try:
        episode = self.load(index)
      except errors.UserError as error:
        warnings.warn(f'Skipped an episode. {error}', stacklevel=2)
        continue
      yield index, episode

  def truncate(self, count: int):
    """Drops the episodes with index `count` and above, which are newer than a restored checkpoint.

    Only the process that owns the run may call this; others may read while it writes.

    Args:
      count: the length of the store when the checkpoint was written. Where the store is shorter, somebody removed
        files: the next episode still gets index `count`, and what is missing is skipped with a warning when read.
    """
    for path in self.folder.glob(f'*{_TEMPORARY}'):
      path.unlink()  # a process was killed while it wrote this one
    newer = sorted((index for index in self._files if index >= count), reverse=True)
    for index in newer:  # newest first: killed half way, the store still is a beginning of what it was
      self._files.pop(index).unlink(missing_ok=True)
    if newer:
      _sync_folder(self.folder)
      self.truncations += 1
    self._count = count


def _to_arrays(episode):
  """Returns the flat mapping from name to array that goes into the file."""
  arrays = {name: np.asarray(getattr(episode, name)) for name in ('action', 'reward', 'terminated', 'member')}
  if isinstance(episode.observation, dict):
    arrays.update({f'{_OBSERVATION}/{key}': np.asarray(value) for key, value in episode.observation.items()})
  else:
    arrays[_OBSERVATION] = np.asarray(episode.observation)
  decisions = len(arrays['reward'])
  for name, value in arrays.items():
    expected = decisions + 1 if name.startswith(_OBSERVATION) else decisions
    if name != 'member' and len(value) != expected:
      raise errors.UserError(
          f'An episode of {decisions} rewards needs {expected} entries of {name}, because it has one observation more than '
          f'decisions. Received: len({name})={len(value)}')
  return arrays


def _from_arrays(arrays):
  """Returns the `types.Episode` that `_to_arrays` took apart."""
  observation = arrays.get(_OBSERVATION)
  if observation is None:
    start = len(_OBSERVATION) + 1
    observation = {key[start:]: value for key, value in arrays.items() if key.startswith(f'{_OBSERVATION}/')}
    if not observation:
      raise ValueError('it holds no observation')
  return types.Episode(observation, arrays['action'], arrays['reward'], arrays['terminated'], int(arrays['member']))


def _write_atomically(path, content):
  """Writes bytes so that `path` holds all of them or does not exist, also after a power cut."""
  temporary = path.with_name(path.name + _TEMPORARY)
  with open(temporary, 'wb') as file:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
  os.replace(temporary, path)
  _sync_folder(path.parent)


def _sync_folder(folder):
  """Makes renames and removals in a folder durable."""
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
