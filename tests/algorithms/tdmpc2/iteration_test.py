"""How much is learned when, how long actions are random, and what is looked at once."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import build
from mbrl_tf.data import episodes, sequences
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.tdmpc2 import small


@pytest.fixture(autouse=True)
def eagerly():
  """To compile a step takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(folder, task='toy:point_mass', num_envs=1, kwargs=None, tells_limit=True, **changes):
  config = small.config(**{'collect__random_env_steps': 40, 'collect__env_steps_per_iteration': 20,
                           'learner__updates_per_decision': 0.025, **changes})
  limit = 5 if task.endswith('Unpaid') else 20
  environment = environments.make(task, num_envs, 1, kwargs or {}, limit)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  spec = environment.spec
  spec = spec if tells_limit else dataclasses.replace(spec, time_limit=0)
  return build.build(config, spec, driver, store, 1)


@pytest.mark.parametrize('num_envs', [1, 3])
def test_there_are_as_many_updates_for_a_decision_as_asked_however_much_is_collected(
    num_envs, tmp_path):
  algorithm = make(tmp_path, num_envs=num_envs)
  reports = list(itertools.islice(algorithm.iterations(), 4))
  parts = algorithm.state
  # Whole episodes of all environments are collected, and an iteration begins by learning from them.
  random = 40 if num_envs == 1 else 60
  expected = [int(0.025 * (random + iteration * 20 * num_envs)) for iteration in range(3)]
  assert [report.metrics['learn/updates'] for report in reports[1:]] == expected
  assert int(parts.updates) == expected[-1] == int(
      parts.learner.trainers['model'].optimizer.iterations)
  assert int(parts.decisions) == random + 3 * 20 * num_envs == algorithm.env_steps
  assert 'learn/updates' not in reports[0].metrics and 'model/loss' in reports[1].metrics
  assert {'model/reward_error_horizon_15', 'policy/entropy',
          'seconds/learn'} <= set(reports[1].metrics)
  assert reports[1].histograms


def test_after_long_random_actions_the_updates_are_caught_up_over_some_iterations(tmp_path):
  """120 random decisions, then 20 in each iteration; the first 40 bring two updates: so many are
  caught up in each iteration."""
  algorithm = make(tmp_path, 'tests.environments.user_environments:Unpaid',
                   collect__random_env_steps_max=120, learner__updates_per_decision=0.05)
  reports = itertools.islice(algorithm.iterations(), 11)  # the first 5 of random actions
  updates = [int(report.metrics.get('learn/updates', 0)) for report in reports]
  # Of 120 to 220 decisions 6 to 11 are due; at first four of them wait, then two.
  assert updates == [0] * 5 + [6 - 4, 7 - 2, 8, 9, 10, 11]


def test_an_iteration_without_an_update_that_is_due_only_collects(tmp_path):
  algorithm = make(tmp_path, learner__updates_per_decision=0.001)
  reports = list(itertools.islice(algorithm.iterations(), 3))
  assert reports[2].metrics['learn/updates'] == 0 and 'model/loss' not in reports[2].metrics
  assert algorithm.env_steps == 80


