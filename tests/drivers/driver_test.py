"""The driver returns whole episodes with every row where it belongs."""

import time

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.drivers import driver
from mbrl_tf.drivers import policies
from mbrl_tf.environments import catalog
from tests import fakes


class StatefulPolicy(tf_policy.TFPolicy):
  """Acts (steps since the episode began, row of the batch)."""

  def __init__(self, spec):
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec), tf.TensorSpec([], tf.float32), clip=False)
    self.traces = 0

  def member_of_env(self, size):
    return np.arange(size) % 2

  def _action(self, time_step, policy_state, seed):
    self.traces += 1
    row = tf.range(tf.shape(policy_state)[0], dtype=tf.float32)
    return policy_step.PolicyStep(tf.stack([policy_state, row], axis=1), policy_state + 1)

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError


def check_whole(episode):
  """Asserts that an episode of the counting environment is complete and unmixed."""
  decisions = len(episode.reward)
  assert len(set(map(tuple, episode.observation[:, :2]))) == 1  # one environment, one episode of it
  np.testing.assert_array_equal(episode.observation[:, 2], np.arange(decisions + 1))
  np.testing.assert_array_equal(episode.reward, np.arange(1, decisions + 1))
  np.testing.assert_array_equal(episode.terminated[:-1], np.zeros(decisions - 1, bool))


@pytest.mark.parametrize('env_steps', [20, 40])
def test_fixed_lengths_give_the_exact_number_of_steps(env_steps):
  environment = fakes.CountingEnvironment([[5]] * 4)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), env_steps)
  assert collected.env_steps == collected.decisions == env_steps
  assert [len(episode.reward) for episode in collected.episodes] == [5] * (env_steps // 5)
  for episode in collected.episodes:
    check_whole(episode)
    assert not episode.terminated.any()


def test_episodes_of_unequal_length_by_hand():
  # Environment 0 lasts 1, 3, 1, ... decisions, environment 1 lasts 5. After the vector steps 1, 2, 3, 4 there are
  # 2, 3, 5, 7 decisions (step 2 resets environment 0); with 6 wanted both running episodes are completed at step 5.
  environment = fakes.CountingEnvironment([[1, 3], [5]])
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 6)
  assert [(episode.observation[0, 0], len(episode.reward)) for episode in collected.episodes] == [(0, 1), (0, 3), (1, 5)]
  assert [bool(episode.terminated[-1]) for episode in collected.episodes] == [True, True, False]
  assert collected.decisions == 9
  for episode in collected.episodes:
    check_whole(episode)


def test_random_lengths_against_counting():
  generator = np.random.default_rng(0)
  environment = fakes.CountingEnvironment([generator.integers(1, 9, 50) for _ in range(6)], time_limit=9)
  collecting = driver.EpisodeDriver(environment)
  policy = policies.UniformRandomPolicy(environment.spec)
  for env_steps in (1, 7, 60, 200):
    collected = collecting.collect(policy, env_steps)
    for episode in collected.episodes:
      check_whole(episode)
    total = sum(len(episode.reward) for episode in collected.episodes)
    assert total == collected.decisions == collected.env_steps
    assert env_steps <= total < env_steps + 6 * 9
    keys = [tuple(episode.observation[0, :2]) for episode in collected.episodes]
    assert len(set(keys)) == len(keys)


def test_policy_state_restarts_with_each_episode_and_rows_stay_in_place():
  environment = fakes.CountingEnvironment([[2, 4], [5], [3]])
  policy = StatefulPolicy(environment.spec)
  collecting = driver.EpisodeDriver(environment)
  collected = collecting.collect(policy, 12)
  for episode in collected.episodes:
    np.testing.assert_array_equal(episode.action[:, 0], np.arange(len(episode.reward)))
    np.testing.assert_array_equal(episode.action[:, 1], episode.observation[:-1, 0])
    assert episode.member == episode.observation[0, 0] % 2
  traces = policy.traces
  collecting.collect(policy, 12)
  assert policy.traces == traces, 'the policy was traced again'


def test_action_repeat_counts_simulator_steps():
  environment = fakes.CountingEnvironment([[3]] * 2, time_limit=12, action_repeat=4)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 24)
  assert (collected.decisions, collected.env_steps) == (6, 24)
  assert not collected.episodes[0].terminated.any()


