"""Checkpoints of everything that influences a run's future."""

import atexit
import functools
import hashlib
import pathlib
import re
import shutil
import tempfile
import warnings

import numpy as np
import tensorflow as tf
import tf_keras

from mbrl_tf import errors
from mbrl_tf.data import files

_NAME = 'checkpoint'
_SUMS = '.sha256'
_TEMPORARY = '_temp'  # where TensorFlow puts a checkpoint together
_DATA = r'\.data-\d{5}-of-\d{5}'
# what else is there may be a person's own copy
_PART = re.compile(rf'({_NAME}-\d+)({_TEMPORARY}|\.index|{_DATA})')


class Progress(tf.Module):
  """What the training loop itself remembers.

  Attributes:
    env_steps: simulator steps at the checkpoint.
    seconds: wall time of training, summed over resumes.
    history: int64 `[refreshes, shards]` of the store: in its last row how many episodes each shard has; what is newer belongs
      to no checkpoint.
    episode_counters: int64 `[hosts N]`, the next episode of each environment, which decides how it begins.
  """

  def __init__(self):
    super().__init__(name='progress')
    self.env_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.seconds = tf.Variable(0., dtype=tf.float64, trainable=False)
    # Of any length: a run may go on with another number of hosts.
    self.history = tf.Variable(np.zeros([1, 1], np.int64), shape=[None, None], trainable=False)
    self.episode_counters = tf.Variable(np.zeros(1, np.int64), shape=[None], trainable=False)


class Checkpointer:
  """Saves and restores an algorithm together with the loop's own progress.

  A checkpoint is `checkpoint-ENV_STEPS.index`, one or more `.data-*`, and `.sha256` with the checksums of these, as
  `sha256sum -c` reads them. The last is renamed into its place when the others are on the disk, and makes the checkpoint
  complete: without it there is none. The checksums are compared before anything is restored.

  Attributes:
    progress: the `Progress`.
  """

  def __init__(self, folder, state, keep: int = 3):
    """Restores nothing yet.

    Args:
      folder: where the checkpoints are.
      state: an algorithm's `state`.
      keep: how many of the newest checkpoints stay.
    """
    self._folder = pathlib.Path(folder)
    self._state = state
    self.progress = Progress()
    self._checkpoint = tf.train.Checkpoint(algorithm=state, progress=self.progress)
    self._keep = keep

  def save(self, evaluations=None) -> str:
    """Writes a checkpoint; then removes all but the newest `keep` and the best, and those of a future that was given up.

    Args:
      evaluations: env steps to the return of an evaluation; the checkpoint with the highest of them is the best.

    Returns:
      The path, without the ending of a file name.

    Raises:
      FloatingPointError: where a variable that would be saved is not finite, an optimizer's moments included. The
        checkpoints written before stay as they are, here as below.
      StorageError: where it cannot be written.
    """
    self._require_finite()
    path = self._folder / f'{_NAME}-{int(self.progress.env_steps)}'
    with files.writing(path, tf.errors.OpError):
      try:
        self._write(path)
      except BaseException:
        self.remove_leftovers()  # half a checkpoint only takes room
        raise
    self._remove_old(evaluations or {})
    return str(path)

  def restore(self, evaluations=None) -> bool:
    """Restores the newest checkpoint, or the best one; one that is damaged is skipped with a warning.

    Args:
      evaluations: env steps to the return of an evaluation: the best of these comes first, and those without last.

    Returns:
      False where there is no checkpoint.

    Raises:
      UserError: where a checkpoint does not fit the algorithm, or there are checkpoints and none can be read.
    """
    paths = self._complete()
    if evaluations:
      paths.sort(key=lambda path: evaluations.get(_env_steps(path), -np.inf))
    for path in reversed(paths):
      damage = _damage(path)
      if damage is None:
        self._read(path)
        return True
      warnings.warn(f'Skipped a checkpoint that cannot be read ({damage}): {path}', stacklevel=2)
    if paths:
      raise errors.UserError(f'No checkpoint of this run can be read. Received: checkpoints={str(self._folder)!r}')
    return False

  def best(self, evaluations):
    """Returns the env steps of the best checkpoint that is there, None where none was evaluated; the newest of equals."""
    found = [env_steps for env_steps in map(_env_steps, self._complete()) if env_steps in evaluations]
    return max(found, key=lambda env_steps: (evaluations[env_steps], env_steps), default=None)

  def remove_leftovers(self):
    """Removes what belongs to no complete checkpoint: its writing was killed, or failed. For the owner of the run alone."""
    complete = {path.name for path in self._complete()}
    for path in self._folder.glob(f'{_NAME}-*'):
      found = _PART.fullmatch(path.name)
      if found and found[2] == _TEMPORARY:
        shutil.rmtree(path, ignore_errors=True)
      elif found and found[1] not in complete:
        path.unlink(missing_ok=True)
    files.remove_partial(self._folder, rf'{_NAME}-\d+{_SUMS}')

  def _write(self, path):
    """Writes all files of a checkpoint durably."""
    self._folder.mkdir(parents=True, exist_ok=True)
    self._remove(path)  # a damaged one may be in its place
    self._checkpoint.write(str(path))
    lines = []
    for file in _parts(path):
      files.sync(file)
      lines.append(f'{_checksum(file)}  {file.name}\n')
    files.write_atomically(_sums(path), ''.join(lines).encode())

  def _read(self, path):
    """Restores one checkpoint whose files are whole."""
    try:
      self._checkpoint.read(str(_without_pattern(path))).assert_existing_objects_matched()
    except Exception as error:  # TensorFlow reports what does not fit as AssertionError, ValueError, OpError, and more
      raise errors.UserError(
          f'The checkpoint does not fit this version of the algorithm ({str(error).splitlines()[0]}). '
          f'Received: checkpoint={str(path)!r}') from error

  def _complete(self):
    """Returns the paths of all complete checkpoints, oldest first, without the ending of a file name."""
    # By the checksums, for they alone appear at once: TensorFlow renames its data into place, but writes the index where it stays.
    paths = [path.with_suffix('') for path in self._folder.glob(f'{_NAME}-*{_SUMS}')]
    return sorted((path for path in paths if path.name[len(_NAME) + 1:].isdigit()), key=_env_steps)

  def _remove_old(self, evaluations):
    """Removes what need not be kept after the checkpoint of this progress was written."""
    now = int(self.progress.env_steps)
    past = [path for path in self._complete() if _env_steps(path) <= now]
    kept = {_env_steps(path) for path in past[-self._keep:]} | {self.best(evaluations)}
    for path in self._complete():
      # Beyond now lies a checkpoint that was damaged: the run went on from one before it, and its episodes are gone.
      if _env_steps(path) not in kept:
        self._remove(path)
    self.remove_leftovers()

  def _remove(self, path):
    """Removes all files of a checkpoint, first the one without which it is none."""
    for file in (_sums(path), *_parts(path)):
      file.unlink(missing_ok=True)

  def _require_finite(self):
    """Raises where a variable that would be saved is not finite."""
    for variable in _variables(self._checkpoint):
      if variable.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(variable))):
        raise FloatingPointError(f'{variable.name} is not finite, so training stops and keeps the checkpoints before.')


