"""The process of one simulator: answers what its parent asks, and ends with it."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection

from mbrl_tf import errors
from mbrl_tf.environments import guests

_SECONDS_AFTER_PARENT = 2.0


def serve(host, pipe):
  """Answers until it is told to end, or the parent is gone.

  Args:
    host: a `hosts.Local` that has not started.
    pipe: end of a `multiprocessing.Pipe`.
  """
  # A group of its own, so that the parent can end whatever the simulator starts. What stops a run
  # is often sent to all its processes, and the parent still finishes an iteration with the workers.
  os.setpgid(0, 0)
  # SIGTTOU and SIGTTIN stop a group that is not the terminal's own where it prints or asks.
  for number in (*guests.STOP_SIGNALS, signal.SIGTTOU, signal.SIGTTIN):
    signal.signal(number, signal.SIG_IGN)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, guests.STOP_SIGNALS)
  threading.Thread(target=_end_after_parent, daemon=True).start()
  os.environ['CUDA_VISIBLE_DEVICES'] = ''  # The GPU's memory is the learner's.
  host.start()
  try:
    while True:
      pipe.send(_told(host))
      request = pipe.recv()
      if request is None:
        break
      host.ask(*request)
  except (EOFError, OSError):
    pass  # The parent is gone, so there is nobody to tell and nothing left to do.
  finally:
    host.end()
    _leave()


def _told(host):
  """Returns an answer, None and None; or None, the kind of error and its message."""
  try:
    return host.answer(), None, None
  except (errors.UserError, errors.SimulatorError) as error:
    return None, type(error), str(error)


def _leave():
  """Ends the process where the interpreter would wait for what a simulator started and does not
  end.
  """
  waits = multiprocessing.active_children() or any(
      not thread.daemon and thread is not threading.current_thread()
      for thread in threading.enumerate())
  if not multiprocessing.parent_process().is_alive():
    os.killpg(0, signal.SIGKILL)
  if waits:
    os._exit(0)  # what is left of its group the parent ends


def _end_after_parent():
  """Ends this process and what it started some time after its parent, also where the simulator
  hangs and never looks at the pipe.
  """
  connection.wait([multiprocessing.parent_process().sentinel])
  time.sleep(_SECONDS_AFTER_PARENT)
  with contextlib.suppress(OSError):
    os.killpg(0, signal.SIGKILL)
