"""How much is learned when, what is warned of, and that the same seed gives the same first weights."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import build
from mbrl_tf.data import episodes, sequences
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.dreamer import small


@pytest.fixture(autouse=True)
def eagerly():
  """To compile a step takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(folder, num_envs, task='toy:point_mass', time_limit=0, **changes):
  config = small.config(**{'replay__batch_size': 2, 'replay__batch_length': 4, 'behavior__horizon': 2, 'model__continuation': False,
                           'collect__random_env_steps': 100, 'collect__env_steps_per_iteration': 50, **changes})
  environment = environments.make(task, num_envs, 1, time_limit=5 if task.endswith('Unpaid') else time_limit)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  return build.build(config, environment.spec, driver, store, 1)


@pytest.mark.parametrize('num_envs, collected, first', [(1, 20, 3), (3, 60, 0)])
def test_the_ratio_of_training_to_acting_holds_however_much_is_collected(num_envs, collected, first, tmp_path):
  algorithm = make(
      tmp_path, num_envs, time_limit=20, collect__random_env_steps=20, collect__env_steps_per_iteration=20,
      learner__first_gradient_steps=first, learner__env_steps_per_gradient_step=10.0)
  reports = list(itertools.islice(algorithm.iterations(), 4))
  # Three environments take whole episodes of 20 steps each, also where 20 were asked for.
  taken = [report.metrics['learn/gradient_steps'] for report in reports[1:]]
  assert taken == [first + iteration * collected / 10 for iteration in range(3)]
  assert 'model/loss' in reports[2].metrics and 'seconds/learn' in reports[2].metrics


@pytest.mark.parametrize('task, continuation, warnings', [
    ('toy:corridor', False, 1), ('toy:corridor', True, 0), ('toy:point_mass', False, 0)])
def test_terminations_that_nothing_predicts_are_warned_of_once(task, continuation, warnings, tmp_path, caplog):
  algorithm = make(tmp_path, 2, task, model__continuation=continuation, learner__first_gradient_steps=0,
                   learner__env_steps_per_gradient_step=1e6)
  list(itertools.islice(algorithm.iterations(), 3))
  messages = [record.getMessage() for record in caplog.records if record.levelname == 'WARNING']
  assert len([message for message in messages if 'Received: config.model.continuation=False' in message]) == warnings


def test_the_learner_knows_the_range_of_the_real_rewards(tmp_path):
  algorithm = make(tmp_path, 2, learner__first_gradient_steps=0, learner__env_steps_per_gradient_step=1e6)
  list(itertools.islice(algorithm.iterations(), 3))
  rewards = np.concatenate([np.load(path)['reward'] for path in tmp_path.rglob('*.npz')])
  assert len(rewards) == 300 and rewards.min() < 0 < rewards.max()
  np.testing.assert_array_equal(algorithm.state.learner.reward_range, [rewards.min(), rewards.max()])


def test_a_loss_that_is_not_finite_stops_before_the_policy_collects(tmp_path):
  algorithm = make(tmp_path, 1, learner__first_gradient_steps=1)
  reports = algorithm.iterations()
  next(reports)
  bias = algorithm.state.value.trainable_variables[-1]
  bias.assign(tf.fill(bias.shape, np.nan))
  with pytest.raises(FloatingPointError, match='(actor|value)/loss or its gradient is not finite'):
    next(reports)
  assert algorithm.env_steps == 100
  assert all(np.isfinite(variable).all() for variable in algorithm.state.actor.trainable_variables)


def test_the_seed_decides_the_first_weights():
  spec = small.spec('both')
  one, two, other = (build.Parts(small.config(), spec, seed).trainable_variables for seed in (1, 1, 2))
  for a, b, c in zip(one, two, other):
    np.testing.assert_array_equal(a, b)
    if 'kernel' in a.name:
      assert (a != c).numpy().any(), a.name


@pytest.mark.parametrize('episodes, limit, expected', [
    (5.0, 0, [0.995, 0.75]), (5.0, 50, [0.9, 0.9]), (0.0, 0, [0.99, 0.99])])
