"""Each wrapper around a scripted environment, against numbers worked by hand."""

import numpy as np
import pytest
from gymnasium import spaces

from mbrl_tf import errors, types
from mbrl_tf.environments import actions, wrappers
from tests.environments import user_environments


def checked(**kwargs):
  env = wrappers.RepeatActions(user_environments.Scripted(**kwargs), 1)
  return wrappers.CheckObservations(env, 'scripted')


def test_actions_are_scaled_to_the_bounds_of_the_simulator():
  env = actions.ConvertActions(user_environments.Scripted(), 'scripted')
  env.reset(seed=0)
  assert env.step(np.array([-1.0, -1.0]))[1] == pytest.approx(0.0 - 2.0)
  assert env.step(np.array([1.0, 1.0]))[1] == pytest.approx(10.0 + 2.0)
  assert env.step(np.array([0.0, 0.5]))[1] == pytest.approx(5.0 + 1.0)
  assert env.action_spec == types.ActionSpec(2)


def test_actions_without_bounds_are_refused():
  with pytest.raises(errors.UserError, match='finite bounds.*Received: action_space='):
    actions.ConvertActions(user_environments.Unbounded(), 'unbounded')


@pytest.mark.parametrize('dtype, low, high', [
    ('f2', -65504, 65504), ('f4', -np.inf, 1), ('f4', -np.finfo('f4').max, np.finfo('f4').max),
    ('f8', -1, np.finfo('f8').max), ('f8', -1, np.inf), ('f8', -1, 1e30), ('i4', -2**31, 2**31 - 1),
    ('i8', -np.inf, np.inf), ('i8', 0, 2**60), ('u4', 0, 2**32 - 1)])
def test_bounds_that_stand_for_none_are_refused(dtype, low, high):
  env = user_environments.Scripted()
  env.action_space = spaces.Box(low, high, [2], np.dtype(dtype))
  with pytest.raises(errors.UserError, match='finite bounds.*Received: action_space='):
    actions.ConvertActions(env, 'scripted')


@pytest.mark.parametrize('dtype, low, high', [
    ('u1', 0, 255), ('i1', -128, 127), ('i2', -2**15, 2**15 - 1), ('f2', -6e4, 6e4),
    ('f8', 0, 1e12)])
def test_large_bounds_that_somebody_means_are_kept_to(dtype, low, high):
  env = user_environments.Scripted()
  env.action_space, given = spaces.Box(low, high, [2], np.dtype(dtype)), []
  env.step = lambda action: given.append(action)
  for chosen in (-1.0, 1.0):
    actions.ConvertActions(env, 'scripted').step(np.full(2, chosen, np.float32))
  np.testing.assert_array_equal(given, [env.action_space.low, env.action_space.high])
  assert given[0].dtype == env.action_space.dtype


def test_discrete_actions_begin_at_the_first_choice():
  env = actions.ConvertActions(user_environments.Scripted(discrete_start=4), 'toy')
  env.reset(seed=0)
  assert env.step(np.int64(0))[1] == 4
  assert env.step(np.int64(2))[1] == 6
  assert env.action_spec == types.ActionSpec(choices=(3,))


def test_time_limit_truncates_and_begins_anew_with_each_episode():
  env = wrappers.LimitTime(user_environments.Scripted(), 3)
  for _ in range(2):
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_an_episode_without_a_known_limit_is_truncated_when_it_does_not_end(monkeypatch):
  monkeypatch.setattr(wrappers.LimitTime, 'LONGEST', 3)
  env = wrappers.LimitTime(user_environments.Scripted(), 0)
  env.reset(seed=0)
  assert [env.step(np.zeros(2))[3] for _ in range(3)] == [False, False, True]
  assert env.time_limit == 0


def test_action_repeat_sums_rewards_and_stops_at_the_end():
  env = wrappers.RepeatActions(wrappers.LimitTime(user_environments.Scripted(), 5), 3)
  env.reset(seed=0)
  observation, reward, _, truncated, info = env.step(np.array([1.0, 0.5]))
  assert (observation[0], reward, truncated, info) == (3, 4.5, False, {'env_steps': 3})
  observation, reward, _, truncated, info = env.step(np.array([1.0, 0.5]))
  assert (observation[0], reward, truncated, info) == (5, 3.0, True, {'env_steps': 2})


