"""Real sequences, each as likely as any other unless asked: what world models are fitted to."""

import collections
import math
import warnings
from concurrent import futures
from typing import Dict, Iterator, NamedTuple

import numpy as np
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.data import episodes
from mbrl_tf.data import rows as rows_lib
from mbrl_tf.data import survey

_AHEAD = 2  # batches that are drawn while others are used


class Newest(NamedTuple):
  """What is learned from more often, because the policy and its data of before are left behind."""
  rows: int = 0        # of the newest episodes
  share: float = 0.0   # of the sequences of a batch, that begin there


class Paid(NamedTuple):
  """What is learned from more often, because hardly anything else tells what is wanted: episodes
  that brought a reward, from their first rows on, for what led to it is to be learned too."""
  above: float = 0.0   # what the reward of a decision must exceed
  share: float = 0.0   # of the sequences of a batch, that begin in such an episode


def paid_while_rare(known, share):
  """`Paid` of such a share while the rewards that a `Survey` knows of are rare; None where they are
  not, or where the share is 0."""
  return Paid(float(known.reward_range[0]), share) if share and known.rewards_are_rare else None


class SequenceView:
  """Sequences of the newest episodes of an `EpisodeStore`.

  The rows of these episodes, oldest first, form a ring: after the last row of an episode comes the first row of the
  next one, and after the newest episode the oldest. A sequence begins at any row of the ring with equal probability and
  follows it for its length, past the ends of episodes and where need be around the ring more than once. So every row
  is equally likely at every position of a sequence, the first and last rows of an episode and short episodes too.
  `Newest` and `Paid` are the exceptions: of the sequences of a batch, a share begins elsewhere.

  Which rows a batch holds depends only on its seed, its index, what is asked for, and the readable
  episodes. Nothing else is remembered, so a run that was resumed draws what it would have drawn.

  Memory is bounded by `cache_bytes`, besides the batches themselves and some bytes for each episode. An episode that
  cannot be read is left out of the ring, with one warning.

  Measured on one core of a busy machine, batches of 50 x 50 images of 64x64x3 of walker_walk: 6 ms where everything is
  in the cache, 210 ms where nothing is; an episode of 500 images that is touched for the first time adds some 20 ms.
  """

  def __init__(self, store, capacity: int = 0, cache_bytes: int = 2**30, observation=None, newest=None):
    """Reads no file yet.

    Args:
      store: an `EpisodeStore` whose episodes all have the same observations and actions.
      capacity: shows the newest episodes that together have at most so many transitions, and the newest one in any
        case; 0 shows all. Episodes are shown whole, because a row in the middle of one is no beginning.
      cache_bytes: room for decoded rows; 0 decodes them for each batch.
      observation: of the task's `EnvironmentSpec`, see `RowReader`.
      newest: `Newest`, the rows among which some of the sequences begin; None for none.

    Raises:
      UserError: where an argument is negative.
    """
    for name, value in (('capacity', capacity), ('cache_bytes', cache_bytes)):
      if value < 0:
        raise errors.UserError(f'The view needs a size; 0 has a meaning, less has none. Received: {name}={value}')
    self._store = store
    self._capacity = capacity
    self._cache_bytes = cache_bytes
    self._observation = observation
    self._newest_rows = newest or Newest()
    self._seen = None  # the state of the store that the ring was made of
    self._ring = None
    self._largest: Dict[int, float] = {}  # rewards of the episodes that were asked for
    self._update()

  def __len__(self):
    """The number of rows shown: one more than transitions for each episode."""
    self._update()
    return self._ring.size

  def batch(self, batch_size: int, length: int, seed: int, index: int = 0,
            paid=None) -> types.Sequences:
    """Draws one batch.

    Args:
      batch_size: the number of sequences, B.
      length: their length, T.
      seed: not negative.
      index: the number of the batch; each has its own random numbers.
      paid: `Paid`, the episodes in which some of the sequences begin, where there are any; None for
        none.

    Returns:
      numpy arrays.

    Raises:
      UserError: where an argument is out of range, no episode can be read, or episodes differ in shapes or types.
    """
    _require_at_least(('index', index, 0))
    return self._prepared(batch_size, length, seed, paid)(index)

  def batches(self, count: int, batch_size: int, length: int, seed: int,
              paid=None) -> Iterator[types.Sequences]:
    """Draws the batches of index 0 to `count - 1`, in a thread that works ahead of the caller.

    All come from the episodes that are in the store now; nobody may truncate the store meanwhile. The thread ends with
    the iterator: when it is exhausted, closed or dropped, or has raised an error of the thread.

    Args:
      count: how many batches.
      batch_size, length, seed, paid: see `batch`.

    Returns:
      An iterator of what `batch` gives, as tensors.

    Raises:
      UserError: as `batch`; what only a file can tell is raised by the iterator.
    """
    if count < 0:
      raise errors.UserError(f'A number of batches cannot be negative. Received: count={count}')
    draw = self._prepared(batch_size, length, seed, paid)
    return _ahead(lambda index: tf.nest.map_structure(tf.convert_to_tensor, draw(index)), range(count))

  def _prepared(self, batch_size, length, seed, paid):
    """Checks the arguments, and returns the function from index to batch for the episodes that are there now."""
    _require_at_least(('batch_size', batch_size, 1), ('length', length, 1), ('seed', seed, 0))
    self._update()
    ring = self._ring
    if not ring.size:
      raise errors.UserError(f'There are no rows before the first episode. Received: folder={str(self._store.folder)!r}')
    favoured = ring.rows_of(self._paid(paid.above)) if paid else np.zeros(0, np.int64)
    count = round(paid.share * batch_size) if len(favoured) else 0
    return lambda index: ring.draw(batch_size, length, _generator(seed, index), favoured, count)

  def _paid(self, above):
    """The episodes that brought more than this, by their indices."""
    for index in self._ring.episodes:
      if index not in self._largest:
        self._largest[index] = self._largest_reward(index)
    return [index for index in self._ring.episodes if self._largest[index] > above]

  def _largest_reward(self, index):
    try:
      self._ring.reader.layout(index)
      return float(survey.brought(self._store.load_vectors(index)).max())
    except errors.UserError:  # nobody knows; whoever draws from it is told
      return -math.inf

  def _update(self):
    """Makes the ring anew where the store has changed."""
    seen = (self._store.truncations, len(self._store))
    if seen == self._seen:
      return
    is_new = self._seen is None or self._seen[0] != seen[0]
    # After a truncation an index may stand for another episode than before.
    reader = self._ring.reader if not is_new else rows_lib.RowReader(
        self._store, self._cache_bytes, self._observation)
    damaged = set() if is_new else self._ring.damaged
    self._largest = {} if is_new else self._largest
    decisions = self._store.decisions()
    for index in range(0 if is_new else self._seen[1], seen[1]):
      if index not in decisions:
        warnings.warn(
            f'Skipped an episode, whose file is gone from {self._store.folder}. Received: index={index}', stacklevel=4)
    self._ring = _Ring(reader, _newest(decisions, self._capacity), damaged, self._newest_rows)
    self._seen = seen


