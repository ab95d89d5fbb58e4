"""A small Dreamer and data for it, for the tests beside this file."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import config as dreamer_config
from mbrl_tf.algorithms.dreamer import learner, networks, world_model

B, T, A = 3, 6, 2
IMAGE, VECTOR = types.ArraySpec((16, 16, 3), 'uint8'), types.ArraySpec((4,), 'float32')
OBSERVATIONS = {'vector': VECTOR, 'image': IMAGE, 'pixels': {'image': types.ArraySpec((64, 64, 3), 'uint8')},
                'both': {'image': IMAGE, 'position': VECTOR, 'speed': types.ArraySpec((), 'float32')},
                'bytes': {'board': types.ArraySpec((2, 3), 'uint8', as_numbers=True), 'place': VECTOR}}


def spec(observation='vector', choices=None):
  """A task with two numbers as its action, or one of some choices; or any `types.ActionSpec`."""
  if not isinstance(choices, types.ActionSpec):
    choices = types.ActionSpec(A) if choices is None else types.ActionSpec(choices=(choices,))
  return types.EnvironmentSpec('test', OBSERVATIONS[observation], choices, time_limit=50)


def config(**changes):
  """A config with small nets; `changes` such as `model__kl_scale=0.1`."""
  values = {'model__deterministic': 8, 'model__stochastic': 4, 'model__hidden': 8, 'model__image_depth': 2,
            'model__vector_layers': 1, 'model__vector_units': 8, 'model__units': 8, 'behavior__units': 8, 'behavior__horizon': 4,
            'model__reward_layers': 1, 'behavior__actor_layers': 1, 'behavior__value_layers': 1, 'model__free_nats': 0.0,
            'model__continuation': True, 'replay__batch_size': B, 'replay__batch_length': T, **changes}
  result = dreamer_config.DreamerConfig()
  for path, value in values.items():
    part, name = path.split('__')
    assert hasattr(getattr(result, part), name)
    setattr(getattr(result, part), name, value)
  return result


def recipe(**changes):
  """A config with the pieces of configs/dreamer/vectors.py, in little."""
  return config(**{
      'model__networks': 'normed', 'model__stochastic': 2, 'model__classes': 3,
      'model__uniform_share': 0.1, 'model__bins': 15, 'model__bin_limit': 4.0,
      'model__measured_units': True, 'model__continuation_layers': 1, 'model__free_nats': 0.1,
      'model__free_nats_each': True, 'model__kl_prior_weight': 10.0, 'model__kl_scale': 0.1,
      'behavior__gradient': 'auto', 'behavior__discount': 0.9, 'behavior__entropy_scale': 0.2,
      'behavior__normalize_returns': True, 'behavior__return_percentiles': True,
      'behavior__slow_value_rate': 0.25, 'behavior__slow_value_scale': 0.5,
      'behavior__replay_value_scale': 0.3, 'learner__adaptive_clip': 0.3, **changes})


def models(spec, config):
  """World model, actor and value model with fixed initial values."""
  tf.keras.utils.set_random_seed(0)
  world, make = world_model.WorldModel(spec, config), networks.of(config)
  return world, make.actor(world.features_size, spec.action), make.value(world.features_size)


def learned(spec, config):
  """World model, actor, value and slow value model as if they had learned something, and units of
  some data."""
  world, actor, value = models(spec, config)
  modules = world, actor, value, networks.of(config).value(world.features_size)
  for number, module in enumerate(modules):
    for index, variable in enumerate(module.trainable_variables):
      variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [index, number]))
  modules[0].units.survey(episode(spec), True)
  return modules


def episode(spec, length=40, seed=5):
  """A whole one, of random numbers."""
  generator = np.random.default_rng(seed)
  draw = lambda array: 2 * generator.normal(size=(length + 1, *array.shape)).astype('f') + 1
  by_key = spec.observation if isinstance(spec.observation, dict) else {'only': spec.observation}
  observation = {key: draw(array) for key, array in by_key.items()}
  observation = observation if isinstance(spec.observation, dict) else observation['only']
  return types.Episode(observation, spec.action.sample(generator, (length,)),
                       10 * generator.normal(size=length).astype('f'),
                       np.zeros(length, bool))


def make_learner(spec, config):
  return learner.Learner(*models(spec, config), config)


def batch(spec, seed=0, sequences=B):
  """Random sequences; an episode terminates in one, and another begins in the step after."""
  generator = np.random.default_rng(seed)

  def draw(array):
    shape = (sequences, T, *array.shape)
    return generator.integers(0, 256, shape).astype(np.uint8) if array.dtype == 'uint8' else generator.normal(size=shape).astype('f')

  observation = ({key: draw(array) for key, array in spec.observation.items()} if isinstance(spec.observation, dict)
                 else draw(spec.observation))
  action = spec.action.sample(generator, (sequences, T))
  terminated, is_first = np.zeros((sequences, T), bool), np.zeros((sequences, T), bool)
  is_first[0, 0] = terminated[1, 2] = is_first[1, 3] = True
  reward = generator.normal(size=(sequences, T)).astype(np.float32)
  return tf.nest.map_structure(tf.constant, types.Sequences(observation, action, reward, terminated, is_first))


def returns_by_hand(rewards, values, going, terminated, lambda_):
  """Lambda-returns of H imagined steps and what each counts, `[H, N]`, step by step.

  Args:
    rewards: `[H + 1, N]`, and values, of the same shape.
    values: see there.
    going: gamma times the probability that the episode goes on, as shaped.
    terminated: bool `[B, T]`, of the rows from which is imagined.
    lambda_: of the returns.
  """
  horizon, targets, last = len(rewards) - 1, [], values[-1]
  for t in reversed(range(horizon)):
    last = rewards[t] + going[t] * ((1 - lambda_) * values[t + 1] + lambda_ * last)
    targets.insert(0, last)
  weights = [1 - terminated.numpy().reshape(-1).astype(float)]
  for t in range(horizon - 1):
    weights.append(weights[-1] * going[t])
  return np.array(targets), np.array(weights)
