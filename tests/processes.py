"""Processes of others: which are there, and when they do something. Linux only."""

import contextlib
import ctypes
import os
import pathlib
import select
import struct
import subprocess
import time

_IN_CREATE = 0x100  # of inotify: a file or folder appeared in a watched folder
_PATIENCE_SECONDS = 30  # for processes whose trainer or parent has ended


def is_running(pid) -> bool:
  """Whether there is a process of this id, which has not ended yet."""
  return _state(pid)[0] not in ('', 'Z')


def await_end(pids):
  """Asserts that these processes end soon."""
  deadline = time.monotonic() + _PATIENCE_SECONDS
  while any(map(is_running, pids)) and time.monotonic() < deadline:
    time.sleep(0.05)
  assert not [pid for pid in pids if is_running(pid)]


def wait(process, seconds):
  """Waits for a process's end, at most so long."""
  with contextlib.suppress(subprocess.TimeoutExpired):
    process.wait(seconds)


def await_files(process, folder, count):
  """Returns as soon as `count` files have appeared in a folder, or the process has ended."""
  libc = ctypes.CDLL(None, use_errno=True)
  watch = libc.inotify_init1(os.O_CLOEXEC)
  assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(folder), _IN_CREATE) >= 0, os.strerror(ctypes.get_errno())
  try:
    while count > 0 and process.poll() is None:
      if select.select([watch], [], [], 0.2)[0]:
        count -= _events(os.read(watch, 65536))
  finally:
    os.close(watch)


def _events(content):
  """Returns how many events inotify wrote: each is four numbers, the last of which is the length of a name behind them."""
  count, position = 0, 0
  while position < len(content):
    position += 16 + struct.unpack_from('iIII', content, position)[3]
    count += 1
  return count


def await_session_end(leader) -> int:
  """Asserts that all processes of a session end soon; returns how many were there at first."""
  first = _session(leader)
  await_end(first)
  assert not _session(leader), f'processes were left behind: {_session(leader)}'
  return len(first)


def _session(leader):
  """Returns the ids of all processes of a session that have not ended."""
  found = [int(folder.name) for folder in pathlib.Path('/proc').glob('[0-9]*')]
  return [pid for pid in found if _state(pid)[1] == leader and is_running(pid)]


def _state(pid):
  """Returns the letter of a process's state and the leader of its session; an empty one where there is no such process."""
  try:
    state, *numbers = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return state, int(numbers[2])
  except (FileNotFoundError, ProcessLookupError):
    return '', -1
