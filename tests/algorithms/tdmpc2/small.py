"""A small TD-MPC2 and data for it, for the tests beside this file."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.tdmpc2 import build, learner, world_model
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2_config

B, H, A = 4, 3, 2
IMAGE, VECTOR = types.ArraySpec((39, 39, 3), 'uint8'), types.ArraySpec((4,), 'float32')
OBSERVATIONS = {
    'vector': VECTOR, 'image': IMAGE,
    'both': {'image': IMAGE, 'position': VECTOR, 'speed': types.ArraySpec((), 'float32')}
}
MIXED = types.ActionSpec(2, (3, 2, 2))
DISCOUNT = 0.9


def spec(observation='vector', choices=None):
  """A task with two numbers as its action, or one of some choices; or any `types.ActionSpec`."""
  if not isinstance(choices, types.ActionSpec):
    choices = types.ActionSpec(A) if choices is None else types.ActionSpec(choices=(choices,))
  return types.EnvironmentSpec('test', OBSERVATIONS[observation], choices, time_limit=50)


def config(**changes):
  """A config with small nets; `changes` such as `model__rho=0.1`."""
  values = {
      'model__latent': 16, 'model__units': 8, 'model__layers': 1, 'model__image_channels': 2,
      'model__frame_stack': 2, 'model__image_shift': 1, 'model__bins': 11, 'model__bin_limit': 3.0,
      'policy__imagined_steps': 0, 'policy__sequence_stride': 1,
      'policy__entropy_scale': 0.01, 'policy__log_std_min': -10.0,
      'policy__log_std_max': 2.0,
      'policy__target_entropy': -0.5, 'policy__last_target_entropy': -0.5,
      'policy__target_entropy_share': 0.1, 'policy__last_target_entropy_share': 0.1,
      'replay__batch_size': B, 'replay__horizon': H, **changes
  }
  result = tdmpc2_config.TDMPC2Config()
  result.environment.name, result.environment.action_repeat = 'toy:point_mass', 1
  for path, value in values.items():
    part, name = path.split('__')
    assert hasattr(getattr(result, part), name)
    setattr(getattr(result, part), name, value)
  result.validate()
  return result


def moved(module, seed=0, size=0.3):
  """Moves all variables of a module away from where they begin, where most outputs are 0."""
  for index, variable in enumerate(module.trainable_variables):
    variable.assign_add(size * tf.random.stateless_normal(variable.shape, [index, seed]))
  return module


def models(spec, config):
  """World model and policy prior, as if they had learned something, with units of the data."""
  tf.keras.utils.set_random_seed(0)
  world = moved(world_model.WorldModel(spec, config, tf.random.Generator.from_seed(1)))
  prior = moved(build._make_prior(config, spec, tf.constant([3, 4])), 1)
  world.survey(episode(spec, 40, seed=5))
  world.reward_unit.value.assign(10.0)
  return world, prior


def make_learner(spec, config):
  """A learner, its world model and its policy."""
  world, prior = models(spec, config)
  return learner.Learner(world, prior, tf.Variable(True), DISCOUNT, config), world, prior


def draw(array, lead, generator):
  if array.dtype == 'uint8':
    return generator.integers(0, 256, (*lead, *array.shape)).astype(np.uint8)
  return (2 * generator.normal(size=(*lead, *array.shape)) + 1).astype('f')


def draw_all(spec, lead, generator):
  """An observation of random numbers."""
  if isinstance(spec.observation, dict):
    return {key: draw(array, lead, generator) for key, array in spec.observation.items()}
  return draw(spec.observation, lead, generator)


def draw_actions(spec, lead, generator):
  return spec.action.sample(generator, lead)


def batch(spec, seed=0, length=H + 1, rows=B):
  """Random sequences, of which the first is whole.

  In the second an episode terminates with the step before the last, in the third one is truncated
  after the first row, and the fourth begins where an episode has terminated. More are whole.
  """
  generator = np.random.default_rng(seed)
  terminated, is_first = np.zeros((rows, length), bool), np.zeros((rows, length), bool)
  begin = length - H - 1
  if rows >= 4:
    terminated[1, begin + 2] = is_first[1, begin + 3] = is_first[2, begin + 1] = True
    terminated[3, begin] = is_first[3, begin + 1] = True
  return tf.nest.map_structure(tf.constant, types.Sequences(
      draw_all(spec, (rows, length), generator), draw_actions(spec, (rows, length), generator),
      (10 * generator.normal(size=(rows, length))).astype('f'), terminated, is_first))


def episode(spec, length, seed=0):
  generator = np.random.default_rng(seed)
  return types.Episode(
      draw_all(spec, (length + 1,), generator), draw_actions(spec, (length,), generator),
      generator.normal(size=length).astype('f'), np.zeros(length, bool))


# What the paper learns at: all steps of the unroll, one reward in a target.
PUBLISHED = {'value__steps': H, 'value__policy_steps': H + 1, 'value__returns': 1}
