"""Checkpoints of everything that influences a run's future."""

import pathlib
import warnings

import numpy as np
import tensorflow as tf
import tf_keras

from mbrl_tf import errors

_NAME = 'checkpoint'


class Progress(tf.Module):
  """What the training loop itself remembers.

  Attributes:
    env_steps: simulator steps at the checkpoint.
    seconds: wall time of training, summed over resumes.
    episodes: number of episodes in the store; what is newer belongs to no checkpoint.
    episode_counters: int64 `[N]`, the next episode of each environment, which decides how it begins.
  """

  def __init__(self, num_envs: int):
    super().__init__(name='progress')
    self.env_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.seconds = tf.Variable(0., dtype=tf.float64, trainable=False)
    self.episodes = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.episode_counters = tf.Variable(np.zeros(num_envs, np.int64), trainable=False)


class Checkpointer:
  """Saves and restores an algorithm together with the loop's own progress.

  Attributes:
    progress: the `Progress`.
  """

  def __init__(self, folder, state, num_envs: int, keep: int = 3):
    """Restores nothing yet.

    Args:
      folder: where the checkpoints are.
      state: an algorithm's `state`.
      num_envs: parallel environments, N.
      keep: how many of the newest checkpoints stay.
    """
    self._folder = pathlib.Path(folder)
    self._state = state
    self.progress = Progress(num_envs)
    self._checkpoint = tf.train.Checkpoint(algorithm=state, progress=self.progress)
    self._keep = keep

  def save(self) -> str:
    """Writes a checkpoint and removes the oldest beyond `keep`.

    Raises:
      FloatingPointError: where a variable that would be saved is not finite, an optimizer's moments included. The
        checkpoints written before stay as they are.
    """
    self._require_finite()
    path = self._checkpoint.write(str(self._folder / f'{_NAME}-{int(self.progress.env_steps)}'))
    # Only a complete checkpoint has an index, which TensorFlow renames into place last.
    for old in self._complete()[:-self._keep]:
      for file in sorted(self._folder.glob(f'{old.name}.*'), key=lambda file: not file.name.endswith('.index')):
        file.unlink()
    return path

  def restore(self) -> bool:
    """Restores the newest checkpoint that can be read; one that is damaged is skipped with a warning.

    Returns:
      False where there is no checkpoint.

    Raises:
      UserError: where a checkpoint does not fit the algorithm, or there are checkpoints and none can be read.
    """
    complete = self._complete()
    for path in reversed(complete):
      try:
        self._checkpoint.read(str(path)).assert_existing_objects_matched()
        return True
      except AssertionError as error:
        raise errors.UserError(
            f'The checkpoint does not fit this version of the algorithm ({str(error).splitlines()[0]}). '
            f'Received: checkpoint={str(path)!r}') from error
      except Exception as error:  # TensorFlow reports damage as IndexError, ValueError, OpError, and more
        warnings.warn(f'Skipped a checkpoint that cannot be read ({type(error).__name__}: {error}): {path}', stacklevel=2)
    if complete:
      raise errors.UserError(f'No checkpoint of this run can be read. Received: checkpoints={str(self._folder)!r}')
    return False

  def _complete(self):
    """Returns the paths of all complete checkpoints, oldest first, without the ending of a file name."""
    paths = [path.with_suffix('') for path in self._folder.glob(f'{_NAME}-*.index')]
    return sorted(paths, key=lambda path: int(path.name.split('-')[1]))

  def _require_finite(self):
    """Raises where a variable that would be saved is not finite."""
    for variable in _variables(self._checkpoint):
      if variable.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(variable))):
        raise FloatingPointError(f'{variable.name} is not finite, so training stops and keeps the checkpoints before.')


def _variables(root):
  """Yields all variables that a checkpoint of `root` holds.

  `tf.Module.variables` misses those of a `tf.train.Checkpoint`, of an optimizer, and of a model inside a list.
  """
  for trackable in tf.train.TrackableView(root).descendants():
    if isinstance(trackable, tf.Variable):
      yield trackable
    elif isinstance(trackable, tf_keras.optimizers.legacy.Optimizer):
      yield from trackable.variables()  # the slots hang on the graph's edges only, so no walk over its nodes meets them
