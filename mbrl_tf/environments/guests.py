"""A simulator is a guest of the process that it runs in: what it may do there, and what of it is undone.

In a worker process it harms nobody else. In the trainer's own process its working directory, the signal handlers that it
replaces and its way to end the process are kept from the trainer.
"""

import contextlib
import logging
import os
import signal
import threading
import traceback

from mbrl_tf import errors

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # requests to the trainer, which no simulator may take away
PASSING = (errors.UserError, errors.SimulatorError, KeyboardInterrupt)  # what a simulator is not blamed for
_visitors = set()  # ids of the threads that are within a `Visit`


class Visit:
  """A context, entered for each call of one simulator.

  Within it the working directory is the one that this simulator chose last, and `os._exit` raises SystemExit where
  `guard_exit` was called; outside of it the directory and the handlers of `STOP_SIGNALS` are the process's own.
  """

  def __init__(self):
    self._folder = None
    self._before = None
    self._handlers = ()

  def __enter__(self):
    _visitors.add(threading.get_ident())
    self._handlers = [signal.getsignal(number) for number in STOP_SIGNALS]
    self._before = _working_directory()
    if self._folder is not None:
      with contextlib.suppress(OSError):  # gone meanwhile: its own affair
        os.chdir(self._folder)

  def __exit__(self, *unused):
    _visitors.discard(threading.get_ident())
    after = _working_directory()
    if after != self._before and self._before is not None:
      self._folder = after
      os.chdir(self._before)
    if threading.current_thread() is threading.main_thread():  # no other thread can set any
      for number, handler in zip(STOP_SIGNALS, self._handlers):
        if signal.getsignal(number) is not handler and handler is not None:
          signal.signal(number, handler)


@contextlib.contextmanager
def blamed(doing):
  """Makes a `SimulatorError` of what a simulator's code raises, `sys.exit()` included, with its traceback.

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
  """Returns the `SimulatorError` that tells of an exception which is being handled; see `blamed`."""
  return errors.SimulatorError(f'{doing}.\n{traceback.format_exc()}Received: {type(error).__name__}={str(error)!r}')


def close(env, name):
  """Closes a simulator; what goes wrong there is told, and harms nobody."""
  try:
    env.close()
  except KeyboardInterrupt:
    raise
  except BaseException as error:
    logging.getLogger(__name__).warning('%s raised in close() (%s: %s).', name, type(error).__name__, error)


def _working_directory():
  """Returns the working directory; None where it was removed."""
  try:
    return os.getcwd()
  except OSError:
    return None


def guard_exit():
  """Keeps simulators from ending this process, which is not theirs alone: replaces `os._exit` once, by a function that raises where a simulator's call in this process is under way."""
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
