"""Puts the parts of MB-MPO together."""

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.algorithms.mbmpo import (
    ensemble_fit, exported_model, imagination, iteration, meta_learner, open_loop, outcome_fit,
    outcomes, policy as policy_lib, predictor)
from mbrl_tf.data import transitions as transitions_lib
from mbrl_tf.drivers import policies as driver_policies
from mbrl_tf.models import dynamics_ensemble, observations as observations_lib, outcome_heads, policies
from mbrl_tf.ops import seeds

class Parts(tf.Module):
  """Everything that a checkpoint holds: models, optimizers, random generators, counters."""

  def __init__(self, config, spec, seed, strategy=None):
    """Makes all variables.

    Args:
      config: `MBMPOConfig`.
      spec: `types.EnvironmentSpec`.
      seed: an integer.
      strategy: the `tf.distribute.Strategy` that learns; None for one device. What is drawn or counted is not shared by it.
    """
    super().__init__(name='mbmpo')
    members, observations = config.ensemble.members, observations_lib.Observations(spec.observation)
    self.env_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name='env_steps')
    self.iteration = tf.Variable(0, trainable=False, dtype=tf.int64, name='iteration')
    self.generator = tf.random.Generator.from_seed(seed)
    first_seeds = [seeds.next_seed(self.generator) for _ in range(2)]
    with (strategy or tf.distribute.get_strategy()).scope():
      self.ensemble = _make_ensemble(config, spec, observations, first_seeds[0])
      self.policy = _make_policy(
          config.policy, spec, first_seeds[1], self.ensemble.observation_normalizer)
      self.reward_heads, self.termination_heads = _make_heads(config, spec, self.ensemble, self.generator)
      self.outcomes = outcomes.Outcomes(spec, self.ensemble, self.reward_heads, self.termination_heads)
      self.imagination = imagination.Imagination(self.ensemble, self.policy, spec, config.imagination, self.outcomes)
      self.fit = ensemble_fit.EnsembleFit(self.ensemble, config.ensemble, config.collect.capacity)
      self.outcome_fit = outcome_fit.OutcomeFit(
          self.reward_heads, self.termination_heads, config.ensemble, config.collect.capacity)
      self.meta_learner = meta_learner.MetaLearner(self.policy, self.imagination, members, config.meta)
    self.random_policy = driver_policies.UniformRandomPolicy(
        spec, seeds.next_integer(self.generator),
        config.collect.random_action_holds or (config.collect.random_action_hold,))
    self.adapted = policy_lib.AdaptedPolicies(
        self.policy, spec, members, seeds.next_integer(self.generator))
    self.meta_policy = policy_lib.MetaPolicy(self.policy, spec)
    self.open_loop = open_loop.OpenLoop(
        self.ensemble, observations.joined, self.imagination.clipped, self.outcomes, members,
        config.imagination.horizon)
    self.predictor = predictor.Predictor(
        self.ensemble, observations, self.imagination, self.outcomes, self.adapted,
        config.imagination)
    self.exported_model = exported_model.ExportedModel(self.ensemble, self.imagination, self.outcomes, spec)


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm.

  Args:
    config: `MBMPOConfig`.
    spec: `types.EnvironmentSpec` of the task.
    driver: collects real episodes, and hands each to the store as it ends.
    store: where they are kept.
    seed: an integer.
    strategy: the `tf.distribute.Strategy` that learns; None for one device.

  Returns:
    An `algorithms.base.Algorithm`.

  Raises:
    UserError: where the task has a function that cannot be imagined with, or observes images.
  """
  observations = observations_lib.Observations(spec.observation)
  if observations.images:
    shapes = {key: observations.specs[key].shape for key in observations.images}
    raise errors.UserError(
        'MB-MPO learns from vectors, which it makes of numbers and choices of any shape, but not '
        'of images: take Dreamer or TD-MPC2 for these, leave them out by '
        'gymnasium.wrappers.FilterObservation, or call small ones numbers by '
        f"environment.images='{observations.images[0]}=numbers'. "
        f'Received: {spec.name} with images={shapes!r}')
  _require_batched(spec, observations)
  view = transitions_lib.TransitionView(
      store, config.collect.capacity, lambda observation: observations.joined(observation).numpy())
  return iteration.MBMPO(Parts(config, spec, seed, strategy), config, driver, store, view)


def _require_batched(spec, observations):
  """Raises `UserError` unless the task's functions compile on a batch `[2, 3, ...]`, and return a number or a truth for each row."""
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


def _make_ensemble(config, spec, observations, seed):
  settings, size = config.ensemble, observations.vector_size
  if any(angle >= size for angle in settings.angles):
    raise errors.UserError(f'config.ensemble.angles must name entries of the observation, which has {size}. '
                           f'Received: ensemble.angles={settings.angles!r}')
  angles = sorted({*settings.angles, *(spec.angles if settings.find_angles else ())})
  return dynamics_ensemble.DynamicsEnsemble(
      size, spec.action.features_size, settings.members, settings.hidden_sizes, seed,
      settings.activation, settings.probabilistic, settings.weight_normalization, settings.observation_margin,
      angles, observations.rounding, observations.least_std)


def _make_heads(config, spec, ensemble, generator):
  """`RewardHeads` and `TerminationHeads`, None where the task's function is used; what is not made draws no seed."""
  settings, activation, learned = config.outcomes, config.ensemble.activation, config.outcomes.learned
  reward = termination = None
  if learned or spec.reward is None:
    reward = outcome_heads.RewardHeads(
        ensemble, settings.hidden_sizes, seeds.next_seed(generator), activation, config.ensemble.observation_margin)
  if learned or spec.terminated is None:
    termination = outcome_heads.TerminationHeads(
        ensemble, settings.hidden_sizes, seeds.next_seed(generator), activation)
  return reward, termination


def _make_policy(config, spec, seed, normalizer):
  size = normalizer.size
  normalizer = normalizer if config.normalize_observations else None
  return policies.ParametricPolicy(
      size, spec.action, config.hidden_sizes, seed, config.initial_std, config.min_std, normalizer,
      config.output_scale)
