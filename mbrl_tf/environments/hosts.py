"""Where one simulator lives: in this process, or in a spawned worker process of its own.

A host is asked for something and later for the answer, so that workers compute at the same time. What can go wrong with a
simulator is a `SimulatorError` of `answer`, whatever it is: that it raised, that its process died, that it hangs.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import socket
import struct
import time
import weakref
from multiprocessing import connection

import numpy as np

from mbrl_tf import errors
from mbrl_tf.environments import guests, worker

_SECONDS_TO_CLOSE = 2.0  # that a simulator gets, before its process is killed
_LONGEST_TIMEOUT = 1e6  # seconds; the system does not wait longer than 24 days, and says so of infinity by an error


class Local:
  """One simulator in this process.

  Attributes:
    recipe: of the simulator.
    env: the `gymnasium.Env` with its wrappers; None where there is none.
  """

  def __init__(self, recipe, owns_process=False):
    """Builds nothing yet.

    Args:
      recipe: a `simulators.Recipe`.
      owns_process: whether the process is there for this simulator alone, which then may end it.
    """
    self.recipe = recipe
    self.env = None
    self._owns_process = owns_process
    self._visit = guests.Visit()
    self._request = None

  def start(self):
    """Has the simulator built; `answer` then returns None."""
    if not self._owns_process:
      guests.guard_exit()
    self._request = ('start', None)

  def ask(self, method, argument=None):
    """Asks for one thing, once the answer before was taken.

    Args:
      method: `reset`, `step` or `render`.
      argument: number of the episode for `reset`, the action for `step`.
    """
    self._request = (method, argument)

  def answer(self):
    """Returns what was asked for.

    Returns:
      After `reset` the observation; after `step` the observation, reward, terminated, truncated and env steps taken; after
      `render` one frame uint8 [height, width, 3].

    Raises:
      SimulatorError: the simulator raised, cannot be built, or returned something outside its spec.
      UserError: it cannot be used as it was asked for.
    """
    method, argument = self._request
    with self._visit:
      if method == 'step':
        observation, reward, terminated, truncated, info = self.env.step(argument)
        return observation, reward, terminated, truncated, info['env_steps']
      if method == 'reset':
        self.env.episode_counter = argument
        return self.env.reset()[0]
      if method == 'render':
        # a copy: the simulator may draw the next one into the same array
        return np.array(self.env.render())
      with guests.blamed('A simulator could not be built'):
        self.env = self.recipe()
      return None

  def ask_to_end(self):
    """Nothing is to be said beforehand to what lives here."""

  def end(self):
    """Closes the simulator. It may be broken, so what goes wrong here is told and goes unheeded."""
    env, self.env = self.env, None
    if env is not None:
      with self._visit:
        guests.close(env, self.recipe.name)


class Remote:
  """One simulator in a spawned process, which talks through a pipe.

  Spawned, because a process that has rendered or run TensorFlow cannot be forked safely; and never importing TensorFlow,
  because software rendering and TensorFlow in one process crash. One pipe each and nothing shared, so that one process can
  be killed and started anew whatever it is doing. (Gymnasium's AsyncVectorEnv cannot replace a single worker.)

  Attributes:
    recipe: of the simulator.
    process: the `multiprocessing.Process` of now, another one after each start; None where there is none.
    exit_code: of the process before; negative for a signal.
  """

  def __init__(self, recipe, timeout_seconds, local=Local):
    """Starts nothing yet.

    Args:
      recipe: a `simulators.Recipe`.
      timeout_seconds: for each answer; a worker that takes longer hangs.
      local: makes what answers in the process, given what `Local` is given.
    """
    self.recipe = recipe
    self._local = local
    self.process = self.exit_code = None
    self._timeout = min(timeout_seconds, _LONGEST_TIMEOUT)
    self._method = self._deadline = None
    self._patience = self._timeout  # for the answer of now
    self._pipe = None
    self._group = None

  def start(self, timeout_seconds=None):
    """As `Local.start`; the time for this answer may be another one."""
    context = multiprocessing.get_context('spawn')
    self._pipe, theirs = context.Pipe()
    # No daemon, for those may not start processes, and a simulator may.
    host = self._local(self.recipe, owns_process=True)
    process = context.Process(target=worker.serve, args=(host, theirs), daemon=False)
    with _signals_blocked():
      process.start()
    self.process, self._group = process, process.pid
    theirs.close()  # so that the pipe ends where the worker does
    _limit_reading(self._pipe, self._timeout)
    _RUNNING.add(self)
    self._expect('start', timeout_seconds)

  def ask(self, method, argument=None, timeout_seconds=None):
    """As `Local.ask`; the time for this answer may be another one."""
    self._expect(method, timeout_seconds)
    self._send((method, argument))

  def answer(self):
    """As `Local.answer`; also a SimulatorError where the process died or exceeds its time."""
    try:
      if not self._pipe.poll(max(0.0, self._deadline - time.monotonic())):
        raise BlockingIOError
      answer, kind, message = self._pipe.recv()
    except BlockingIOError as error:  # of a message that never began, or of the rest of one
      raise errors.SimulatorError(
          f'A simulator process hangs: it gave no answer to {self._method}() in time. '
          f'Received: worker_timeout_seconds={self._patience}') from error
    except (EOFError, OSError) as error:
      self._end_group()
      self.process.join()
      raise errors.SimulatorError(
          f'A simulator process died during {self._method}(). Its own output, if any, stands above. '
          'Negative exit codes are signals; -9 is what the kernel sends when memory runs out. '
          f'Received: exit_code={self.process.exitcode}') from error
    if kind is not None:
      raise kind(message)
    return answer

  def ask_to_end(self):
    """Tells the worker that it may close its simulator and go; several close at the same time."""
    if self.process is not None:
      self._send(None)

  def end(self):
    """Ends the process, whatever state it is in: asks it first, so that the simulator closes, then kills."""
    if self.process is None:
      return
    self.ask_to_end()
    self._end_group()
    self.process.join()
    self._pipe.close()
    self.exit_code = self.process.exitcode
    self.process.close()  # or its descriptors would stay for as long as anybody knows this object
    self.process = None
    _RUNNING.discard(self)

  def _end_group(self):
    """Waits until the process ends, kills it where it does not, and with it whatever it has
    started.
    """
    if self._group is None:
      return
    connection.wait([self.process.sentinel], _SECONDS_TO_CLOSE)
    # of a worker that did not come as far as to make its group
    with contextlib.suppress(ProcessLookupError):
      # before the process is waited for: until then nobody else has its number
      os.killpg(self._group, signal.SIGKILL)
    self.process.kill()
    self._group = None

  def _expect(self, method, timeout_seconds=None):
    self._method, self._patience = method, timeout_seconds or self._timeout
    self._deadline = time.monotonic() + self._patience

  def _send(self, message):
    with contextlib.suppress(OSError):  # The process is dead: so says `answer`, where anybody asks for one.
      self._pipe.send(message)


_RUNNING: weakref.WeakSet = weakref.WeakSet()


@atexit.register  # after multiprocessing's own (imported above), so that it runs before: that one waits for workers for ever
def _end_all():
  hosts = list(_RUNNING)
  for host in hosts:
    host.ask_to_end()
  for host in hosts:
    host.end()


def _limit_reading(pipe, seconds):
  """Makes `pipe.recv` raise BlockingIOError where a message stops half way for `seconds`; `poll` sees only that it began."""
  with socket.socket(fileno=os.dup(pipe.fileno())) as end:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', int(seconds), int(seconds % 1 * 1e6)))


@contextlib.contextmanager
def _signals_blocked():
  """Processes started in here are deaf to what stops the trainer, from their first moment on."""
  before = signal.pthread_sigmask(signal.SIG_BLOCK, guests.STOP_SIGNALS)
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
