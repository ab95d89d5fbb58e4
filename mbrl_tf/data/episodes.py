"""The durable store of real episodes: one file per episode, shared by all algorithms.

A file is an `.npz` read without pickle. Its name holds the episode's index, so that a store opens without reading
any file, and its number of decisions, so that sequences are indexed without reading any: `00000012-200.npz`.

Images are compressed in blocks of 25 rows, `000025/observation/image` holding rows 25 to 49, because sequences need a
few rows of many episodes. Measured with 501 frames of walker_walk and of cheetah_run, 64x64x3, 6.2 MB as they are:

  how it is stored        on disk            to write    to read 50 rows
  as it is                6.2 and 6.2 MB     8 ms        0.1 ms where the file is in the system's memory
  compressed as a whole   1.4 and 0.8 MB     100 ms      15 ms
  in blocks of 25 rows    1.5 and 0.9 MB     110 ms      4 ms, through about three blocks

A million env steps of pixels (500,000 images) so take about 1 to 1.5 GB instead of 6.1 GB, little enough to stay in
the system's file cache beside a learner in 8 GB; to compress them takes one or two hundredths of the time to
render them in software.
"""

import io
import pathlib
import re
import warnings
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.data import archive, files

BLOCK_ROWS = 25  # rows of an image that are compressed together

