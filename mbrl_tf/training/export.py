"""A trained policy and its model as SavedModels that plain TensorFlow loads."""

import contextlib
import os
import pathlib
import shutil

import tensorflow as tf
from absl import logging
from tf_agents.policies import policy_saver
from tf_agents.policies import tf_policy

from mbrl_tf import types
from mbrl_tf.data import files
from mbrl_tf.training import destinations
from mbrl_tf.training import lite as lite_runtime
from mbrl_tf.training import run_directory, serving



def export(algorithm, spec: types.EnvironmentSpec, config, destination, lite=False) -> pathlib.Path:
  """Writes `policy/`, `model/`, `serving/` and `export.json`; all of them appear at once.

  Neither this package nor TensorFlow Probability nor tf-agents is needed to load them.

  `policy/` is what tf-agents' `PolicySaver` gives: signatures `action`, `get_initial_state`, `get_train_step` (the env
  steps of training) and `get_metadata`. `serving/<env steps>/` is the same policy as TensorFlow Serving calls it, see
  `serving.ServedPolicy`. `model/` is the algorithm's `model_module`, each of whose functions is also
  a signature of the same name.

  Args:
    algorithm: an `algorithms.base.Algorithm`.
    spec: of the environment.
    config: the dataclass tree.
    destination: a folder that does not exist, or holds an earlier export, which is replaced.
    lite: also write `lite/policy.tflite`, the served policy for LiteRT, in float32.

  Returns:
    The destination.

  Raises:
    UserError: where the destination holds something else, or no folder can be made there, or LiteRT
      cannot compute the policy.
    StorageError: where it cannot be written; an earlier export stays as it is.
  """
  # Without `..`, for a folder of this name has no siblings.
  destination = pathlib.Path(os.path.abspath(files.local_path(destination, 'export_dir')))
  files.require_loadable(destination, 'export_dir')
  with files.writing(destination, tf.errors.OpError):
    destinations.require_replaceable(destination)
    # a sibling, because renaming is atomic only within one file system
    temporary, _ = destinations.beside(destination)
    try:
      shutil.rmtree(temporary, ignore_errors=True)
      temporary.mkdir(parents=True)
      served = _write(algorithm, spec, temporary)
      metadata = {**_metadata(algorithm, spec, config),
                  'serving': {'inputs': served.inputs, 'outputs': served.outputs}}
      if lite:
        metadata['lite'] = _write_lite(served, temporary / 'lite')
      (temporary / destinations.METADATA).write_text(run_directory.to_json(metadata))
      _replace(temporary, destination)
    except BaseException:
      shutil.rmtree(temporary, ignore_errors=True)  # half an export only takes room
      raise
  return destination


def _write(algorithm, spec, folder):
  """Writes the three SavedModels; returns the `ServedPolicy`."""
  with _quiet():
    policy = algorithm.evaluation_policy()
    train_step = tf.Variable(algorithm.env_steps, dtype=tf.int64)
    policy_saver.PolicySaver(_ActionPolicy(policy), train_step=train_step).save(
        str(folder / 'policy'))
    model = algorithm.model_module()  # kept by name here, for its functions refer to it weakly
    functions = _functions(model)
    tf.saved_model.save(functions, str(folder / 'model'), signatures=functions.by_name)
    served = serving.ServedPolicy(policy, spec, _state(policy))
    version = max(algorithm.env_steps, 1)  # servers know versions from 1 on
    tf.saved_model.save(served.module, str(folder / 'serving' / str(version)),
                        signatures={'serving_default': served.function})
    return served


def _write_lite(served, folder):
  """Writes the served policy for LiteRT; returns what it takes and gives."""
  with _quiet():
    content = lite_runtime.convert(served.function)
  folder.mkdir()
  (folder / 'policy.tflite').write_bytes(content)
  narrow = lambda arrays: {
      name: {**array, 'dtype': array['dtype'].replace('float64', 'float32')}
      for name, array in arrays.items()}
  return {'inputs': narrow(served.inputs), 'outputs': narrow(served.outputs)}


