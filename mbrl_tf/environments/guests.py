"""A simulator is a guest of the process that it runs in: what it may do there, and what of it is
undone.

In a worker process it harms nobody else. In the trainer's own process its working directory, the
signal handlers that it replaces and its way to end the process are kept from the trainer.
"""

import _signal
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
import traceback
from typing import Any, Dict

from mbrl_tf import errors

# requests to the trainer, which no simulator may take away
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# what a simulator is not blamed for
PASSING = (errors.UserError, errors.SimulatorError, KeyboardInterrupt)
SECONDS_TO_CLOSE = 10.0  # that a simulator gets in a process that is not its own
_visitors: Dict[int, Any] = {}  # id of each thread that is within a `Visit` to that


class Visit:
  """A context, entered for each call of one simulator.

  Within it the working directory is the one that this simulator chose last, and `os._exit` raises
  SystemExit where `guard_exit` was called; outside of it the directory and the handlers of
  `STOP_SIGNALS` are the process's own.
  """

  def __init__(self):
    _watch_directory()
    self._folder = None    # where this simulator went
    self._home = None      # where the process was before it went there
    self._handlers = ()

  def __enter__(self):
    _visitors[threading.get_ident()] = self
    self._handlers = _handlers()
    if self._folder is not None:
      with contextlib.suppress(OSError):  # gone meanwhile: its own affair
        os.chdir(self._folder)

  def __exit__(self, *unused):
    _visitors.pop(threading.get_ident(), None)
    if self._home is not None:
      self._folder = _working_directory()
      os.chdir(self._home)
      self._home = None
    # Only the main thread can set any.
    if self._handlers != _handlers() and threading.current_thread() is threading.main_thread():
      for number, handler in zip(STOP_SIGNALS, self._handlers):
        if handler is not None:  # one that was not set from Python cannot be put back
          signal.signal(number, handler)

  def leaves_home(self):
    """Notes where the process is, before the first change of the directory within this visit."""
    if self._home is None:
      self._home = _working_directory()


@contextlib.contextmanager
def blamed(doing):
  """Makes a `SimulatorError` of what a simulator's code raises, `sys.exit()` included, with its
  traceback.

  Errors of this package and Ctrl-C pass.

  Args:
    doing: what was done, for the message: `Simulator 1 of cart:Cart raised in step()`.
  """
  try:
    yield
  except PASSING:
    raise
  except BaseException as error:
    raise fault(doing, error) from error


def fault(doing, error) -> errors.SimulatorError:
  """Returns the `SimulatorError` that tells of an exception which is being handled; see
  `blamed`.
  """
  return errors.SimulatorError(f'{doing}.\n{traceback.format_exc()}Received: '
                               f'{type(error).__name__}={str(error)!r}')


def close(env, name):
  """Closes a simulator; what goes wrong there, or has no end, is told, and harms nobody."""
  try:
    with _limited(SECONDS_TO_CLOSE):
      env.close()
  except KeyboardInterrupt:
    raise
  except BaseException as error:
    logging.getLogger(__name__).warning('%s raised in close() (%s: %s).', name,
                                        type(error).__name__, error)


@contextlib.contextmanager
def _limited(seconds):
  """Raises TimeoutError within its block after some time; in the main thread, for no other hears."""
  if threading.current_thread() is not threading.main_thread():
    yield
    return

  def stop(number, frame):
    raise TimeoutError(f'it did not end within {seconds} s')

  handler, timer = signal.signal(signal.SIGALRM, stop), signal.setitimer(signal.ITIMER_REAL, seconds)
  try:
    yield
  finally:
    signal.setitimer(signal.ITIMER_REAL, *timer)
    if handler is not None:  # as in `Visit`
      signal.signal(signal.SIGALRM, handler)


def _handlers():
  """Returns the handlers of `STOP_SIGNALS`; `signal.getsignal` takes as long as a cheap
  simulator's step to make an enum of each.
  """
  return [_signal.getsignal(number) for number in STOP_SIGNALS]


def _working_directory():
  """Returns the working directory; None where it was removed."""
  try:
    return os.getcwd()
  except OSError:
    return None


@functools.cache
def _watch_directory():
  """Has visits hear of changes of the directory: to ask the system at each step would cost as much
  as a cheap simulator.
  """

  def heard(event, arguments):
    if event == 'os.chdir':
      visit = _visitors.get(threading.get_ident())
      if visit is not None:
        visit.leaves_home()

  sys.addaudithook(heard)


def guard_exit():
  """Keeps simulators from ending this process, which is not theirs alone: replaces `os._exit`
  once, by a function that raises where a simulator's call in this process is under way.
  """
  leave = os._exit
  if getattr(leave, 'raises_for', None) == os.getpid():
    return

  def raise_within_a_visit(status):
    # In a child that was forked it is what its code may rely on.
    if raise_within_a_visit.raises_for == os.getpid() and threading.get_ident() in _visitors:
      raise SystemExit(f'os._exit({status})')
    leave(status)

  raise_within_a_visit.raises_for = os.getpid()
  os._exit = raise_within_a_visit