_FILE_NAME = re.compile(r'^(\d{8})-(\d+)\.npz$')
_BLOCK_NAME = re.compile(r'^\d{6,}/')
_OBSERVATION = 'observation'
_INDEX = 'index'  # stands in the file as well as in its name; files of the first versions lack it


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
    """Opens the store; the folder is created with the first episode.

    Args:
      folder: path; nothing else may write there.

    Raises:
      UserError: where something else than a folder is there.
    """
    self.folder = pathlib.Path(folder)
    if self.folder.exists() and not self.folder.is_dir():
      raise errors.UserError(f'Episodes need a folder, and a file is in its place. Received: folder={str(self.folder)!r}')
    self.truncations = 0
    self._files = {}
    for path in self.folder.glob('*.npz'):
      match = _FILE_NAME.match(path.name)
      if match:
        self._files[int(match.group(1))] = path
    self._count = max(self._files, default=-1) + 1

  def __len__(self):
    return self._count

  @property
  def lengths(self) -> np.ndarray:
    """int64 `[1]`, as of a `ShardedStore`."""
    return np.array([self._count], np.int64)

  @property
  def history(self) -> np.ndarray:
    """int64 `[1, 1]`, as of a `ShardedStore`: the order of episodes is that of their indices."""
    return self.lengths[None]

  @property
  def length_of_own_shard(self) -> int:
    """As of a `ShardedStore`."""
    return self._count

  def truncate_shards(self, history):
    """As of a `ShardedStore`: `truncate` to the last length of the only shard."""
    self.truncate(int(history[-1][0]))

  def append(self, episode: types.Episode) -> int:
    """Writes one episode durably.

    Args:
      episode: numpy arrays; see `types.Episode`.

    Returns:
      The episode's index.

    Raises:
      UserError: where the lengths of the episode's arrays do not fit each other.
      StorageError: where the file cannot be written.
    """
    arrays = _to_arrays(episode)
    index = self._count
    with files.writing(self.folder):
      self.folder.mkdir(parents=True, exist_ok=True)
    path = self.folder / f'{index:08d}-{len(arrays["reward"])}.npz'
    content = io.BytesIO()
    # Images shrink well. Vectors hardly do, and there the time to compress is what counts.
    has_image = any(is_image(value) for value in arrays.values())
    (np.savez_compressed if has_image else np.savez)(content, **_to_blocks(arrays), **{_INDEX: index})
    with content.getbuffer() as written:  # given back where the disk is full, too
      files.write_atomically(path, written)
    self._files[index] = path
    self._count = index + 1
    return index

  def decisions(self) -> Dict[int, int]:
    """Returns the number of decisions by index, in order, of the episodes whose file is there; reads no file."""
    return {index: _named_decisions(self._files[index]) for index in sorted(self._files)}

  def load(self, index: int) -> types.Episode:
    """Reads one episode, and notices all damage to its file.

    Raises:
      UserError: where there is no such episode, or its file is damaged.
    """

    def read(stored):
      episode, named = _read_episode(stored), _named_decisions(self._files[index])
      if len(episode.reward) != named:
        raise ValueError(f'it holds {len(episode.reward)} decisions where its name says {named}')
      if _INDEX in stored.files and stored[_INDEX] != index:
        raise ValueError(f'it holds episode {stored[_INDEX]}, of another name')
      return episode

    return self._read(index, read)

  def load_vectors(self, index: int) -> types.Episode:
    """Reads one episode without its images: they are missing in the observation, which is None where it is one image.

    Raises:
      UserError: as `load`, but damage to images is not noticed.
    """
    return self._read(index, lambda stored: _from_arrays(
        {name: stored[name] for name in stored.files if not _BLOCK_NAME.match(name) and name != _INDEX}))

  def load_images(self, index: int, blocks: Sequence[int]) -> List[Any]:
    """Reads blocks of one episode's images.

    Args:
      index: the episode's.
      blocks: block b holds the rows from `BLOCK_ROWS * b` on; the last one of an episode may be shorter.

    Returns:
      For each block the images `[BLOCK_ROWS, ...]`, alone or by key as they stand in the observation.

    Raises:
      UserError: as `load`, but damage to other blocks is not noticed.
    """

    def read(stored):
      prefixes = [_block_prefix(block * BLOCK_ROWS) for block in blocks]
      return [unflatten({name[len(prefix):]: stored[name] for name in stored.files if name.startswith(prefix)})
              for prefix in prefixes]

    return self._read(index, read)

  def _read(self, index, take):
    """Opens an episode's file, and returns what `take` reads from it."""
    if not 0 <= index < self._count:
      raise errors.UserError(f'The store holds episodes 0 to {self._count - 1}. Received: index={index}')
    path = self._files.get(index)
    if path is None:
      raise errors.UserError(f'The file of this episode is gone from {self.folder}. Received: index={index}')
    try:
      with open(path, 'rb') as file:
        return take(archive.Archive(file, _named_decisions(path) + 1))
    except archive.READ_ERRORS as error:
      raise errors.UserError(
          f'The file of this episode is damaged ({type(error).__name__}: {error}). Received: path={str(path)!r}') from error

  def episodes(self, first: int = 0) -> Iterator[Tuple[int, types.Episode]]:
    """Yields `(index, episode)` from index `first` on; what cannot be read is skipped with a warning."""
    return readable(self, first)

  def truncate(self, count: int):
    """Drops the episodes with index `count` and above, which are newer than a restored checkpoint.

    Only the process that owns the run may call this; others may read while it writes.

    Args:
      count: the length of the store when the checkpoint was written. Where the store is shorter, somebody removed
        files: the next episode still gets index `count`, and what is missing is skipped with a warning when read.
    """
    files.remove_partial(self.folder, _FILE_NAME.pattern)
    newer = sorted((index for index in self._files if index >= count), reverse=True)
    for index in newer:  # newest first: killed half way, the store still is a beginning of what it was
      self._files.pop(index).unlink(missing_ok=True)
    if newer:
      files.sync(self.folder)
      self.truncations += 1
    self._count = count


def readable(store, first: int, images: bool = True) -> Iterator[Tuple[int, types.Episode]]:
  """Yields what a store can read from an index on; see `EpisodeStore.episodes`, and without images
  `EpisodeStore.load_vectors`.
  """
  yield from readable_at(store, range(first, len(store)), images)


def readable_at(store, indices, images: bool = True) -> Iterator[Tuple[int, types.Episode]]:
  """As `readable`, of some indices."""
  for index in indices:
    try:
      episode = (store.load if images else store.load_vectors)(index)
    except errors.UserError as error:
      warnings.warn(f'Skipped an episode. {error}', stacklevel=2)
      continue
    yield index, episode


