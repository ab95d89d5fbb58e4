"""The episodes of a run that collects on several hosts: each host writes a shard of its own, and reads all of them.

Shard 0 is the run's `episodes/` itself, so that a run of one host is a store of one shard; shard s is `episodes/shard-s/`.
All hosts learn from all episodes, so that a run goes on with another number of hosts from the data that it had.
"""

import pathlib
import time
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.data import episodes

_FOLDER = 'shard-'
_PATIENCE_SECONDS = 120  # until another host's file must be seen: network file systems show it late


def open_store(folder, host=0, hosts=1):
  """Returns the store of a run: an `EpisodeStore` where one host alone has ever written, or a `ShardedStore`."""
  store = ShardedStore(folder, host, hosts)
  return store if len(store.lengths) > 1 else episodes.EpisodeStore(folder)


def stores(folder) -> List[episodes.EpisodeStore]:
  """Returns the store of each shard that there is, to read all that is on the disk."""
  folder = pathlib.Path(folder)
  found = sorted(int(path.name[len(_FOLDER):]) for path in folder.glob(f'{_FOLDER}*')
                 if path.name[len(_FOLDER):].isdigit())
  return [episodes.EpisodeStore(folder),
          *(episodes.EpisodeStore(folder / f'{_FOLDER}{number}') for number in found)]


class ShardedStore:
  """Several `EpisodeStore`s as one, of which one is written.

  An episode's index here is its place in the order in which `refresh` showed it: oldest first, and of those shown together
  by shard. `append` writes at once, and is seen after the next `refresh`.

  Attributes:
    folder: the run's `episodes/`.
    truncations: as of an `EpisodeStore`.
  """

  def __init__(self, folder, host=0, hosts=1):
    """Opens all shards; shows nothing of them before `truncate_shards` or `refresh`.

    Args:
      folder: path.
      host: the number of this host, which is that of the shard it writes.
      hosts: how many hosts there are.
    """
    self.folder = pathlib.Path(folder)
    self.truncations = 0
    self._host, self._hosts = host, hosts
    found = [int(path.name[len(_FOLDER):]) for path in self.folder.glob(f'{_FOLDER}*') if path.name[len(_FOLDER):].isdigit()]
    self._shards = [episodes.EpisodeStore(self._path(shard)) for shard in range(max([hosts - 1, *found]) + 1)]
    self._places = []  # pairs of shard and index within it
    self._history = [[0] * len(self._shards)]

  def __len__(self):
    return len(self._places)

  @property
  def length_of_own_shard(self) -> int:
    """Episodes that this host wrote, those included that `refresh` has not shown yet."""
    return len(self._shards[self._host])

  @property
  def lengths(self) -> np.ndarray:
    """int64 `[shards]`: how many episodes each shard on the disk has, as far as this host knows."""
    return np.array([len(shard) for shard in self._shards], np.int64)

  @property
  def history(self) -> np.ndarray:
    """int64 `[refreshes, shards]`: how many episodes of each shard were shown after each `refresh`, from which their order follows."""
    return np.array(self._history, np.int64)

  def append(self, episode: types.Episode) -> int:
    """Writes one episode to this host's shard; see `EpisodeStore.append`."""
    return self._shards[self._host].append(episode)

  def refresh(self, lengths: Sequence[int]):
    """Shows the episodes up to these lengths of the shards of all hosts.

    Raises:
      StorageError: another host's episodes do not appear.
    """
    for number, (length, known) in enumerate(zip(lengths, self._history[-1])):
      if number != self._host:
        self._shards[number] = self._grown(number, known, int(length))
    self._show(lengths)

  def truncate_shards(self, history):
    """Drops what is newer than a checkpoint from the shards that this host is responsible for, and shows the rest.

    Args:
      history: as it was at the checkpoint, maybe of another number of shards; one that is not told is empty there.
    """
    for number in range(len(self._shards), len(history[-1])):  # its folder is gone, and its episodes are skipped
      self._shards.append(episodes.EpisodeStore(self._path(number)))
    for number, shard in enumerate(self._shards):
      if number % self._hosts == self._host:
        before = shard.truncations
        shard.truncate(int(history[-1][number]) if number < len(history[-1]) else 0)
        self.truncations += shard.truncations - before
      else:
        self._shards[number] = episodes.EpisodeStore(self._path(number))
    self._places, self._history = [], [[0] * len(self._shards)]
    for lengths in history:
      self._show(lengths)

  def _show(self, lengths):
    """Adds the episodes up to these lengths, by shard; a shard whose length is not told has grown by none."""
    shown = self._history[-1]
    lengths = [*map(int, lengths), *shown[len(lengths):]]
    self._places += [(number, index) for number, known in enumerate(shown) for index in range(known, lengths[number])]
    if lengths != shown:
      self._history.append(lengths)

  def decisions(self) -> Dict[int, int]:
    """As `EpisodeStore.decisions`."""
    own = [shard.decisions() for shard in self._shards]
    return {index: own[shard][place] for index, (shard, place) in enumerate(self._places) if place in own[shard]}

  def load(self, index: int) -> types.Episode:
    """As `EpisodeStore.load`."""
    shard, place = self._place(index)
    return shard.load(place)

  def load_vectors(self, index: int) -> types.Episode:
    """As `EpisodeStore.load_vectors`."""
    shard, place = self._place(index)
    return shard.load_vectors(place)

  def load_images(self, index: int, blocks: Sequence[int]) -> List:
    """As `EpisodeStore.load_images`."""
    shard, place = self._place(index)
    return shard.load_images(place, blocks)

  def episodes(self, first: int = 0) -> Iterator[Tuple[int, types.Episode]]:
    """As `EpisodeStore.episodes`."""
    return episodes.readable(self, first)

  def _place(self, index):
    if not 0 <= index < len(self._places):
      raise errors.UserError(f'The store shows episodes 0 to {len(self._places) - 1}. Received: index={index}')
    number, place = self._places[index]
    return self._shards[number], place

  def _path(self, number):
    return self.folder / f'{_FOLDER}{number}' if number else self.folder

  def _grown(self, number, known, length):
    """The store of another host's shard, once all its episodes from `known` up to `length` are there."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
      shard = episodes.EpisodeStore(self._path(number))
      seen = [index for index in shard.decisions() if known <= index < length]
      if len(seen) == length - known:
        return shard
      if time.monotonic() > end:
        raise errors.StorageError(
            f'Of the {length - known} newest episodes of shard {number}, which another host writes, {len(seen)} are seen here. All '
            f'hosts of a run need the same run directory. Received: folder={str(shard.folder)!r}')
      time.sleep(0.2)