@pytest.mark.parametrize('most, random', [(50, 60), (130, 140), (0, 40)])
def test_actions_stay_random_while_all_rewards_are_equal_up_to_a_bound(most, random, tmp_path):
  """Episodes of five decisions that are never paid: first 40 env steps, then 20 at a time."""
  algorithm = make(tmp_path, 'tests.environments.user_environments:Unpaid',
                   collect__random_env_steps_max=most)
  policies, collect = [], algorithm._driver.collect

  def recorded(policy, env_steps):
    policies.append((policy is algorithm.state.random_policy, env_steps))
    return collect(policy, env_steps)

  algorithm._driver.collect = recorded
  for _ in algorithm.iterations():
    if not policies[-1][0]:
      break
  assert algorithm.env_steps == random + 20
  assert policies == [(True, 40), *[(True, 20)] * ((random - 40) // 20), (False, 20)]
  assert not algorithm.state.survey.rewards_differ


def test_the_first_reward_that_differs_ends_the_random_actions(tmp_path):
  algorithm = make(tmp_path, 'tests.environments.user_environments:Unpaid',
                   kwargs={'paid_from': 10}, collect__random_env_steps_max=10_000)
  random = [('learn/updates' not in report.metrics)
            for report in itertools.islice(algorithm.iterations(), 4)]
  assert random == [True, True, False,
                    False]  # the first collection has 8 episodes, the second one 4
  assert algorithm.state.survey.rewards_differ


@pytest.mark.parametrize('paid_from, alternates', [(40, True), (10, False)])
def test_while_rewards_are_rare_every_other_iteration_is_random_and_novelty_is_paid(
    paid_from, alternates, tmp_path):
  """Episodes of five decisions, all paid from the given one on; at most 60 decisions are random
  before that."""
  algorithm = make(tmp_path, 'tests.environments.user_environments:Unpaid',
                   kwargs={'paid_from': paid_from}, collect__random_env_steps_max=60,
                   learner__updates_per_decision=1e-4)
  policies, collect = [], algorithm._driver.collect

  def recorded(policy, env_steps):
    policies.append(policy is algorithm.state.random_policy)
    return collect(policy, env_steps)

  algorithm._driver.collect = recorded
  paid, batches = [], algorithm._sequences.batches

  def asked(*arguments):
    paid.append(arguments[-1])
    return batches(*arguments)

  algorithm._sequences.batches = asked
  reports = algorithm.iterations()
  while algorithm.env_steps < 140:
    next(reports)
  later = policies[-4:]
  assert sorted(later) == ([False, False, True, True] if alternates else [False] * 4)
  assert later[0] != later[1] or not alternates
  curious, curiosity = float(algorithm.state.learner.curiosity), algorithm._config.collect.curiosity
  assert curious == pytest.approx(curiosity if alternates else 0.0)  # no two rewards differ
  wanted = sequences.Paid(0.0, algorithm._config.replay.paid_share)
  assert paid[-1] == (wanted if alternates else None)
  if alternates:
    algorithm._config.replay.paid_share = 0.0
    next(reports)
    assert paid[-1] is None
    algorithm.state.survey.reward_range.assign([-2.0, 18.0])
    algorithm.state.world_model.reward_unit.value.assign(10.0)
    assert algorithm._curiosity() == pytest.approx(2 * curiosity)


@pytest.mark.parametrize('tells_limit', [True, False])
def test_the_discount_follows_from_the_length_of_an_episode(tells_limit, tmp_path):
  algorithm = make(tmp_path, tells_limit=tells_limit, value__discount_min=0.5)
  discount = algorithm.state.learner.discount
  assert float(discount) == pytest.approx(0.75 if tells_limit else 0.995)
  reports = algorithm.iterations()
  next(reports)  # random episodes of 20 decisions
  assert float(discount) == pytest.approx(0.75)
  next(reports)
  algorithm.state.survey.truncated_after.assign(1000)
  next(reports)
  assert float(discount) == pytest.approx(0.75)  # values hold for one


def test_each_episode_is_looked_at_once_and_its_statistics_are_those_of_all(tmp_path):
  algorithm = make(tmp_path, num_envs=2)
  seen, survey = [], algorithm.state.world_model.survey

  def looked(episode, is_first):
    seen.append(float(episode.reward.sum()))
    survey(episode, is_first)

  algorithm.state.world_model.survey = looked
  list(itertools.islice(algorithm.iterations(), 3))
  files = sorted(tmp_path.glob('*.npz'))
  data = [np.load(path) for path in files]
  np.testing.assert_allclose(sorted(seen), sorted(float(each['reward'].sum()) for each in data),
                             rtol=1e-6)
  observations = np.concatenate([each['observation'] for each in data]).astype(np.float64)
  np.testing.assert_allclose(algorithm.state.world_model.normalizer.mean, observations.mean(0),
                             rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(algorithm.state.world_model.normalizer.std, observations.std(0),
                             rtol=1e-4)
  rewards = np.concatenate([each['reward'] for each in data])
  np.testing.assert_allclose(algorithm.state.survey.reward_range,
                             [rewards.min(), rewards.max()], rtol=1e-6)


@pytest.mark.parametrize('task, terminates', [('toy:corridor', True), ('toy:point_mass', False)])
def test_terminations_are_learned_once_there_are_any(task, terminates, tmp_path):
  algorithm = make(tmp_path, task, num_envs=2)
  reports = list(itertools.islice(algorithm.iterations(), 2))
  assert bool(algorithm.state.survey.terminates) == terminates
  assert ('model/termination_loss' in reports[1].metrics) == terminates


def test_a_loss_that_is_not_finite_stops_before_the_policy_collects(tmp_path):
  algorithm = make(tmp_path)
  reports = algorithm.iterations()
  next(reports)
  bias = algorithm.state.world_model.value_model.trainable_variables[-1]
  bias.assign(tf.fill(bias.shape, np.nan))
  with pytest.raises(FloatingPointError, match='(model|policy)/loss or its gradient is not finite'):
    next(reports)
  assert algorithm.env_steps == 40
  assert all(np.isfinite(variable).all() for variable in algorithm.state.prior.trainable_variables)


def test_the_planner_collects_unless_it_is_for_evaluations_alone(tmp_path):
  spec = small.spec()
  planning = {'planner__samples': 8, 'planner__elites': 4, 'planner__policy_samples': 2}
  for only, collects in ((False, True), (True, False)):
    parts = build.Parts(small.config(**planning, planner__evaluates_only=only), spec, 1)
    assert 'plan' in parts.policy.policy_state_spec and (
        'plan' in parts.exploring_policy.policy_state_spec) == collects
  assert build.Parts(small.config(), spec, 1).policy.policy_state_spec == ()


def test_the_seed_decides_the_first_weights():
  spec = small.spec('both')
  one, two, other = (
      build.Parts(small.config(), spec, seed).trainable_variables for seed in (1, 1, 2))
  for a, b, c in zip(one, two, other):
    np.testing.assert_array_equal(a, b)
    if 'kernel' in a.name and np.abs(a).max() > 1e-4:  # last layers begin at 0
      assert (a != c).numpy().any(), a.name