def test_steps_beyond_the_end_of_an_episode_are_not_counted():
  # Each episode has three decisions of 2, 2 and 1 simulator steps. With 11 wanted, two episodes (10) are not enough.
  environment = fakes.CountingEnvironment([[3]], time_limit=5, action_repeat=2)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 11)
  assert (len(collected.episodes), collected.decisions, collected.env_steps) == (3, 9, 15)


def test_steps_are_those_that_the_simulators_took():
  # Episodes of 5 steps in decisions of 2, 2 and 1; the step that begins an episode is none.
  environment = catalog.make('toy:point_mass', num_envs=2, time_limit=5, action_repeat=2)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 20)
  assert (len(collected.episodes), collected.decisions, collected.env_steps) == (4, 12, 20)


def test_an_episode_longer_than_announced_is_kept_whole():
  environment = fakes.CountingEnvironment([[23]], time_limit=2)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 1)
  assert len(collected.episodes[0].reward) == 23
  check_whole(collected.episodes[0])


@pytest.mark.parametrize('length, time_limit, warned', [(90, 0, True), (90, 90, False), (30, 0, False)])
def test_an_episode_that_does_not_end_is_warned_of_once_where_no_limit_is_known(
    monkeypatch, length, time_limit, warned):
  monkeypatch.setattr(driver, '_FIRST_ROWS', 10)
  monkeypatch.setattr(driver, '_LONG_ROWS', 40)
  said = []
  monkeypatch.setattr(driver.logging, 'warning', lambda text, *values: said.append(text % values))
  environment = fakes.CountingEnvironment([[length]], time_limit=time_limit)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 1)
  check_whole(collected.episodes[0])
  assert len(collected.episodes[0].reward) == length and len(said) == int(warned)
  if warned:
    assert 'toy:counting has not ended in 44 decisions' in said[0] and 'Received: time_limit=0' in said[0]


def test_observers_see_each_episode_once_in_order():
  environment = fakes.CountingEnvironment([[1, 3], [5]])
  seen = []
  collected = driver.EpisodeDriver(environment, [seen.append]).collect(policies.UniformRandomPolicy(environment.spec), 6)
  assert all(one is other for one, other in zip(seen, collected.episodes, strict=True))


def test_the_seed_alone_decides_where_it_is_given():
  environment = fakes.CountingEnvironment([[5]] * 2)
  policy = policies.UniformRandomPolicy(environment.spec, seed=3)
  collecting = driver.EpisodeDriver(environment)
  state = policy.generator.state.numpy()
  first, again, other = (collecting.collect(policy, 10, seed=seed).episodes[0].action for seed in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()
  assert len(np.unique(first)) == first.size
  np.testing.assert_array_equal(policy.generator.state.numpy(), state)
  collecting.collect(policy, 10)
  assert (policy.generator.state.numpy() != state).any()


def test_no_steps_are_refused():
  environment = fakes.CountingEnvironment([[5]])
  with pytest.raises(errors.UserError, match='env_steps=0'):
    driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 0)


def test_bookkeeping_and_policy_cost_little():
  environment = fakes.CountingEnvironment([[200]] * 20, time_limit=200)
  collecting = driver.EpisodeDriver(environment)
  policy = policies.UniformRandomPolicy(environment.spec)
  collecting.collect(policy, 4000)
  begin = time.monotonic()
  collecting.collect(policy, 4000)
  assert time.monotonic() - begin < 2  # measured below 0.3 s; generous for a machine that is busy


def choice_spec(*counts):
  return types.EnvironmentSpec(
      'x', types.ArraySpec((3,), 'float32'), types.ActionSpec(choices=counts), 5)


def test_uniform_policy_covers_its_bounds():
  spec = choice_spec(3)
  policy = policies.UniformRandomPolicy(spec)
  step = fakes.ts.restart(tf.zeros([3000, 3]), 3000)
  counts = np.bincount(policy.action(step).action.numpy(), minlength=3)
  assert len(counts) == 3 and counts.min() > 850

  continuous = policies.UniformRandomPolicy(fakes.vector_spec())
  action = continuous.action(step).action.numpy()
  assert action.shape == (3000, 2) and action.dtype == np.float32
  assert -1 <= action.min() < -0.99 and 0.99 < action.max() <= 1
  assert abs(action.mean()) < 0.03


