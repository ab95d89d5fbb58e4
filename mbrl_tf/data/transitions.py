"""Real transitions in no order: what a dynamics model is fitted to."""

import numpy as np

from mbrl_tf import errors
from mbrl_tf import types


class TransitionView:
  """The newest transitions of an `EpisodeStore` as contiguous arrays.

  Reads each file once: `transitions` adds only the episodes that the store got since the last call. Beyond
  `capacity` the oldest transitions are dropped. Splits into training and validation are the model's affair.
  """

  def __init__(self, store, capacity: int, as_vectors=lambda observation: observation):
    """Reads nothing yet.

    Args:
      store: an `EpisodeStore`.
      capacity: how many of the newest transitions are shown.
      as_vectors: makes arrays `[T + 1, O]` of the observations of an episode; not needed where they
        are one vector each.

    Raises:
      UserError: where `capacity` is not positive.
    """
    if capacity < 1:
      raise errors.UserError(f'The view needs room for at least one transition. Received: capacity={capacity}')
    self._store = store
    self._capacity = capacity
    self._as_vectors = as_vectors
    self._clear()

  def __len__(self):
    """The number of transitions shown, M."""
    self._update()
    return min(self._end, self._capacity)

  def transitions(self) -> types.Transitions:
    """Returns the newest transitions, oldest first.

    Returns:
      `types.Transitions` of arrays that are views, and stay valid until the next call.
      Observations are float64, whatever they were stored in.

    Raises:
      UserError: where the store is empty, or its observations are not one vector each.
    """
    self._update()
    if self._buffers is None:
      raise self._nothing('transitions')
    start = max(0, self._end - self._capacity)
    return types.Transitions(*(buffer[start:self._end] for buffer in self._buffers))

  def initial_observations(self, limit: int = 0) -> np.ndarray:
    """Returns the states after real resets, float64 `[M, O]`, newest first: at most `limit`, or all
    where it is 0.
    """
    self._update()
    if not self._initial:
      raise self._nothing('reset states')
    return np.stack(self._initial[::-1][:limit or None])

  def _nothing(self, wanted):
    """Returns the error of a store that shows nothing."""
    cause = 'None of the stored episodes can be read' if len(self._store) else f'There are no {wanted} before the first episode'
    return errors.UserError(f'{cause}. Received: folder={str(self._store.folder)!r}')

  def _clear(self):
    """Forgets all that was read."""
    self._next_index = 0
    self._truncations = self._store.truncations
    self._buffers = None  # types.Transitions of arrays with more rows than are filled
    self._end = 0         # rows filled
    self._initial = []

  def _update(self):
    """Adds the store's new episodes."""
    if self._store.truncations != self._truncations:
      self._clear()
    for index, episode in self._store.episodes(self._next_index):
      new = _as_transitions(episode, self._as_vectors)
      self._require_alike(index, new)
      self._add(new)
    self._next_index = len(self._store)

  def _require_alike(self, index, new):
    """Raises where an episode has other observations or actions than those before, so that it is of another task."""
    if self._buffers is None:
      return
    ours, theirs = ({name: f'{array.dtype}{list(array.shape[1:])}' for name, array in rows._asdict().items()} for rows in (self._buffers, new))
    if ours != theirs:
      differing = [name for name in ours if ours[name] != theirs[name]]
      told = lambda of: {name: of[name] for name in differing}
      raise errors.UserError(
          f'All episodes of a store need the same observations and actions. Those before have {told(ours)}. '
          f'Received: episode={index} with {told(theirs)} in {str(self._store.folder)!r}')

  def _add(self, new):
    """Copies one episode's transitions to the end of the buffers."""
    if not len(new.reward):
      return
    self._initial.append(new.observation[0])
    new = types.Transitions(*(array[-self._capacity:] for array in new))
    rows = len(new.reward)
    if self._buffers is None or self._end + rows > len(self._buffers.reward):
      self._make_room(new)
    for buffer, array in zip(self._buffers, new):
      buffer[self._end:self._end + rows] = array
    self._end += rows

  def _make_room(self, new):
    """Drops what is older than the capacity; buffers double, up to twice the capacity, so copies stay rare."""
    kept = min(self._end, self._capacity)
    rows = min(2 * (kept + len(new.reward)), 2 * self._capacity + len(new.reward))
    buffers = types.Transitions(*(np.empty((rows,) + array.shape[1:], array.dtype) for array in new))
    if kept:
      for buffer, old in zip(buffers, self._buffers):
        buffer[:kept] = old[self._end - kept:self._end]
    self._buffers, self._end = buffers, kept


def _as_transitions(episode, as_vectors):
  """Returns the `types.Transitions` of one episode."""
  vectors = as_vectors(episode.observation)
  if isinstance(vectors, dict) or np.ndim(vectors) != 2:
    shape = {key: np.shape(value) for key, value in vectors.items()} if isinstance(
        vectors, dict) else np.shape(vectors)
    raise errors.UserError(
        'Transitions need observations that are one vector each, because a dynamics model of vectors is fitted to them. '
        f'Received: observation shape={shape}')
  observation = np.asarray(vectors, np.float64)
  action = np.asarray(episode.action)
  return types.Transitions(
      observation=observation[:-1],
      action=action.astype(np.int64 if np.issubdtype(action.dtype, np.integer) else np.float32),
      reward=np.asarray(episode.reward, np.float32),
      next_observation=observation[1:],
      terminated=np.asarray(episode.terminated, bool))