def test_the_discount_follows_from_the_length_of_an_episode_where_asked_for(
    episodes, limit, expected):
  spec = dataclasses.replace(small.spec(), time_limit=limit)
  config = small.config(behavior__discount_episodes=episodes, behavior__discount=0.99,
                        behavior__discount_min=0.5, model__measured_units=True)
  parts = build.Parts(config, spec, 1)
  found = [float(parts.learner.discount)]
  parts.survey.truncated_after.assign(20)
  parts.find_discount()
  assert [*found, float(parts.learner.discount)] == pytest.approx(expected)


def recorded(algorithm):
  """Whether each collection was random, as it goes on."""
  policies, collect = [], algorithm._driver.collect

  def record(policy, env_steps, **kwargs):
    policies.append((policy is algorithm.state.random_policy, env_steps))
    return collect(policy, env_steps, **kwargs)

  algorithm._driver.collect = record
  return policies


EXPLORING = {'collect__random_env_steps': 40, 'collect__env_steps_per_iteration': 20,
             'learner__first_gradient_steps': 0,
             'learner__env_steps_per_gradient_step': 1e6, 'collect__random_holds': (1, 4)}


@pytest.mark.parametrize('most, random', [(50, 60), (0, 40)])
def test_actions_stay_random_while_all_rewards_are_equal_up_to_a_bound(most, random, tmp_path):
  """Episodes of five decisions that are never paid: first 40 env steps, then 20 at a time."""
  algorithm = make(tmp_path, 1, 'tests.environments.user_environments:Unpaid',
                   collect__random_env_steps_max=most, **EXPLORING)
  policies, reports = recorded(algorithm), algorithm.iterations()
  while not policies or policies[-1][0]:
    next(reports)
  assert algorithm.env_steps == random + 20
  assert policies == [(True, 40), *[(True, 20)] * ((random - 40) // 20), (False, 20)]


@pytest.mark.parametrize('most, overlaps', [(60, False), (60, True), (0, False)])
def test_while_rewards_are_rare_every_other_iteration_is_random_where_asked_for(
    most, overlaps, tmp_path):
  algorithm = make(tmp_path, 1, 'tests.environments.user_environments:Unpaid',
                   collect__random_env_steps_max=most,
                   collect__overlap=overlaps, **EXPLORING)
  policies, reports = recorded(algorithm), algorithm.iterations()
  while algorithm.env_steps < 140:
    next(reports)
  later = [is_random for is_random, _ in policies[-4:]]
  assert sorted(later) == ([False, False, True, True] if most else [False] * 4)
  assert later[0] != later[1] or not most


@pytest.mark.parametrize('share', [0.0, 0.25])
def test_paid_episodes_are_learned_from_more_often_while_rewards_are_rare(share, tmp_path):
  algorithm = make(tmp_path, 1, 'tests.environments.user_environments:Unpaid',
                   replay__paid_share=share, **EXPLORING)
  asked, batches = [], algorithm._sequences.batches
  algorithm._sequences.batches = lambda *given: asked.append(given[-1]) or batches(*given)
  reports = algorithm.iterations()
  for _ in range(2):
    next(reports)
  assert asked == [sequences.Paid(0.0, share) if share else None]
  if share:
    algorithm.state.survey.paid_decisions.assign(algorithm.state.survey._decisions)
    next(reports)
    assert asked[1] is None


def test_units_are_those_of_all_episodes_and_of_the_first_freely(tmp_path):
  algorithm = make(tmp_path, 2, model__measured_units=True, learner__first_gradient_steps=1,
                   learner__env_steps_per_gradient_step=1e6)
  told, units = [], algorithm.state.world_model.units
  survey = units.survey
  units.survey = lambda episode, is_first: told.append(is_first) or survey(episode, is_first)
  list(itertools.islice(algorithm.iterations(), 2))
  # Two episodes of random actions, and two after a gradient step.
  assert told == [True, True, False, False]
  data = [np.load(path) for path in sorted(tmp_path.glob('*.npz'))]
  observations = np.concatenate([each['observation'] for each in data]).astype(np.float64)
  np.testing.assert_allclose(units.normalizer.mean, observations.mean(0), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(units.normalizer.std, observations.std(0), rtol=1e-4)