def _replace(temporary, destination):
  """Puts a folder in the place of another, which comes back where that fails. Killed between, it is left as `.NAME.old`."""
  _, old = destinations.beside(destination)
  if destination.exists():
    shutil.rmtree(old, ignore_errors=True)  # not where that one is all that a killed export has left
    os.replace(destination, old)
  try:
    os.replace(temporary, destination)
  except BaseException:
    if old.exists():
      os.replace(old, destination)
    raise
  shutil.rmtree(old, ignore_errors=True)


def _metadata(algorithm, spec, config):
  """Returns what a user of the export must know."""
  return {
      'algorithm': config.algorithm,
      'env_steps': int(algorithm.env_steps),
      'environment': {
          'name': spec.name,
          'observation': _describe(spec.observation),
          'action': _describe_action(spec.action, spec.action_parts),
          'time_limit': spec.time_limit,
          'action_repeat': spec.action_repeat,
      },
      'config': run_directory.config_to_dict(config),
      'versions': run_directory.versions(),
  }


def _describe(array):
  """Returns an `ArraySpec`, or a mapping of them, as JSON holds it; bounds are told of choices
  alone.
  """
  if not isinstance(array, types.ArraySpec):
    return {key: _describe(value) for key, value in array.items()}
  described = {'shape': list(array.shape), 'dtype': array.dtype}
  if array.choices:
    described['first_choice'] = array.minimum.tolist()
    described['last_choice'] = array.maximum.tolist()
  if array.taken_from:
    described['taken_from'] = array.taken_from
  return described


def _describe_action(action, parts):
  """Returns an `ActionSpec` as JSON holds it, and of what the simulator's own action consists."""
  described = {'shape': list(action.shape), 'dtype': action.dtype, 'parts': {
      path: {'entries': list(part.entries), 'shape': list(part.shape), 'dtype': part.dtype,
             'minimum': part.minimum.tolist(), 'maximum': part.maximum.tolist()}
      for path, part in parts.items()}}
  if not action.choices:
    return described
  if not action.shape:
    return {**described, 'num_values': action.choices[0]}
  return {**described, 'numbers': action.numbers, 'choices': list(action.choices)}


class _ActionPolicy(tf_policy.TFPolicy):
  """Another policy without its `distribution` and its Keras models, whose types plain TensorFlow could not load again.

  Keeps methods and variables of the policy, not the policy: `PolicySaver` saves all that is reached through attributes.
  """

  def __init__(self, policy):
    super().__init__(
        policy.time_step_spec, policy.action_spec, policy.policy_state_spec, policy.info_spec, clip=False,
        automatic_state_reset=False, name='action_policy')
    self._initial_state_function, self._action_function = policy.get_initial_state, policy.action
    self._kept = _state(policy)

  def _get_initial_state(self, batch_size):
    return self._initial_state_function(batch_size)

  def _action(self, time_step, policy_state, seed):
    return self._action_function(time_step, policy_state, seed)

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('An exported policy has actions only.')


class _Functions(tf.Module):
  """Functions and the variables that they read, and no Keras model: its own traces could not be loaded without TFP.

  Attributes:
    by_name: name to `tf.function`.
  """

  def __init__(self, functions, state):
    super().__init__()
    self.by_name = functions
    self.model_state = state
    for name, function in functions.items():
      setattr(self, name, function)


def _functions(module):
  """Returns the public `tf.function`s of a module that have an input signature."""
  names = sorted(name for name in {*vars(module), *vars(type(module))} if not name.startswith('_'))
  functions = {name: getattr(module, name) for name in names}
  functions = {name: function for name, function in functions.items()
               if isinstance(function, tf.types.experimental.PolymorphicFunction) and function.input_signature is not None}
  return _Functions(functions, _state(module))


def _state(module):
  """Returns the variables of a `tf.Module` and its random generators, which `variables` leaves out."""
  return list(module._flatten(predicate=lambda value: isinstance(value, (tf.Variable, tf.random.Generator))))


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
