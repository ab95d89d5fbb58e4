"""Keeps what XLA has compiled, so that the next process loads it instead of compiling it again.

TensorFlow can do so by itself (`--tf_xla_persistent_cache_directory`), but a program fails where a
file is damaged, which a checksum finds here before TensorFlow reads it. So each process has a folder of its own, with links to what is
kept, and what it compiled is kept under its final name only when it ends, with a checksum.

What is kept is machine code, of this machine's processor and TensorFlow's version, in a folder of
this user alone: `$MBRL_TF_CACHE`, or `mbrl_tf` in `$XDG_CACHE_HOME` or `~/.cache`. `MBRL_TF_CACHE=off`
keeps nothing. Programs of GPUs are left to TensorFlow.
"""

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
import tempfile

_VARIABLE = 'MBRL_TF_CACHE'
_FLAG = '--tf_xla_persistent_cache_directory'
_MOST_BYTES = 256 * 2**20  # that are kept; the oldest go first
_ROOM_BYTES = 64 * 2**20  # must be there: a program fails where TensorFlow cannot write its file
_OWN = 'process-'


class Kept:
  """The compiled programs of this process.

  Attributes:
    found: how many there are from the beginning.
  """

  def __init__(self, folder, own, found):
    """Only keeps its arguments, the folder of all processes, that of this one, and their number."""
    self._folder, self._own, self.found = folder, own, found
    self._pid = os.getpid()

  def publish(self):
    """Keeps what this process compiled, and removes its folder. Fails silently: it only costs
    time.
    """
    if os.getpid() != self._pid:  # a process that was forked
      return
    try:
      for file in self._own.glob('*.pb'):
        if not any(self._folder.glob(f'{file.name}.*')):
          content = file.read_bytes()
          kept = self._folder / f'{file.name}.{_digest(content)}'
          partial = self._own / f'{kept.name}.partial'
          partial.write_bytes(content)
          partial.replace(kept)
      _trim(self._folder)
    except OSError:
      pass
    shutil.rmtree(self._own, ignore_errors=True)


def keep():
  """Has TensorFlow load and write compiled programs; to be called before it is imported.

  Returns:
    `Kept`, or None where nothing is kept: by the variable, where several hosts learn, without room,
    or where no folder can be made.
  """
  flags = os.environ.get('TF_XLA_FLAGS', '')
  if os.environ.get(_VARIABLE) == 'off' or 'TF_CONFIG' in os.environ or _FLAG in flags:
    return None
  try:
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    # Code is loaded from there: nobody else may write it.
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
      return None
    _remove_leftovers(folder)
    own = pathlib.Path(tempfile.mkdtemp(prefix=f'{_OWN}{os.getpid()}-', dir=folder))
    _require_room(own)
    for kept in folder.glob('*.pb.*'):
      name, _, digest = kept.name.rpartition('.')
      if _digest(kept.read_bytes()) != digest:
        kept.unlink()  # damaged
      elif not (own / name).exists():  # two processes may have published it at once
        os.link(kept, own / name)
  except OSError:
    return None
  os.environ['TF_XLA_FLAGS'] = (
      f'{flags} {_FLAG}={own} --tf_xla_persistent_cache_device_types=CPU').strip()
  return Kept(folder, own, len(list(own.iterdir())))


def _folder():
  """Of this processor and these versions: programs of others could not run here."""
  chosen = os.environ.get(_VARIABLE)
  base = pathlib.Path(chosen or os.path.join(
      os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'mbrl_tf'))
  try:
    cpu = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
    cpu = sorted({line for line in cpu.splitlines()
                  if line.startswith(('flags', 'model name', 'Features', 'CPU part'))})
  except OSError:
    cpu = [platform.processor()]
  told = [importlib.metadata.version('tensorflow'), platform.machine(),
          os.environ.get('XLA_FLAGS', ''), *cpu]
  return base / f'xla-{_digest(repr(told).encode())}'


def _digest(content):
  return hashlib.sha256(content).hexdigest()[:32]


def _require_room(own):
  """Raises an OSError where a disk is full, a quota used up, or files may not be so large."""
  path = own / 'room'
  try:
    with open(path, 'wb') as file:
      os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
  except OSError:
    shutil.rmtree(own, ignore_errors=True)
    raise
  path.unlink()


def _trim(folder):
  """Removes the oldest programs, as many as are too many."""
  total = 0
  files = sorted(((file.stat().st_mtime, file) for file in folder.glob('*.pb.*')), reverse=True)
  for _, file in files:
    total += file.stat().st_size
    if total > _MOST_BYTES:
      file.unlink()


def _remove_leftovers(folder):
  """Removes the folders of processes that were killed."""
  for own in folder.glob(f'{_OWN}*'):
    pid = own.name[len(_OWN):].split('-')[0]
    if not pathlib.Path('/proc', pid).exists():
      shutil.rmtree(own, ignore_errors=True)