def _named_decisions(path):
  """Returns the number of decisions that a file's name tells."""
  return int(_FILE_NAME.match(path.name).group(2))


def is_image(array) -> bool:
  """Whether an array of an episode, with its rows first, is kept as images: uint8 `[T, height, width]` or more axes."""
  return array.dtype == np.uint8 and array.ndim >= 3


def flatten(observation) -> Dict[str, Any]:
  """Returns a mapping from name to array for an observation, which may be None, an array or a mapping."""
  if isinstance(observation, dict):
    return {f'{_OBSERVATION}/{key}': value for key, value in observation.items()}
  return {} if observation is None else {_OBSERVATION: observation}


def unflatten(arrays):
  """Returns the observation that `flatten` took apart; other names are passed over."""
  start = f'{_OBSERVATION}/'
  observation = {name[len(start):]: value for name, value in arrays.items() if name.startswith(start)}
  return observation or arrays.get(_OBSERVATION)


def _to_arrays(episode):
  """Returns the mapping from name to array for a whole episode."""
  arrays = {name: np.asarray(getattr(episode, name)) for name in ('action', 'reward', 'terminated', 'member')}
  arrays.update({name: np.asarray(value) for name, value in flatten(episode.observation).items()})
  _check_lengths(arrays)
  return arrays


def _check_lengths(arrays):
  """Raises a UserError where the lengths of an episode's arrays do not fit each other."""
  decisions = len(arrays['reward'])
  for name, value in arrays.items():
    expected = decisions + 1 if name.startswith(_OBSERVATION) else decisions
    if name != 'member' and len(value) != expected:
      raise errors.UserError(
          f'An episode of {decisions} rewards needs {expected} entries of {name}, because it has one observation more than '
          f'decisions. Received: len({name})={len(value)}')


def _from_arrays(arrays):
  """Returns the `types.Episode` that `_to_arrays` took apart."""
  return types.Episode(unflatten(arrays), arrays['action'], arrays['reward'], arrays['terminated'], int(arrays['member']))


def _block_prefix(first_row):
  """Returns what stands in the file before the name of an image for the block that begins with this row."""
  return f'{first_row:06d}/'


def _to_blocks(arrays):
  """Returns the arrays as they stand in the file: images in blocks."""
  stored = {}
  for name, value in arrays.items():
    if is_image(value):
      stored.update({_block_prefix(row) + name: value[row:row + BLOCK_ROWS] for row in range(0, len(value), BLOCK_ROWS)})
    else:
      stored[name] = value
  return stored


def _read_episode(stored):
  """Returns the `types.Episode` in an open file."""
  parts = {}
  for name in stored.files:
    if name == _INDEX:
      continue
    parts.setdefault(_BLOCK_NAME.sub('', name), []).append(stored[name])
  arrays = {name: blocks[0] if len(blocks) == 1 else np.concatenate(blocks) for name, blocks in parts.items()}
  if unflatten(arrays) is None:
    raise ValueError('it holds no observation')
  _check_kinds(arrays)
  _check_lengths(arrays)
  return _from_arrays(arrays)


def _check_kinds(arrays):
  """Raises a ValueError where an array of a file has not the axes and the kind of type that an episode's has."""
  for name, kinds, axes in (('action', 'iuf', (1, 2)), ('reward', 'iuf', (1,)), ('terminated', 'b', (1,)), ('member', 'iu', (0,))):
    array = arrays[name]
    if array.dtype.kind not in kinds or array.ndim not in axes:
      raise ValueError(f'its {name} has the type {array.dtype} and {array.ndim} axes')
  if any(array.ndim == 0 for name, array in arrays.items() if name != 'member'):
    raise ValueError('an array of it has no rows')
  if arrays['terminated'][:-1].any():
    raise ValueError('it goes on after it terminated')
