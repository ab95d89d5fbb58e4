"""N simulators as one batched `PyEnvironment`, in process and in workers."""

import numpy as np
import pytest
from tf_agents.environments import py_environment, utils as environment_utils
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf.environments import catalog

NAME = 'tests.environments.user_environments:scripted'
KINDS = ['in_process', 'processes']


@pytest.fixture(params=KINDS)
def make(request):
  """Returns `catalog.make` for one kind of parallelism, and closes what it made."""
  made = []

  def build(name=NAME, **kwargs):
    made.append(catalog.make(name, parallel=request.param, **kwargs))
    return made[-1]

  yield build
  for environment in made:
    environment.close()


def zeros(environment):
  return np.zeros((environment.batch_size,) + environment.spec.action.shape, np.float32)


def test_a_simulator_begins_anew_in_the_step_after_its_last(make):
  environment = make(num_envs=2, time_limit=3)
  environment.reset()
  steps = [environment.step(zeros(environment)) for _ in range(5)]
  assert [step.step_type.tolist() for step in steps] == [
      [ts.StepType.MID] * 2, [ts.StepType.MID] * 2, [ts.StepType.LAST] * 2, [ts.StepType.FIRST] * 2, [ts.StepType.MID] * 2]
  assert [step.observation[0, 0] for step in steps] == [1, 2, 3, 0, 1]
  assert environment.episode_counters.tolist() == [2, 2]


def test_the_end_of_one_episode_does_not_touch_the_others(make):
  def second_pole(first_action):
    environment = make('gym:CartPole-v1', num_envs=2)
    environment.reset()
    steps = [environment.step(np.array([first_action(time), time % 2])) for time in range(14)]
    return environment, steps

  environment, steps = second_pole(lambda time: 1)  # Pushed to one side, the first pole falls within a dozen steps.
  _, undisturbed = second_pole(lambda time: time % 2)
  ended = [step.step_type[0] for step in steps].index(ts.StepType.LAST)
  assert steps[ended].discount.tolist() == [0.0, 1.0]
  assert steps[ended + 1].step_type.tolist() == [ts.StepType.FIRST, ts.StepType.MID]
  assert environment.env_steps.shape == (2,) and environment.episode_counters.tolist() == [2, 1]
  np.testing.assert_array_equal(
      [step.observation[1] for step in steps], [step.observation[1] for step in undisturbed])


def test_truncation_keeps_the_discount_and_termination_zeroes_it(make):
  truncated = make(time_limit=2)
  terminated = make(time_limit=4, kwargs={'terminate_at': 2})
  for environment, discount in ((truncated, 1.0), (terminated, 0.0)):
    assert environment.reset().discount.tolist() == [1.0]
    assert environment.step(zeros(environment)).discount.tolist() == [1.0]
    last = environment.step(zeros(environment))
    assert last.is_last().all() and last.discount.tolist() == [discount] and last.discount.dtype == np.float32
    first = environment.step(zeros(environment))
    assert first.is_first().all() and first.reward.tolist() == [0.0] and first.discount.tolist() == [1.0]


def test_termination_at_the_time_limit_is_termination(make):
  environment = make(time_limit=1, kwargs={'terminate_at': 1})
  environment.reset()
  assert environment.step(zeros(environment)).discount.tolist() == [0.0]


def test_actions_beyond_the_bounds_are_clipped(make):
  environment = make()
  environment.reset()
  assert environment.step(np.array([[3.0, -9.0]])).reward.tolist() == [10.0 - 2.0]


@pytest.mark.parametrize('action', [np.zeros(2), np.zeros((1, 3))])
def test_actions_that_do_not_fit_are_refused(action):
  environment = catalog.make(NAME)
  environment.reset()
  with pytest.raises(errors.UserError, match=r'have the shape \[1, 2\].*Received: action='):
    environment.step(action)


