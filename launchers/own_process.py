"""What a launcher keeps to itself in the process that it shares with simulators: output and end."""

import atexit
import json
import multiprocessing
import os
import sys
import threading
import warnings

_SECONDS_TO_END = 1.0  # that threads and processes get which somebody else started
_leave = os._exit
_results = None  # where `tell` prints, where it is not stdout


def tell(content):
  """Prints one JSON object on stdout; after `keep_output` nobody else prints there."""
  say(json.dumps(content))


def say(line):
  """Prints a line on stdout, as `tell`."""
  print(line, file=_results or sys.stdout, flush=True)


def keep_output():
  """Keeps stdout for `tell` alone: what simulators, their processes and C++ print there goes to
  stderr.

  Returns:
    A function that undoes it.
  """
  global _results
  before = sys.stdout
  try:
    before.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
  except (AttributeError, OSError):  # one of them is closed, so there is nothing to keep apart
    return lambda: None
  # Somebody else's stream, such as a test's, is no descriptor.
  _results = os.fdopen(os.dup(kept), 'w') if before is sys.__stdout__ else before
  sys.stdout = sys.stderr

  def undo():
    global _results
    if _results is not before:
      _results.close()
    _results, sys.stdout = None, before
    os.dup2(kept, 1)
    os.close(kept)

  return undo


def show_warnings():
  """Where warnings are to end the program (`PYTHONWARNINGS=error`), has them shown: packages warn
  while they are imported.
  """
  strict = [option for option in sys.warnoptions if _is_strict(option)]
  if not strict:
    return
  print('Warnings are shown and end nothing here, because packages that are needed warn while '
        f'they are imported. Received: {strict}',
        file=sys.stderr)
  sys.warnoptions[:] = map(_mild, sys.warnoptions)  # which worker processes inherit
  if 'PYTHONWARNINGS' in os.environ:
    os.environ['PYTHONWARNINGS'] = ','.join(map(_mild, os.environ['PYTHONWARNINGS'].split(',')))
  filters = [('default', *rest) if action == 'error' else (action, *rest)
             for action, *rest in warnings.filters]
  warnings.resetwarnings()  # so that what was remembered of the filters before is forgotten
  warnings.filters.extend(filters)


def _is_strict(option):
  action = option.split(':')[0].strip()
  return bool(action) and 'error'.startswith(action)


def _mild(option):
  return ':'.join(['default', *option.split(':')[1:]]) if _is_strict(option) else option


def guard_end():
  """Says so where something else than the launcher ends this process by `os._exit`, such as a
  simulator's thread; not with status 0.
  """
  owner = os.getpid()

  def told(status):
    if os.getpid() == owner:  # not in a child that was forked
      print(f'error: A simulator or a package ended this process. Received: os._exit({status})',
            file=sys.stderr, flush=True)
      status = status or 1
    _leave(status)

  os._exit = told


def end(status):
  """Ends this process, where the interpreter would wait for ever for threads and processes that a
  simulator started.

  Args:
    status: with which to exit.
  """
  threads = [thread for thread in threading.enumerate()
             if not thread.daemon and thread is not threading.current_thread()]
  for thread in threads:
    thread.join(_SECONDS_TO_END / len(threads))
  threads = [thread.name for thread in threads if thread.is_alive()]
  processes = [process for process in multiprocessing.active_children() if not process.daemon]
  for process in processes:
    process.kill()
  if threads:
    print('What a simulator or a package has started goes on, and ends with this process. '
          f'Received: threads={threads}', file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stderr.flush()
    _leave(status)
  sys.exit(status)
