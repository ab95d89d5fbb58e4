"""Rows of stored episodes, read where they are needed, in bounded memory."""

import collections
import threading
from typing import Any, Dict, Mapping, Set

import numpy as np

from mbrl_tf import errors
from mbrl_tf.data import episodes


class DamagedEpisode(errors.UserError):
  """An episode whose file cannot be read, or is not what its name says.

  Attributes:
    index: the episode's index in the store.
  """

  def __init__(self, index, reason):
    super().__init__(str(reason))
    self.index = index


class RowReader:
  """Reads rows of episodes as flat mappings from name to array; threads may share it.

  Row t of an episode is what `types.Sequences` says. What was decoded is kept until it takes more than `cache_bytes`;
  what was used least recently goes first. Images are read and kept in blocks, everything else by whole episodes.

  An episode is read as a whole when it is first touched. So whether it is damaged does not depend on which of its
  rows are asked for, and sampling gives the same rows before and after a restart.

  Attributes:
    cache_bytes: room for decoded rows.
    has_images: whether there are images among the rows; known when `layout` was asked for.
  """

  def __init__(self, store, cache_bytes: int, observation=None):
    """Reads nothing yet.

    Args:
      store: an `EpisodeStore`.
      cache_bytes: room for decoded rows; 0 keeps nothing.
      observation: of the task's `EnvironmentSpec`, in whose types floats are shown, whatever type
        they were stored in; None for float32.
    """
    self._store = store
    self._dtypes = {name: spec.dtype for name, spec in episodes.flatten(observation).items()}
    self.cache_bytes = cache_bytes
    self._cache = _ByteCache(cache_bytes)
    self._lock = threading.Lock()
    self._checked: Set[int] = set()
    self._layout: Any = None     # name to (shape, dtype) of one row
    self._layout_episode = None  # the episode that it was taken from
    self.has_images = False

  def layout(self, index: int) -> Mapping[str, tuple]:
    """Returns `(shape, dtype)` of one row by name, and checks that this episode has it.

    Raises:
      DamagedEpisode: where the episode cannot be read.
      UserError: where it has other observations or actions than the episodes before.
    """
    with self._lock:
      if index not in self._checked:
        self._check(index)
        self._checked.add(index)
      return self._layout

  def copy(self, index: int, first: int, target: Mapping[str, np.ndarray]):
    """Copies rows of an episode that `layout` was asked for.

    Args:
      index: the episode's.
      first: the first row.
      target: every name of the layout to an array `[rows, ...]`, which is filled.

    Raises:
      DamagedEpisode: where the file changed since `layout` read it.
    """
    try:
      with self._lock:
        vectors, blocks = self._vectors(index), self._blocks(index, first, first + len(target['reward']))
    except errors.UserError as error:
      raise DamagedEpisode(index, error) from error
    for name, rows in vectors.items():
      target[name][:] = rows[first:first + len(target[name])]
    for block, images in blocks.items():
      begin = block * episodes.BLOCK_ROWS
      for name, rows in images.items():
        last = min(first + len(target[name]), begin + len(rows))
        target[name][max(begin - first, 0):last - first] = rows[max(first - begin, 0):last - begin]

  def _check(self, index):
    """Reads a whole episode: all damage shows, and its rows must look like those of the others."""
    try:
      episode = self._store.load(index)
    except errors.UserError as error:
      raise DamagedEpisode(index, error) from error
    images = {name: array for name, array in episodes.flatten(episode.observation).items() if episodes.is_image(array)}
    vectors = _as_rows(episode, self._dtypes)
    layout = {name: (array.shape[1:], str(array.dtype)) for name, array in {**images, **vectors}.items()}
    if self._layout is None:
      self._layout, self._layout_episode, self.has_images = layout, index, bool(images)
    if layout != self._layout:
      differing = sorted(name for name in {*layout, *self._layout} if layout.get(name) != self._layout.get(name))
      ours, theirs = ({name: of.get(name) for name in differing} for of in (layout, self._layout))
      raise errors.UserError(
          f'All episodes of a store need the same observations and actions, because batches hold rows of many. Episode '
          f'{self._layout_episode} has {theirs}. Received: episode={index} with {ours}')
    self._cache.put((index, None), vectors)

  def _vectors(self, index):
    """Returns everything but the images of a whole episode."""
    rows = self._cache.get((index, None))
    if rows is None:
      rows = _as_rows(self._store.load_vectors(index), self._dtypes)
      self._cache.put((index, None), rows)
    return rows

  def _blocks(self, index, first, end):
    """Returns the blocks of images that rows `first` to `end - 1` stand in, by number."""
    if not self.has_images:
      return {}
    needed = range(first // episodes.BLOCK_ROWS, -(-end // episodes.BLOCK_ROWS))
    found = {block: self._cache.get((index, block)) for block in needed}
    missing = [block for block in needed if found[block] is None]
    for block, images in zip(missing, self._store.load_images(index, missing) if missing else ()):
      found[block] = episodes.flatten(images)
      self._cache.put((index, block), found[block])
    return found


class _ByteCache:
  """Mappings of arrays up to a number of bytes; what was used least recently is dropped first."""

  def __init__(self, limit):
    self._limit = limit
    self._entries = collections.OrderedDict()  # the one used last stands last
    self._bytes = 0

  def get(self, key):
    """Returns what was put under this key, or None."""
    if key in self._entries:
      self._entries.move_to_end(key)
    return self._entries.get(key)

  def put(self, key, arrays):
    """Adds a mapping under a new key."""
    self._entries[key] = arrays
    self._bytes += _size(arrays)
    while self._bytes > self._limit:
      self._bytes -= _size(self._entries.popitem(last=False)[1])


def _size(arrays):
  """Returns the bytes that a mapping of arrays takes."""
  return sum(array.nbytes for array in arrays.values())


def _as_rows(episode, dtypes) -> Dict[str, np.ndarray]:
  """Returns the rows of a whole episode of T decisions, `[T + 1, ...]` by name, without its images.

  Floats become `dtypes` by name, or float32.
  """
  action = np.asarray(episode.action)
  arriving = {
      'action': action.astype(np.int64 if np.issubdtype(action.dtype, np.integer) else np.float32),
      'reward': np.asarray(episode.reward, np.float32),
      'terminated': np.asarray(episode.terminated, bool)}
  # Nothing led to the first row.
  rows = {name: np.concatenate([np.zeros_like(array, shape=(1,) + array.shape[1:]), array])
          for name, array in arriving.items()}
  rows['is_first'] = np.arange(len(rows['reward'])) == 0
  for name, array in episodes.flatten(episode.observation).items():
    if not episodes.is_image(array):
      rows[name] = (
          array if array.dtype == np.uint8 else np.asarray(array, dtypes.get(name, np.float32)))
  return rows
