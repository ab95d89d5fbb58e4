"""How long the phases of an iteration take."""

import contextlib
import time
from typing import Callable, List

_watchers: List[Callable[[str], None]] = []  # of this process: a person who waits wants to know what for


class PhaseClock:
  """Seconds spent in each named phase since they were last read; phases of different names may run in threads at once."""

  def __init__(self):
    self._seconds = {}

  @contextlib.contextmanager
  def __call__(self, phase):
    """Adds the time spent in the `with` block to the phase."""
    for watcher in _watchers:
      watcher(phase)
    start = time.perf_counter()
    yield
    self._seconds[phase] = self._seconds.get(phase, 0.0) + time.perf_counter() - start

  def read(self):
    """Returns `seconds/<phase>` and starts anew."""
    seconds, self._seconds = self._seconds, {}
    return {f'seconds/{phase}': value for phase, value in seconds.items()}


@contextlib.contextmanager
def watched(watcher):
  """Has `watcher` called with the name of each phase of this process that begins within the `with`
  block."""
  _watchers.append(watcher)
  try:
    yield
  finally:
    _watchers.remove(watcher)
