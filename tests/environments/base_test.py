"""From a Gymnasium environment to its spec: the functions of users, and the errors where they are missing."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.environments import catalog, mujoco_tasks

USER = 'tests.environments.user_environments:'


class OnTheClass(gymnasium.Env):
  """Brings its function on the class, as the README shows it."""

  observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
  action_space = gymnasium.spaces.Box(-4, 4, (1,), np.float32)
  time_limit = 3

  @staticmethod
  def reward_function(observation, action, next_observation):
    return tf.reduce_sum(next_observation - observation, -1) - action[..., 0]


def test_functions_of_a_factory_may_be_named_as_strings():
  spec = catalog.make(USER + 'scripted').spec
  observation = np.zeros((4, 2), np.float32)
  # Scaled [1, 0] is [10, 0] in the simulator's units.
  np.testing.assert_allclose(spec.reward(observation, np.tile([[1.0, 0.0]], (4, 1)).astype(np.float32), observation), [10] * 4)
  assert spec.terminated(np.array([[2.9, 0], [3.0, 0]], np.float32)).numpy().tolist() == [False, True]


def test_functions_of_a_class_take_native_actions_beyond_the_bounds_clipped():
  spec = catalog.make(__name__ + ':OnTheClass').spec
  zeros = np.zeros((3, 2), np.float32)
  rewards = spec.reward(zeros, np.array([[0.5], [1.0], [7.0]], np.float32), zeros + 1)
  np.testing.assert_allclose(rewards, [2 - 2, 2 - 4, 2 - 4])


class Precise(OnTheClass):
  """Observes in float64."""
  observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)

  @staticmethod
  def reward_function(observation, action, next_observation):
    return tf.reduce_sum(next_observation - observation, -1) - action[..., 0]

  @staticmethod
  def terminated_function(next_observation):
    return next_observation[..., 0] > 1e6


class TakesFloat32(Precise):
  """Has tensors of its own."""

  @staticmethod
  def reward_function(observation, action, next_observation):
    return tf.constant(2.0) * observation[..., 0] + action[..., 0]


def test_functions_compute_in_the_precision_that_is_observed():
  spec = catalog.make(__name__ + ':Precise').spec
  assert spec.observation.dtype == 'float64'
  before, after = np.full((3, 2), 1e6), np.full((3, 2), 1e6 + 1e-4)
  actions = np.array([[0.5], [0.0], [7.0]], np.float32)
  for compiled in (lambda function: function, tf.function):
    reward, terminated = compiled(spec.reward), compiled(spec.terminated)
    rewards = reward(tf.constant(before), actions, tf.constant(after))
    assert rewards.dtype == tf.float32
    np.testing.assert_allclose(rewards, [2e-4 - 2, 2e-4, 2e-4 - 4], rtol=1e-5)
    np.testing.assert_array_equal(terminated(tf.constant(after)), [True] * 3)
    np.testing.assert_array_equal(terminated(tf.constant(before)), [False] * 3)


def test_functions_that_take_float32_alone_get_it():
  spec = catalog.make(__name__ + ':TakesFloat32').spec
  observation, action = tf.constant(np.full((3, 2), 1.5)), np.zeros((3, 1), np.float32)
  for reward in (spec.reward, tf.function(spec.reward)):
    np.testing.assert_allclose(reward(observation, action, observation), [3, 3, 3])


class WholeNumbers(OnTheClass):
  """Two valves, one of 4 positions and one of 3."""
  action_space = gymnasium.spaces.Box(np.array([0, -1]), np.array([3, 1]), dtype=np.int64)

  @staticmethod
  def reward_function(observation, action, next_observation):
    return action[..., 0] + 100 * action[..., 1]


def test_functions_take_the_whole_numbers_that_the_simulator_gets():
  spec = catalog.make(__name__ + ':WholeNumbers').spec
  actions = np.array([[-1, -1], [-0.6, -0.3], [-0.4, 0.3], [0.1, 0.4], [1, 1]], np.float32)
  zeros = np.zeros((5, 2), np.float32)
  np.testing.assert_allclose(spec.reward(zeros, actions, zeros), [0 - 100, 0, 1, 2 + 100, 3 + 100])


def test_rewards_count_each_repeat_of_an_action():
  spec = catalog.make(__name__ + ':OnTheClass', action_repeat=2).spec
  zeros = np.zeros((1, 2), np.float32)
  np.testing.assert_allclose(spec.reward(zeros, np.array([[0.5]], np.float32), zeros), [2 * -2.0])


def test_discrete_actions_reach_the_function_in_native_numbers():
  spec = catalog.make(USER + 'scripted', kwargs={'discrete_start': 4}).spec
  assert spec.action == types.ActionSpec(choices=(3,))
  assert spec.action.shape == () and spec.action.dtype == 'int64'
  zeros = np.zeros((1, 2), np.float32)
  np.testing.assert_array_equal(spec.reward(zeros, np.array([[2]]), zeros), [6])


@pytest.mark.parametrize('kwargs', [{'render_mode': 'rgb_array'}, {'observation': 'pixels'}])
@pytest.mark.filterwarnings('ignore:.*ERROR')
def test_a_rendering_worker_refuses_a_simulator_that_imports_tensorflow(kwargs):
  with pytest.raises(errors.UserError, match="imported TensorFlow.*crash.*reward_function = 'my.functions:reward'"):
    catalog.make(__name__ + ':OnTheClass', **kwargs)


@pytest.mark.parametrize('observation', ['pixels', 'both'])
def test_functions_of_the_simulators_own_observation_do_not_serve_for_images(observation):
  spec = catalog.make('toy:point_mass', observation=observation).spec
  assert spec.reward is None and spec.terminated is None


def test_a_wrapped_task_does_not_take_the_functions_of_the_bare_one():
  bare = gymnasium.make('HalfCheetah-v5')
  assert mujoco_tasks.functions(bare).reward is not None
  scaled = gymnasium.wrappers.TransformReward(bare, lambda reward: 2 * reward)
  assert mujoco_tasks.functions(scaled) == mujoco_tasks.Functions(None, None)


def test_bounds_are_kept_and_infinite_ones_dropped():
  spec = catalog.make('gym:Pendulum-v1').spec.observation
  np.testing.assert_array_equal(spec.maximum, [1, 1, 8])
  assert catalog.make('toy:point_mass').spec.observation.maximum is None
  assert catalog.make('toy:point_mass', observation='pixels').spec.observation['image'].maximum is None
