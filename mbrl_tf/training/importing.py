"""Puts episodes from elsewhere into a run that has not learned yet."""

import hashlib
from typing import Any, Callable, Dict, Iterable, NamedTuple, Sequence, Tuple

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.data import episodes, shards
from mbrl_tf.training import run_directory


class Outcome(NamedTuple):
  """What became of an import.

  Attributes:
    episodes, decisions: that were imported now.
    known: how many were passed over, because an earlier import brought the same.
    refused: name of each episode that was refused, to the sentence that says why.
    total: episodes that the run begins with.
  """
  episodes: int
  decisions: int
  known: int
  refused: Dict[str, str]
  total: int


def require_unlearned(directory):
  """Raises a `UserError` where a run has checkpoints: what it learned was learned from the episodes
  that it had.
  """
  if any(directory.checkpoints.glob('checkpoint-*.sha256')):
    raise errors.UserError(
        'This run has learned already, from the episodes that it has. Begin another run with these '
        f'and more: --from={directory.path} beside the others, and another --run_dir. '
        f'Received: run_dir={str(directory.path)!r}')


def add(directory, found: Iterable[Tuple[str, Callable[[], types.NativeEpisode]]], native,
        names: Sequence[str], begin: Callable[[], Any] = lambda: None) -> Outcome:
  """Imports what can be, one episode after the other, and tells of each that cannot.

  The run has all of them when this returns, and none of them before, whenever it is stopped. What a
  run that was killed before its first checkpoint has collected goes, as when it is started again.

  Args:
    directory: a `RunDirectory` that this process owns.
    found: pairs of a name and a function that reads an episode, or raises a `UserError`.
    native: what reads an episode of the run's task, `environments.native.Native`.
    names: of what was asked for, to be remembered.
    begin: called once before the first episode is written.

  Raises:
    StorageError: an episode could not be written; then none was imported.
  """
  before = directory.imported()
  known = {digest for source in before.sources for digest in source['sha256']}
  store, refused, digests, decisions, passed = None, {}, [], 0, 0
  try:
    for name, read in found:
      try:
        episode = native.read(read())
      except errors.UserError as error:
        refused[name] = str(error)
        continue
      digest = _digest(episode)
      if digest in known:
        passed += 1
        continue
      if store is None:
        begin()
        store = episodes.EpisodeStore(directory.episodes)
        store.truncate(before.episodes)
      store.append(episode)
      digests.append(digest)
      decisions += len(episode.reward)
    total = before.episodes + len(digests)
    if digests:
      source = {'from': list(names), 'episodes': len(digests), 'decisions': decisions,
                'sha256': digests}
      directory.write_imported(run_directory.Imported(total, (*before.sources, source)))
  except BaseException:
    if store is not None:
      store.truncate(before.episodes)
    raise
  return Outcome(len(digests), decisions, passed, refused, total)


def stored(folder):
  """Yields pairs of a name and a function that reads an episode, of all episodes of a run, those of
  all hosts.
  """
  for store in shards.stores(folder):
    for index in store.decisions():
      yield f'{store.folder}, episode {index}', lambda store=store, index=index: store.load(index)


def _digest(episode):
  """Returns the SHA-256 of all that an episode holds."""
  digest = hashlib.sha256()
  arrays = episodes.flatten(episode.observation)
  arrays.update({name: getattr(episode, name) for name in ('action', 'reward', 'terminated')})
  for name in sorted(arrays):
    array = np.ascontiguousarray(arrays[name])
    digest.update(f'{name} {array.dtype} {array.shape}\n'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()