@pytest.mark.parametrize('declared, handed_over', [
    ('float16', 'float32'), ('float32', 'float32'), ('float64', 'float64'),
    ('longdouble', 'float64'), ('int8', 'float32'), ('int16', 'float32'), ('int32', 'float64'),
    ('int64', 'float64')])
def test_vectors_are_handed_over_in_a_float_that_holds_them_and_images_as_bytes(
    declared, handed_over):
  env = user_environments.Scripted(dict_observation=True)
  env.observation_space['vector'] = spaces.Box(0, 100, (2,), np.dtype(declared).type)
  shown = {'vector': np.array([1, 100], declared), 'image': np.zeros((4, 4, 3), np.uint8)}
  env.reset = lambda seed, options: (shown, {})
  env = wrappers.CheckObservations(wrappers.RepeatActions(env, 1), 'scripted')
  observation, _ = env.reset(seed=0)
  assert observation['vector'].dtype == env.observation_space['vector'].dtype == handed_over
  assert observation['image'].dtype == env.observation_space['image'].dtype == np.uint8
  assert observation['vector'].tolist() == [1, 100]


@pytest.mark.parametrize('failure, key', [
    ('nan_reward', 'reward'), ('nan_observation', 'observation'), ('shape', 'observation')])
def test_what_does_not_fit_the_spec_names_environment_step_and_key(failure, key):
  env = checked(fail_at=2, failure=failure)
  env.reset(seed=0)
  env.step(np.zeros(2))
  with pytest.raises(errors.SimulatorError, match=rf'scripted .*env step 2 .*{key}.*Received: {key}='):
    env.step(np.zeros(2))


def test_a_missing_key_is_named():
  env = checked(dict_observation=True, fail_at=1, failure='shape')
  env.reset(seed=0)
  with pytest.raises(errors.SimulatorError, match=r"a dict with the keys \['image', 'vector'\]"):
    env.step(np.zeros(2))


def test_very_large_but_finite_observations_pass():
  env = checked()
  env.env.env._draw = 1e30
  env.env.env.reset = lambda seed, options: (np.array([1e30, -1e30]), {})
  assert env.reset()[0].tolist() == pytest.approx([1e30, -1e30])


def test_observations_that_no_model_reads_are_refused():
  with pytest.raises(errors.UserError, match='texts are left out.*Received: observation_space='):
    wrappers.CheckObservations(user_environments.PlainText(), 'text')
  for key, shape, told in (('front camera', (2,), "of letters.*Received: key='front camera'"), ('', (2,), "Received: key=''"), (3, (2,), 'Received: key=3'),
                           ('empty', (0,), r"nothing to observe.*key='empty', shape=\(0,\)")):
    env = user_environments.Scripted()
    env.observation_space = spaces.Dict({key: spaces.Box(-1, 1, shape), 'image': spaces.Box(0, 255, (8, 8, 3), np.uint8)})
    with pytest.raises(errors.UserError, match=told):
      wrappers.CheckObservations(env, 'odd')


def test_episodes_depend_on_seed_simulator_and_number_alone():
  def first_draws(seed, index, counter, episodes):
    env = wrappers.SeedEpisodes(user_environments.Scripted(), 'scripted', seed, index)
    env.episode_counter = counter
    return [env.reset()[0][1] for _ in range(episodes)]

  draws = first_draws(7, 0, 0, 4)
  assert len(set(draws)) == 4
  assert draws == first_draws(7, 0, 0, 4)
  assert draws[2:] == first_draws(7, 0, 2, 2)
  assert not set(draws) & set(first_draws(7, 1, 0, 4)) and not set(draws) & set(first_draws(8, 0, 0, 4))


def test_an_exception_is_told_with_its_traceback():
  env = wrappers.SeedEpisodes(user_environments.Scripted(fail_at=1, failure='raise'), 'scripted', 0, 3)
  env.reset()
  with pytest.raises(errors.SimulatorError, match='(?s)Simulator 3 of scripted raised in step.*gearbox.*Received: RuntimeError='):
    env.step(np.zeros(2))