def test_uniform_policy_draws_several_choices_and_holds_them_together():
  policy = policies.UniformRandomPolicy(choice_spec(2, 3), mean_holds=(4,))
  first = policy.action(fakes.ts.restart(tf.zeros([3000, 3]), 3000), policy.get_initial_state(3000))
  action = first.action.numpy()
  assert action.dtype == np.int64 and action.shape == (3000, 2)
  assert np.bincount(action @ [3, 1], minlength=6).min() > 420
  going = fakes.ts.transition(tf.zeros([3000, 3]), tf.zeros([3000]))
  changed = policy.action(going, first.state).action.numpy() != action
  # Both are drawn anew with a probability of 1 / 4, and then differ in 5 of 6 draws.
  assert abs(changed.any(-1).mean() - 0.25 * 5 / 6) < 0.03


@pytest.mark.parametrize('num_values', [None, 5])
def test_uniform_policy_holds_its_actions(num_values):
  """Held for 4 decisions on average (a geometric law), each row for itself, and never across the start of an episode."""
  spec = fakes.vector_spec()
  if num_values:
    spec = choice_spec(5)
  policy = policies.UniformRandomPolicy(spec, mean_holds=(4,))
  state = policy.get_initial_state(2000)
  first = policy.action(fakes.ts.restart(tf.zeros([2000, 3]), 2000), state)
  going = fakes.ts.transition(tf.zeros([2000, 3]), tf.zeros([2000]))
  second = policy.action(going, first.state)
  third = policy.action(going, second.state)
  rows = lambda step: step.action.numpy().reshape(2000, -1)
  changed = lambda a, b: (rows(a) != rows(b)).any(-1)
  # A discrete action drawn anew is the same one in 1 of 5 draws.
  expected = 0.25 * (0.8 if num_values else 1)
  assert abs(changed(first, second).mean() - expected) < 0.04 and abs(changed(second, third).mean() - expected) < 0.04
  again = policy.action(fakes.ts.restart(tf.zeros([2000, 3]), 2000), third.state)
  assert changed(third, again).mean() > 0.75
  if num_values is None:
    assert rows(first)[:, 0].std() > 0.55  # all of the range: 1 / sqrt(3)
    moved = changed(first, second)
    assert (rows(first)[moved] != rows(second)[moved]).all()  # all entries at once


def test_of_several_holds_each_episode_draws_one_and_keeps_it():
  """A third of the rows hold for 1, 4 and 50 decisions on average; which, is seen from how often they change."""
  rows, steps = 3000, 16
  policy = policies.UniformRandomPolicy(fakes.vector_spec(), mean_holds=(1, 4, 50))
  first = step = policy.action(fakes.ts.restart(tf.zeros([rows, 3]), rows), policy.get_initial_state(rows))
  going, changes, actions = fakes.ts.transition(tf.zeros([rows, 3]), tf.zeros([rows])), np.zeros(rows), first.action.numpy()
  for _ in range(steps):
    step = policy.action(going, step.state)
    changes += (step.action.numpy() != actions).any(-1)
    actions = step.action.numpy()
  hold = first.state['hold'].numpy()
  np.testing.assert_array_equal(step.state['hold'], hold)  # kept for the episode
  for value in (1, 4, 50):
    drew = hold == value
    assert abs(drew.mean() - 1 / 3) < 0.04
    assert abs(changes[drew].mean() - steps / value) < 0.15
    assert abs(changes[drew].std() - np.sqrt(steps / value * (1 - 1 / value))) < 0.2  # binomial: drawn anew each time by itself
  # Half of the episodes begin anew: these draw action and hold again, the others go on.
  step_type = tf.constant(np.arange(rows) % 2, tf.int32)  # 0: first
  mixed = policy.action(going._replace(step_type=step_type), step.state)
  begun = np.arange(rows) % 2 == 0
  np.testing.assert_array_equal(mixed.state['hold'].numpy()[~begun], hold[~begun])
  assert (mixed.action.numpy() != actions).any(-1)[begun].all()
  assert abs((mixed.state['hold'].numpy() != hold)[begun].mean() - 2 / 3) < 0.04
  for value in (1, 4, 50):  # independent of the one before
    assert abs((mixed.state['hold'].numpy()[begun & (hold == 1)] == value).mean() - 1 / 3) < 0.07


