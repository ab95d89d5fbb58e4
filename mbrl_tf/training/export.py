"""A trained policy and its model as SavedModels, usable where this package is not installed."""

import contextlib
import json
import os
import pathlib
import shutil

import tensorflow as tf
from absl import logging
from tf_agents.policies import policy_saver

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.training import run_directory

_METADATA = 'export.json'


def export(algorithm, spec: types.EnvironmentSpec, config, destination) -> pathlib.Path:
  """Writes `policy/`, `model/` and `export.json`; all of them appear at once.

  `policy/` is what tf-agents' `PolicySaver` gives: signatures `action`, `get_initial_state`, `get_train_step` (the env
  steps of training) and `get_metadata`. `model/` is the algorithm's `model_module` with its functions.

  Args:
    algorithm: an `algorithms.base.Algorithm`.
    spec: of the environment.
    config: the dataclass tree.
    destination: a folder that does not exist, or holds an earlier export, which is replaced.

  Returns:
    The destination.

  Raises:
    UserError: where the destination holds something else.
  """
  destination = pathlib.Path(destination)
  if destination.exists() and not (destination / _METADATA).exists() and (
      not destination.is_dir() or any(destination.iterdir())):
    raise errors.UserError(
        'The destination exists and is no earlier export, so it is not overwritten. '
        f'Received: export_dir={str(destination)!r}')
  # A sibling, because renaming is atomic only within one file system.
  temporary = destination.with_name(f'.{destination.name}.partial')
  shutil.rmtree(temporary, ignore_errors=True)
  temporary.mkdir(parents=True)
  with _quiet():
    train_step = tf.Variable(algorithm.env_steps, dtype=tf.int64)
    policy_saver.PolicySaver(algorithm.evaluation_policy(), train_step=train_step).save(str(temporary / 'policy'))
    tf.saved_model.save(algorithm.model_module(), str(temporary / 'model'))
  (temporary / _METADATA).write_text(json.dumps(_metadata(algorithm, spec, config), indent=2) + '\n')
  _replace(temporary, destination)
  return destination


def _replace(temporary, destination):
  """Puts a folder in the place of another."""
  old = destination.with_name(f'.{destination.name}.old')
  shutil.rmtree(old, ignore_errors=True)
  if destination.exists():
    os.replace(destination, old)
  os.replace(temporary, destination)
  shutil.rmtree(old, ignore_errors=True)


def _metadata(algorithm, spec, config):
  """Returns what a user of the export must know."""
  return {
      'algorithm': config.algorithm,
      'env_steps': int(algorithm.env_steps),
      'environment': {
          'name': spec.name,
          'observation': _describe(spec.observation),
          'action': _describe(spec.action),
          'time_limit': spec.time_limit,
          'action_repeat': spec.action_repeat,
      },
      'config': run_directory.config_to_dict(config),
      'versions': run_directory.versions(),
  }


def _describe(array):
  """Returns an `ArraySpec`, or a mapping of them, as JSON holds it; bounds are left out."""
  if not isinstance(array, types.ArraySpec):
    return {key: _describe(value) for key, value in array.items()}
  described = {'shape': list(array.shape), 'dtype': array.dtype}
  return described if array.num_values is None else {**described, 'num_values': int(array.num_values)}


@contextlib.contextmanager
def _quiet():
  """Hides what saving says about functions that nobody calls."""
  logger = tf.get_logger()
  levels = logger.level, logging.get_verbosity()
  logger.setLevel('ERROR')
  logging.set_verbosity(logging.ERROR)
  try:
    yield
  finally:
    logger.setLevel(levels[0])
    logging.set_verbosity(levels[1])
