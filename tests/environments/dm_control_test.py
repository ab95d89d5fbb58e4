"""Tasks of the DM Control suite as Gymnasium environments, against the suite itself."""

import os
import subprocess
import sys

from gymnasium.utils import env_checker
import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.environments import catalog, dm_control, mujoco_setup, simulators


def test_the_vector_is_what_the_suite_observes_in_its_own_order():
  env = dm_control.SuiteTask('manipulator_bring_ball')
  vector, _ = env.reset(seed=3)
  suite = mujoco_setup.load('dm_control.suite', renders=False)
  reference = suite.load('manipulator', 'bring_ball', task_kwargs={'random': 3})
  parts = reference.reset().observation
  np.testing.assert_allclose(vector, np.concatenate([np.ravel(part) for part in parts.values()]), rtol=1e-6, atol=1e-7)
  assert vector.shape == env.observation_space.shape == (44,) and vector.dtype == np.float32
  action = np.full(5, 0.3)
  observation, reward, terminated, truncated, _ = env.step(action)
  expected = reference.step(action)
  assert reward == pytest.approx(expected.reward) and not terminated and not truncated
  np.testing.assert_allclose(observation[:16], expected.observation['arm_pos'].ravel(), rtol=1e-5)


def test_a_seed_decides_the_episode_and_none_goes_on_at_random():
  env = dm_control.SuiteTask('reacher_easy')
  first = env.reset(seed=1)[0]
  assert (env.reset()[0] != first).any()
  np.testing.assert_array_equal(env.reset(seed=1)[0], first)


def test_gymnasiums_own_check_finds_nothing_wrong():
  env_checker.check_env(dm_control.SuiteTask('cartpole_balance'), skip_render_check=True)


def test_a_shorter_name_is_known():
  assert catalog.make('dmc:cup_catch').spec.observation.shape == catalog.make('dmc:ball_in_cup_catch').spec.observation.shape


def test_actions_are_scaled_to_the_actuators():
  env = simulators.Recipe('dmc:quadruped_walk', {})()
  own = env.unwrapped.action_space
  assert own.high.max() == pytest.approx(1.1)
  env.reset()
  for action, bound in ((1.0, own.high), (-1.0, own.low)):
    env.step(np.full(own.shape, action, np.float32))
    np.testing.assert_allclose(env.unwrapped._physics.control(), bound, rtol=1e-6)


def test_actuators_without_bounds_take_actions_between_minus_one_and_one():
  env = dm_control.SuiteTask('lqr_lqr_6_2')
  assert env.action_space.low.tolist() == [-1, -1] and env.action_space.high.tolist() == [1, 1]


def test_each_simulator_of_a_random_model_has_the_same_one():
  damping = [dm_control.SuiteTask('lqr_lqr_6_2')._physics.model.dof_damping for _ in range(2)]
  np.testing.assert_array_equal(*damping)


def test_a_discount_of_zero_terminates():
  env = dm_control.SuiteTask('lqr_lqr_2_1')
  env.reset(seed=0)
  assert env.step(np.zeros(1))[2:4] == (False, False)
  env._physics.data.qpos[:] = env._physics.data.qvel[:] = 0
  env._physics.forward()
  assert env.step(np.zeros(1))[2:4] == (True, False)


def test_a_simulation_that_diverges_ends_its_episode_and_the_next_begins(caplog):
  env = dm_control.SuiteTask('cartpole_balance')
  before, _ = env.reset(seed=0)
  env._physics.data.qvel[:] = np.nan
  observation, reward, terminated, truncated, _ = env.step(np.zeros(1))
  np.testing.assert_array_equal(observation, before)
  assert (reward, terminated, truncated) == (0.0, False, True) and 'diverged' in caplog.text
  np.testing.assert_array_equal(env.reset(seed=0)[0], before)
  assert not env.step(np.zeros(1))[3]


@pytest.mark.parametrize('name, repeat, rate', [('dmc:dog_walk', 1, 1 / 0.015), ('dmc:walker_walk', 2, 20)])
def test_frames_play_at_the_rate_of_control(name, repeat, rate):
  assert catalog.make(name, action_repeat=repeat).frames_per_second == pytest.approx(rate)


@pytest.mark.parametrize('name, kwargs, said', [
    ('dmc:walker_wlak', {}, 'Nearest: dmc:walker_walk'), ('walker_walk', {}, 'Nearest: .*dmc:walker_walk'),
    ('dmc:walker_walk', {'kwargs': {'speed': 1}}, 'keyword arguments'),
    ('dmc:walker_walk', {'kwargs': {'width': 0}}, 'positive number of pixels'),
    ('dmc:walker_walk', {'camera': 2}, 'numbered from 0 to 1. Received: camera=2'),
    ('dmc:walker_walk', {'kwargs': {'camera_id': 'side'}}, 'numbered from 0 to 1'),
    ('dmc:walker_walk', {'observation': 'pixels', 'parallel': 'in_process'}, 'crash')])
def test_bad_input_is_told_with_what_was_received(name, kwargs, said):
  with pytest.raises(errors.UserError, match=f'(?s){said}.*') as caught:
    catalog.make(name, **kwargs)
  assert 'Received: ' in str(caught.value)


SCRIPT = '''
import os, sys
from mbrl_tf.environments import simulators
for name in ('tests.environments.user_mujoco:Slider', 'dmc:quadruped_escape', 'gym:Hopper-v5'):
  simulators.Recipe(name, {}, observation='pixels')()
  env = simulators.Recipe(name, {})()
  env.reset()
  env.step(env.action_space.high)
print(os.environ['MUJOCO_GL'], 'OpenGL' in sys.modules, 'tensorflow' in sys.modules)
'''


def test_a_process_that_does_not_draw_loads_no_opengl_whatever_the_user_set():
  environment = {**os.environ, 'MUJOCO_GL': 'egl'}
  done = subprocess.run([sys.executable, '-c', SCRIPT], env=environment, capture_output=True, text=True)
  assert done.stdout.split() == ['egl', 'False', 'False'], done.stderr