def test_a_seed_decides_holds_and_actions():
  policy = policies.UniformRandomPolicy(fakes.vector_spec(), mean_holds=(1, 4))
  begin, before = fakes.ts.restart(tf.zeros([50, 3]), 50), policy.generator.state.numpy()
  one, two, other = (policy.action(begin, policy.get_initial_state(50), tf.constant([seed, 3])) for seed in (1, 1, 2))
  tf.nest.map_structure(np.testing.assert_array_equal, one.state, two.state)
  assert (one.action.numpy() != other.action.numpy()).all() and (one.state['hold'].numpy() != other.state['hold'].numpy()).any()
  np.testing.assert_array_equal(policy.generator.state, before)


@pytest.mark.parametrize('mean_hold', [1, 4])
def test_uniform_policy_at_bounds_takes_nothing_between(mean_hold):
  policy = policies.UniformRandomPolicy(fakes.vector_spec(), mean_holds=(mean_hold,), at_bounds=True)
  first = policy.action(fakes.ts.restart(tf.zeros([3000, 3]), 3000), policy.get_initial_state(3000))
  second = policy.action(fakes.ts.transition(tf.zeros([3000, 3]), tf.zeros([3000])), first.state)
  for action in (first.action.numpy(), second.action.numpy()):
    assert set(np.unique(action)) == {-1.0, 1.0} and np.abs(action.mean(0)).max() < 0.06
    assert abs((action[:, 0] == action[:, 1]).mean() - 0.5) < 0.05  # each number for itself
  # One in `mean_hold` is drawn anew, and half of these are what they were.
  assert abs((first.action.numpy() != second.action.numpy()).mean() - 0.5 / mean_hold) < 0.03
  mixed = types.EnvironmentSpec(
      'x', types.ArraySpec((3,), 'float32'), types.ActionSpec(1, (5, 2)), 5)
  policy = policies.UniformRandomPolicy(mixed, mean_holds=(mean_hold,), at_bounds=True)
  step = fakes.ts.restart(tf.zeros([3000, 3]), 3000)
  action = policy.action(step, policy.get_initial_state(3000)).action.numpy()
  for column, values in enumerate(([-1, 1], range(5), range(2))):
    found, counts = np.unique(action[:, column], return_counts=True)
    assert found.tolist() == list(values) and counts.min() > 0.85 * 3000 / len(values)
  assert np.abs(np.corrcoef(action.T) - np.eye(3)).max() < 0.06
  choice = choice_spec(5)
  policy = policies.UniformRandomPolicy(choice, at_bounds=True)  # choices have no bounds
  assert set(np.unique(policy.action(fakes.ts.restart(tf.zeros([100, 3]), 100)).action)) == set(range(5))


@pytest.mark.parametrize('holds', [(1,), (1, 3)])
def test_a_share_of_the_episodes_draws_at_bounds_from_their_start_to_their_end(holds):
  policy = policies.UniformRandomPolicy(fakes.vector_spec(), mean_holds=holds, at_bounds=0.25)
  state, going = policy.get_initial_state(4000), fakes.ts.transition(
      tf.zeros([4000, 3]), tf.zeros([4000]))
  steps = [policy.action(fakes.ts.restart(tf.zeros([4000, 3]), 4000), state)]
  for _ in range(3):
    steps.append(policy.action(going, steps[-1].state))
  at_bounds = [(np.abs(step.action.numpy()) == 1).all(-1) for step in steps]
  assert abs(at_bounds[0].mean() - 0.25) < 0.03
  for later in at_bounds[1:]:
    np.testing.assert_array_equal(later, at_bounds[0])
  again = policy.action(fakes.ts.restart(tf.zeros([4000, 3]), 4000), steps[-1].state)
  assert ((np.abs(again.action.numpy()) == 1).all(-1) != at_bounds[0]).mean() > 0.25  # 0.375