def _env_steps(path):
  """Returns the env steps that a checkpoint's name tells."""
  return int(path.name.split('-')[1])


def _sums(path):
  """Returns the file with the checksums of a checkpoint."""
  return path.with_name(path.name + _SUMS)


def _parts(path):
  """Returns the files of a checkpoint that hold its content."""
  data = [file for file in path.parent.glob(f'{path.name}.data-*') if _PART.fullmatch(file.name)]
  return sorted([path.with_name(f'{path.name}.index'), *data])


def _checksum(file):
  """Returns the SHA-256 of a file in hexadecimal digits."""
  digest = hashlib.sha256()
  with open(file, 'rb') as opened:
    while part := opened.read(2**20):
      digest.update(part)
  return digest.hexdigest()


def _damage(path):
  """Compares the files of a checkpoint with its checksums; returns what is wrong, None where nothing is."""
  sums = _sums(path)
  try:
    expected = sums.read_text()
    found = ''.join(f'{_checksum(file)}  {file.name}\n' for file in _parts(path))
  except (OSError, ValueError) as error:
    return f'{type(error).__name__}: {error}'
  return None if found == expected else f'its files do not have the checksums in {sums.name}'


def _without_pattern(path):
  """Returns a path of the same checkpoint that is no pattern: TensorFlow reads what `[1]`, `*`,
  `?` and backslashes match.
  """
  return _link(path.parent) / path.name if re.search(r'[\[*?\\]', str(path)) else path


@functools.cache
def _link(folder):
  """Makes a link to a folder that lasts as long as this process: what is built later may still be
  read from a checkpoint.
  """
  temporary = tempfile.mkdtemp(prefix='mbrl_tf_')
  atexit.register(shutil.rmtree, temporary, ignore_errors=True)  # which follows no links
  link = pathlib.Path(temporary) / 'checkpoints'
  link.symlink_to(folder.absolute())
  return link


def _variables(root):
  """Yields all variables that a checkpoint of `root` holds.

  `tf.Module.variables` misses those of a `tf.train.Checkpoint`, of an optimizer, and of a model inside a list.
  """
  for trackable in tf.train.TrackableView(root).descendants():
    if isinstance(trackable, tf.Variable):
      yield trackable
    elif isinstance(trackable, tf_keras.optimizers.legacy.Optimizer):
      yield from trackable.variables()  # the slots hang on the graph's edges only, so no walk over its nodes meets them
