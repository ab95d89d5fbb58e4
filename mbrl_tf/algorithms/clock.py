"""How long the phases of an iteration take."""

import contextlib
import time
from typing import List, Protocol

# Of this process: a person who waits wants to know what for.
_watchers: List['Watcher'] = []


class Watcher(Protocol):
  """Somebody who waits."""

  def begin(self, phase: str):
    """Hears that a phase begins."""

  def count(self, phase: str, done: int, count: int):
    """Hears how many of the steps of a phase are done; another phase may go on beside it."""


class PhaseClock:
  """Seconds spent in each named phase since they were last read; phases of different names may run in threads at once."""

  def __init__(self):
    self._seconds = {}

  @contextlib.contextmanager
  def __call__(self, phase):
    """Adds the time spent in the `with` block to the phase."""
    for watcher in _watchers:
      watcher.begin(phase)
    start = time.perf_counter()
    yield
    self._seconds[phase] = self._seconds.get(phase, 0.0) + time.perf_counter() - start

  def counted(self, phase, items, count):
    """Yields the items, and tells watchers how many of the `count` steps of the phase are done before
    each."""
    for done, item in enumerate(items):
      for watcher in _watchers:
        watcher.count(phase, done, count)
      yield item

  def read(self):
    """Returns `seconds/<phase>` and starts anew."""
    seconds, self._seconds = self._seconds, {}
    return {f'seconds/{phase}': value for phase, value in seconds.items()}


@contextlib.contextmanager
def watched(watcher: Watcher):
  """Tells `watcher` of each phase of this process within the `with` block."""
  _watchers.append(watcher)
  try:
    yield
  finally:
    _watchers.remove(watcher)