class _Segment(NamedTuple):
  """Rows of one episode that follow each other in a sequence."""
  episode: int   # index in the store
  first: int     # the first row, within the episode
  rows: int


class _Ring:
  """The rows of some episodes, one after the other and around; does not change except that damage is found.

  Attributes:
    reader: the `RowReader`.
    size: number of rows, those of damaged episodes included.
    damaged: indices of episodes that could not be read.
  """

  def __init__(self, reader, decisions, damaged, newest=None):
    """Keeps the episodes: `decisions` is a mapping from index to number of decisions, in order."""
    self.reader = reader
    self._newest = newest or Newest()
    self.damaged = damaged
    self._episodes = np.fromiter(decisions.keys(), np.int64, len(decisions))
    self._ends = np.cumsum(np.fromiter(decisions.values(), np.int64, len(decisions)) + 1)
    self.size = int(self._ends[-1]) if len(decisions) else 0
    self._joined = None  # a `_Joined` of all readable rows, where they are held at once

  @property
  def episodes(self):
    """Indices of the episodes in the store, damaged ones included."""
    return self._episodes.tolist()

  def rows_of(self, chosen):
    """The rows of the ring that belong to some episodes, int `[rows]`."""
    lengths = np.diff(self._ends, prepend=0)
    return np.flatnonzero(np.repeat(np.isin(self._episodes, chosen), lengths))

  def draw(self, batch_size, length, generator, favoured, count):
    """Returns a batch as numpy arrays; it is the same whether damage was known before or is found
    by it. Of its sequences, `count` begin at one of the `favoured` rows.
    """
    state = generator.bit_generator.state
    while True:
      generator.bit_generator.state = state
      try:
        starts = self._starts(batch_size, generator, favoured, count)
        if self._can_be_joined():
          return self._all_rows().draw(starts, length)
        return self._gather([self._window(start, length) for start in starts], length)
      except rows_lib.DamagedEpisode as damage:
        self.damaged.add(damage.index)
        warnings.warn(f'Skipped an episode. {damage}', stacklevel=2)

  def _can_be_joined(self):
    """Whether all rows, without images, take less than half of the room that the reader may use,
    which keeps them too.
    """
    layout = self.reader.layout(next(int(e) for e in self._episodes if e not in self.damaged))
    row = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in layout.values())
    return not self.reader.has_images and 2 * row * self.size <= self.reader.cache_bytes

  def _all_rows(self):
    """All readable rows, read once for each ring."""
    if self._joined is None or self._joined.damaged != self.damaged:
      readable = [int(episode) for episode in self._episodes if episode not in self.damaged]
      lengths = dict(zip(self._episodes.tolist(), np.diff(self._ends, prepend=0).tolist()))
      numbers = np.isin(self._episodes, readable)
      self._joined = _Joined(
          self._gather([[_Segment(episode, 0, lengths[episode]) for episode in readable]],
                       sum(lengths[episode] for episode in readable)),
          np.repeat(numbers, np.diff(self._ends, prepend=0)), frozenset(self.damaged))
    return self._joined

  def _starts(self, batch_size, generator, favoured, count):
    """Draws rows of readable episodes, int `[B]`.

    A row of a damaged episode is drawn again. Were such episodes removed from the range, every other row would get
    another number: batches would depend on when damage was found.
    """
    readable = ~np.isin(self._episodes, list(self.damaged))
    if not readable.any():
      raise errors.UserError(f'None of the stored episodes can be read. Received: number of episodes={len(readable)}')
    starts = generator.integers(self.size, size=batch_size)
    among_newest = round(self._newest.share * batch_size)
    if among_newest:
      rows = min(self._newest.rows, self.size)
      starts[:among_newest] = self.size - rows + generator.integers(rows, size=among_newest)
    if count:
      starts[batch_size - count:] = generator.choice(favoured, count)
    while True:
      again = ~readable[np.searchsorted(self._ends, starts, side='right')]
      if not again.any():
        return starts
      starts[again] = generator.integers(self.size, size=int(again.sum()))

  def _window(self, start, length):
    """Returns the segments of the sequence that begins at a row of the ring."""
    place = int(np.searchsorted(self._ends, start, side='right'))
    remaining, segments = length, []
    while remaining:
      episode = int(self._episodes[place])
      if episode not in self.damaged:
        count = int(min(self._ends[place] - start, remaining))
        first = int(start - (self._ends[place - 1] if place else 0))
        segments.append(_Segment(episode, first, count))
        remaining -= count
      start = self._ends[place] % self.size
      place = (place + 1) % len(self._episodes)
    return segments

  def _gather(self, windows, length):
    """Copies the rows of B sequences of segments into new arrays."""
    for segment in (segment for window in windows for segment in window):
      layout = self.reader.layout(segment.episode)
    arrays = {name: np.empty((len(windows), length) + shape, dtype) for name, (shape, dtype) in layout.items()}
    for number, window in enumerate(windows):
      at = 0
      for segment in window:
        target = {name: array[number, at:at + segment.rows] for name, array in arrays.items()}
        self.reader.copy(segment.episode, segment.first, target)
        at += segment.rows
    return types.Sequences(
        episodes.unflatten(arrays), arrays['action'], arrays['reward'], arrays['terminated'], arrays['is_first'])


