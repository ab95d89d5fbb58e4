"""What a person sees of a run in its terminal."""

import os
import sys
import threading
import time
from typing import Dict, Optional, Tuple

import tqdm

_SHOWN = {'return': 'collect/return_mean', 'evaluation': 'evaluate/return_mean'}
_BEST = ('evaluate/return_best', 'collect/return_best')  # the first that a run has
_SILENCE = 60.0  # seconds after which a phase that goes on says how far it is
_BAR = '{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} env steps{postfix}'


class Terminal:
  """One line that lives: a bar, time left, returns, the best so far, and what the machine is doing.

  Where the output is no terminal, one plain line per iteration, and one per minute of a phase whose
  steps are counted.
  """

  def __init__(self, env_steps: int, end: int):
    """Shows the line.

    Args:
      env_steps: taken so far.
      end: of the run.
    """
    self._end, self._doing = end, ('', time.monotonic())
    self._counted, self._spoke = (0, 0), time.monotonic()
    self._first_step: Optional[Tuple[int, float]] = None  # of the phase: steps that were done when
    # What comes first compiles: it tells nothing of what is left; nor do random data before it.
    self._waits_for = 1 if env_steps else 2
    self._first: Optional[Tuple[int, float]] = None
    self._best: Optional[float] = None
    self._left: Optional[float] = None
    self._told: Dict[str, float] = {}
    colour = None if 'NO_COLOR' in os.environ else 'green'
    self._bar = tqdm.tqdm(
        total=end, initial=env_steps, dynamic_ncols=True, bar_format=_BAR, colour=colour,
        disable=not sys.stderr.isatty())
    self._closed = threading.Event()
    self._thread = None
    if not self._bar.disable:
      self._thread = threading.Thread(target=self._live, daemon=True)
      self._thread.start()

  def begin(self, phase: str):
    """Shows what the machine is doing from now on."""
    self._doing, self._counted = (phase, time.monotonic()), (0, 0)
    self._first_step = None

  def count(self, phase: str, done: int, count: int):
    """Shows how many steps of what the machine is doing are done; not those of what goes on
    beside it."""
    if phase != self._doing[0]:
      return
    self._counted = done, count
    if done and self._first_step is None:
      self._first_step = done, time.monotonic()
    if self._bar.disable and done and time.monotonic() - self._spoke >= _SILENCE:
      self._say(self._going_on())

  def write(self, env_steps: int, seconds: float, metrics):
    """Shows one iteration."""
    told = {name: float(metrics[key]) for name, key in _SHOWN.items() if key in metrics}
    self._best = next((float(metrics[key]) for key in _BEST if key in metrics), self._best)
    self._told.update(told)
    self._waits_for -= 1
    if self._first is None or self._waits_for >= 0:
      self._first = (env_steps, seconds)
    first_env_steps, first_seconds = self._first
    taken = env_steps - first_env_steps
    self._left = ((seconds - first_seconds) / taken * max(self._end - env_steps, 0)
                  if taken > 0 else None)
    if self._bar.disable:
      parts = [f'{env_steps}/{self._end} env steps', f'{seconds:.0f} s', *self._said(told)]
      self._say(', '.join(parts))
    else:
      self._bar.update(min(env_steps, self._end) - self._bar.n)

  def close(self):
    """Leaves the line as it is."""
    self._closed.set()
    if self._thread:
      self._thread.join()
    self._bar.close()

  def _say(self, text):
    print(text, file=sys.stderr, flush=True)
    self._spoke = time.monotonic()

  def _going_on(self):
    """What the machine is doing, in words."""
    (phase, since), (done, count) = self._doing, self._counted
    if not done or self._first_step is None:
      return f'{phase} {duration(time.monotonic() - since)}'
    # The first step may have compiled: it tells nothing of what is left.
    first, at = self._first_step
    if done == first:
      return f'{phase} {done}/{count}'
    seconds = (time.monotonic() - at) / (done - first) * (count - done)
    return f'{phase} {done}/{count}, {duration(seconds)} left of it'

  def _said(self, told):
    """Yields time left and returns in words."""
    if self._left:
      yield f'{duration(self._left)} left'
    for name, value in told.items():
      yield f'{name} {value:.1f}'
    if self._best is not None:
      yield f'best {self._best:.1f}'

  def _live(self):
    """Renews the line while a long phase goes on."""
    while not self._closed.wait(1.0):
      parts = list(self._said(self._told))
      if self._doing[0]:
        parts.append(self._going_on())
      self._bar.set_postfix_str(', '.join(parts))


def duration(seconds: float) -> str:
  """Returns a time as a person says it."""
  if seconds < 90:
    return f'{seconds:.0f} s'
  if seconds < 5400:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'