@pytest.mark.parametrize('number', [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_no_mistake_of_the_users(number):
  environment = catalog.make(NAME)
  environment.reset()
  with pytest.raises(FloatingPointError, match=r'not finite. Received: action='):
    environment.step(np.array([[number, 0.0]]))


@pytest.mark.parametrize('action', [np.array([3]), np.array([-1]), np.array([0.5])])
def test_discrete_actions_that_do_not_fit_are_refused(action):
  environment = catalog.make(NAME, kwargs={'discrete_start': 1})
  environment.reset()
  with pytest.raises(errors.UserError, match='integers from 0 to 2.*Received: action='):
    environment.step(action)


def test_env_steps_count_what_the_simulators_did(make):
  environment = make(time_limit=5, action_repeat=2)
  environment.reset()
  counts = []
  for _ in range(4):
    environment.step(zeros(environment))
    counts.append(environment.env_steps.tolist())
  assert counts == [[2], [2], [1], [0]]


def test_dict_observations_come_through(make):
  environment = make(num_envs=2, kwargs={'dict_observation': True})
  observation = environment.reset().observation
  assert observation['image'].shape == (2, 4, 4, 3) and observation['image'].dtype == np.uint8
  observation = environment.step(zeros(environment)).observation
  assert (observation['image'] == 1).all() and observation['vector'][:, 0].tolist() == [1, 1]
  assert environment.spec.observation['image'].dtype == 'uint8'


def test_earlier_observations_are_not_overwritten(make):
  environment = make()
  first = environment.reset()
  environment.step(zeros(environment))
  assert first.observation[0, 0] == 0


def test_both_kinds_give_the_same_numbers():
  draws = []
  for kind in KINDS:
    environment = catalog.make('gym:Hopper-v5', num_envs=2, seed=3, parallel=kind)
    generator = np.random.default_rng(0)
    steps = [environment.reset()] + [environment.step(generator.uniform(-1, 1, (2, 3))) for _ in range(60)]
    draws.append((np.stack([step.observation for step in steps]), np.stack([step.reward for step in steps])))
    environment.close()
  np.testing.assert_array_equal(draws[0][0], draws[1][0])
  np.testing.assert_array_equal(draws[0][1], draws[1][1])


def test_episode_counters_bring_back_the_same_episodes(make):
  environment = make(num_envs=2, time_limit=1)
  environment.reset()
  environment.step(zeros(environment))
  saved = environment.episode_counters
  expected = environment.step(zeros(environment)).observation
  environment.episode_counters = saved
  np.testing.assert_array_equal(environment.reset().observation, expected)
  assert environment.episode_counters.tolist() == [2, 2]


def test_episode_counters_that_do_not_fit_are_refused():
  with pytest.raises(errors.UserError, match='Received: episode_counters='):
    catalog.make(NAME, num_envs=2).episode_counters = [1]


def test_close_ends_workers_and_may_be_called_twice():
  environment = catalog.make(NAME, num_envs=2, parallel='processes')
  environment.reset()
  environment.close()
  environment.close()
  assert environment.simulators.exit_codes == [0, 0] and environment.simulators.processes == []
  with pytest.raises(errors.SimulatorError, match='closed'):
    environment.reset()


def test_a_worker_never_imports_tensorflow():
  kwargs = {'fail_at': 1, 'failure': 'raise_beside_tensorflow'}
  environment = catalog.make(NAME, parallel='processes', kwargs=kwargs)
  environment.reset()
  environment.step(zeros(environment))
  environment.close()
  beside = catalog.make(NAME, parallel='in_process', kwargs=kwargs)  # so that the above says something
  beside.reset()
  with pytest.warns(RuntimeWarning, match='TensorFlow is here'):
    beside.step(zeros(beside))


def test_frames_come_from_each_simulator(make):
  environment = make('toy:point_mass', num_envs=2, render_mode='rgb_array')
  environment.reset()
  frames = environment.render()
  assert len(frames) == 2 and frames[0].shape == (64, 64, 3) and frames[0].dtype == np.uint8
  assert (frames[0] != frames[1]).any()


def test_rendering_must_be_asked_for():
  environment = catalog.make('toy:point_mass')
  environment.reset()
  with pytest.raises(errors.UserError, match="render_mode='rgb_array'"):
    environment.render()


def test_it_is_a_tf_agents_environment():
  environment = catalog.make('toy:point_mass', num_envs=3)
  assert isinstance(environment, py_environment.PyEnvironment) and environment.batched and environment.batch_size == 3
  environment_utils.validate_py_environment(environment, episodes=2)