class _Joined:
  """The readable rows of a ring in one array each: a batch is one look-up.

  Of rows of 33 numbers, 128 sequences of 4 rows take 0.2 ms on one core, and 2.1 ms from the
  episodes one by one.

  Attributes:
    damaged: the episodes that were left out.
  """

  def __init__(self, rows, readable, damaged):
    """Takes `types.Sequences` of one sequence, and which rows of the ring these are, bool
    `[size]`."""
    self._rows = tf.nest.map_structure(lambda array: array[0], rows)
    self._places = np.cumsum(readable) - 1  # of a row of the ring among those that are readable
    self._count = int(readable.sum())
    self.damaged = damaged

  def draw(self, starts, length):
    """The sequences that begin at rows `starts` of the ring, as numpy arrays."""
    rows = (self._places[starts][:, None] + np.arange(length)) % self._count
    return tf.nest.map_structure(lambda array: array[rows], self._rows)


def _require_at_least(*bounds):
  """Raises at the first of some triples of name, value and least value that is out of range."""
  for name, value, least in bounds:
    if value < least:
      raise errors.UserError(f'A batch needs a value of at least {least}. Received: {name}={value}')


def _newest(decisions, capacity):
  """Returns the newest entries of the mapping from index to decisions whose sum is within the capacity, at least one."""
  sums = np.cumsum(list(decisions.values())[::-1])
  kept = int(np.searchsorted(sums, capacity, side='right')) if capacity else len(sums)
  return dict(list(decisions.items())[-max(kept, 1):])


def _generator(seed, index):
  """Returns the random numbers of one batch: no two pairs of seed and index share theirs."""
  return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def _ahead(function, arguments):
  """Yields `function(argument)` for each argument, computed in one thread up to `_AHEAD` calls ahead.

  The thread only ever runs one finite call and never waits for the caller, so neither leaving the loop early nor the
  end of the interpreter can hang on it. `tf.data` would call the same function in a thread as well, from a generator, and promises
  neither.
  """
  pool = futures.ThreadPoolExecutor(1, thread_name_prefix='sequences')
  waiting = collections.deque()
  try:
    for argument in arguments:
      waiting.append(pool.submit(function, argument))
      if len(waiting) > _AHEAD:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()
  finally:
    pool.shutdown(cancel_futures=True)
