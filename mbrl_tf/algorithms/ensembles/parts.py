"""Makes the parts that algorithms with an ensemble have in common, and refuses tasks that it cannot
learn."""

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.data import transitions as transitions_lib
from mbrl_tf.models import dynamics_ensemble, outcome_heads
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import seeds


def _require_vectors(spec, algorithm):
  """Raises `UserError`, in the name of an algorithm, where a task observes images."""
  observations = observations_lib.Observations(spec.observation)
  if observations.images:
    shapes = {key: observations.specs[key].shape for key in observations.images}
    raise errors.UserError(
        f'{algorithm} learns from vectors, which it makes of numbers and choices of any shape, but '
        'not of images: take Dreamer or TD-MPC2 for these, leave them out by '
        'gymnasium.wrappers.FilterObservation, or call small ones numbers by '
        f"environment.images='{observations.images[0]}=numbers'. "
        f'Received: {spec.name} with images={shapes!r}')


def transition_view(spec, store, capacity, algorithm):
  """The newest transitions of a store, with observations joined to vectors.

  Raises:
    UserError: in the name of an algorithm, where the task has a function that cannot be imagined
      with, or observes images.
  """
  _require_vectors(spec, algorithm)
  require_batched(spec)
  joined = observations_lib.Observations(spec.observation).joined
  return transitions_lib.TransitionView(
      store, capacity, lambda observation: joined(observation).numpy())


def require_batched(spec):
  """Raises `UserError` unless the task's functions compile on a batch `[2, 3, ...]`, and return a
  number or a truth for each row."""
  observations = observations_lib.Observations(spec.observation)
  observation = tf.nest.map_structure(
      lambda part: tf.TensorSpec(part.shape, part.dtype),
      observations.shown(tf.zeros([2, 3, observations.vector_size], observations.dtype)))
  action = tf.TensorSpec(
      [2, 3, *spec.action.shape], tf.float32 if spec.action.numbers else tf.int32)
  for name, function, arguments, dtype in (
      ('reward_function', spec.reward, (observation, action, observation), tf.float32),
      ('terminated_function', spec.terminated, (observation,), tf.bool)):
    if function is None:
      continue
    wanted = (f'The {name} of this task must take batches of TensorFlow tensors, here of shape '
              f'{", ".join(map(_shape_of, arguments))}, '
              f'and return {dtype.name} of shape (2, 3) or ().')
    try:
      result = tf.function(function, autograph=False).get_concrete_function(*arguments).structured_outputs
    except Exception as error:  # whatever a user's function raises
      reason = next(iter(str(error).strip().splitlines()), '')
      raise errors.UserError(
          f'{wanted} It raised {type(error).__name__}: {reason} Received: environment={spec.name!r}') from error
    if not isinstance(result, tf.Tensor) or result.dtype != dtype or tuple(result.shape) not in ((2, 3), ()):
      got = f'{result.dtype.name} of shape {tuple(result.shape)}' if isinstance(result, tf.Tensor) else repr(result)
      raise errors.UserError(f'{wanted} It returned {got}. Received: environment={spec.name!r}')


def _shape_of(argument):
  """The shape of a tensor's spec, or of each in a dict, in words."""
  if isinstance(argument, dict):
    return str({key: tuple(part.shape) for key, part in argument.items()})
  return str(tuple(argument.shape))


def make_ensemble(config, spec, seed):
  """`DynamicsEnsemble` of a task, as `config.ensemble` says; `seed` is int32 `[2]`.

  Raises:
    UserError: where it names angles that the observation has not.
  """
  observations = observations_lib.Observations(spec.observation)
  settings, size = config.ensemble, observations.vector_size
  if any(angle >= size for angle in settings.angles):
    raise errors.UserError(f'config.ensemble.angles must name entries of the observation, which has {size}. '
                           f'Received: ensemble.angles={settings.angles!r}')
  angles = sorted({*settings.angles, *(spec.angles if settings.find_angles else ())})
  return dynamics_ensemble.DynamicsEnsemble(
      size, spec.action.features_size, settings.members, settings.hidden_sizes, seed,
      settings.activation, settings.probabilistic, settings.weight_normalization, settings.observation_margin,
      angles, observations.rounding, observations.least_std)


def make_heads(config, spec, ensemble, generator):
  """`RewardHeads` and `TerminationHeads`, None where the task's function is used; what is not made
  draws no seed of the `tf.random.Generator`."""
  settings, activation, learned = config.outcomes, config.ensemble.activation, config.outcomes.learned
  reward = termination = None
  if learned or spec.reward is None:
    reward = outcome_heads.RewardHeads(
        ensemble, settings.hidden_sizes, seeds.next_seed(generator), activation, config.ensemble.observation_margin)
  if learned or spec.terminated is None:
    termination = outcome_heads.TerminationHeads(
        ensemble, settings.hidden_sizes, seeds.next_seed(generator), activation)
  return reward, termination