def test_a_number_of_episodes_is_spread_evenly_whatever_they_last():
  environment = fakes.CountingEnvironment([[1], [5], [2]])
  collecting = driver.EpisodeDriver(environment)
  calls = []
  collected = collecting.collect_episodes(
      policies.UniformRandomPolicy(environment.spec), 5, on_step=lambda: calls.append(environment.current_time_step()))
  assert sorted(episode.observation[0, 0] for episode in collected.episodes) == [0, 0, 1, 1, 2]
  for episode in collected.episodes:
    check_whole(episode)
  # Environment 1 is the slowest: 5 decisions, a reset, 5 decisions, and the first observation.
  assert len(calls) == 12
  calls.clear()
  collecting.collect(policies.UniformRandomPolicy(environment.spec), 1, on_step=lambda: calls.append(environment.current_time_step()))
  assert len(calls) == 6  # 5 decisions, and the first observation
  assert len(collecting.collect_episodes(policies.UniformRandomPolicy(environment.spec), 1).episodes) == 1
  with pytest.raises(errors.UserError, match='count=0'):
    collecting.collect_episodes(None, 0)


def test_images_and_vectors_beside_discrete_actions_come_in_whole_episodes():
  environment = catalog.make('toy:corridor', num_envs=3, observation='both', image_size=16)
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 100)
  for episode in collected.episodes:
    decisions = len(episode.reward)
    assert episode.action.shape == (decisions,) and episode.action.dtype == np.int64
    assert episode.observation['image'].shape == (decisions + 1, 16, 16, 3) and episode.observation['image'].dtype == np.uint8
    np.testing.assert_allclose(np.diff(episode.observation['position'][:, 0]), (episode.action - 1) / 3, atol=1e-6)
    assert episode.terminated[-1] == (abs(episode.observation['position'][-1, 0]) == 1)


def test_what_an_environment_did_before_it_was_restarted_is_dropped():
  # Environment 0 fails in call 2, with 2 of its 4 decisions recorded; its next episode takes the calls 3 to 6. In call 5, where
  # environment 1 begins its second episode, 3 and 5 decisions count: fewer than 9, so that episode is wanted, too.
  environment = fakes.CountingEnvironment([[4], [5]], time_limit=9, faults={2: [0]})
  policy = StatefulPolicy(environment.spec)
  collected = driver.EpisodeDriver(environment).collect(policy, 9)
  assert [tuple(episode.observation[0, :2]) for episode in collected.episodes] == [(1, 0), (0, 1), (1, 1)]
  for episode in collected.episodes:
    check_whole(episode)
    np.testing.assert_array_equal(episode.action[:, 0], np.arange(len(episode.reward)))  # the policy's state began anew
  assert collected.env_steps == collected.decisions == 14
  assert collected.metrics['collect/simulator_restarts'] == 1 and collected.metrics['collect/dropped_env_steps'] == 2
  assert driver.EpisodeDriver(environment).collect(policy, 8).metrics['collect/simulator_restarts'] == 0


def test_a_restart_at_the_beginning_of_an_episode_drops_nothing():
  # Call 4 begins the second episode anyway, and by then everything that was wanted is there.
  environment = fakes.CountingEnvironment([[4]], time_limit=9, faults={4: [0]})
  collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 8)
  assert [episode.observation[0, 1] for episode in collected.episodes] == [0, 1] and collected.env_steps == 8
  assert collected.metrics['collect/simulator_restarts'] == 1 and collected.metrics['collect/dropped_env_steps'] == 0


def test_an_environment_that_was_restarted_still_gives_the_episodes_asked_of_it():
  environment = fakes.CountingEnvironment([[4], [5]], time_limit=9, faults={2: [0, 1], 3: [0]})
  collected = driver.EpisodeDriver(environment).collect_episodes(policies.UniformRandomPolicy(environment.spec), 2)
  assert [tuple(episode.observation[0, :2]) for episode in collected.episodes] == [(0, 2), (1, 1)]
  assert collected.metrics['collect/simulator_restarts'] == 3 and collected.metrics['collect/dropped_env_steps'] == 4
