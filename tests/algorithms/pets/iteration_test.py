"""What an iteration does, in which order, on which data; the parts that it calls have tests of their
own."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.pets import build, planner, summaries
from mbrl_tf.algorithms.pets import config as pets
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.mbmpo import cases

RANDOM_ENV_STEPS, ENV_STEPS, LIMIT, H = 24, 12, 6, 2


def make_config(**changes):
  config = pets.PETSConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=2, time_limit=LIMIT),
      collect=pets.CollectConfig(
          random_env_steps=RANDOM_ENV_STEPS, env_steps_per_iteration=ENV_STEPS, capacity=100),
      ensemble=pets.EnsembleConfig(
          members=2, hidden_sizes=(4,), batch_size=5, max_epochs=2, min_epochs=2),
      outcomes=pets.OutcomesConfig(hidden_sizes=(4,)),
      planner=pets.PlannerConfig(horizon=H, samples=4, rounds=1, elites=2, particles=2))
  for path, value in changes.items():
    setattr(getattr(config, path.split('__')[0]), path.split('__')[1], value)
  config.validate()
  return config


@pytest.fixture(scope='module', autouse=True)
def eagerly():
  """To compile takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """Random data and two iterations: the algorithm, its store, reports, and what was called."""
  environment = environments.make('toy:point_mass', 2, seed=1, time_limit=LIMIT)
  store = episodes.EpisodeStore(tmp_path_factory.mktemp('episodes'))
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  algorithm, calls = build.build(make_config(), environment.spec, driver, store, 1), []

  def recorded(owner, name):
    original = getattr(owner, name)

    def call(*args):
      result = original(*args)
      calls.append((name, args, result))
      return result

    setattr(owner, name, call)

  recorded(driver, 'collect')
  recorded(algorithm.state.fit, 'fit')
  recorded(algorithm.state.outcome_fit, 'fit')
  recorded(algorithm.state.open_loop, 'errors')
  return algorithm, store, list(itertools.islice(algorithm.iterations(), 3)), calls


def test_random_data_come_first_and_once_and_then_fits_before_plans(trained):
  algorithm, store, reports, calls = trained
  assert [name for name, *_ in calls] == ['collect', *['fit', 'fit', 'collect', 'errors'] * 2]
  parts = algorithm.state
  assert [args for name, args, _ in calls if name == 'collect'] == [
      (parts.random_policy, RANDOM_ENV_STEPS), *[(parts.planning_policy, ENV_STEPS)] * 2]
  assert algorithm.env_steps == RANDOM_ENV_STEPS + 2 * ENV_STEPS == 6 * len(store)
  assert len(reports) == 3 and int(parts.iteration) == 2


def test_each_fit_is_given_all_that_was_collected_before_and_drifts_are_of_unseen_episodes(trained):
  _, store, _, calls = trained
  stored = [episode for _, episode in store.episodes()]
  fits = [args for name, args, _ in calls if name == 'fit']
  for whole, pair in zip((4, 6), (fits[:2], fits[2:]), strict=True):
    for transitions, features, seed in pair:
      assert seed == pair[0][2]
      np.testing.assert_array_equal(
          transitions.next_observation, np.concatenate([e.observation[1:] for e in stored[:whole]]))
      np.testing.assert_array_equal(features, np.concatenate([e.action for e in stored[:whole]]))
  collected = [result for name, _, result in calls if name == 'collect']
  drifts = [args for name, args, _ in calls if name == 'errors']
  assert all(args[0] is told.episodes for args, told in zip(drifts, collected[1:], strict=True))


def test_the_reports(trained):
  *_, reports, calls = trained
  assert {name.split('/')[0] for name in reports[0].metrics} == {'collect', 'seconds'}
  expected = {'collect/return_mean', 'collect/reward_function_error', 'fit/validation_loss_mean',
              'fit/epochs_member_1', 'model/error_horizon_1', 'model/disagreement_horizon_1',
              'imagine/return_mean', 'imagine/return_real_mean',
              *(f'seconds/{phase}' for phase in ('fit', 'collect', 'summaries'))}
  for report in reports[1:]:
    assert expected <= set(report.metrics)
    assert {name.split('/')[0] for name in report.histograms} == {'ensemble'}
  last = [result for name, _, result in calls if name == 'collect'][-1]
  real = np.mean([episode.reward[:H].sum() for episode in last.episodes])
  assert reports[-1].metrics['imagine/return_real_mean'] == pytest.approx(real)


def test_what_plans_promise_is_their_mean_and_nothing_is_real_where_nothing_was_collected():
  plan = planner.Plan(None, None, tf.constant([1.0, 4.0]))
  assert summaries.of_plans(plan, (), 3) == {'imagine/return_mean': 2.5}
  episode = types.Episode(None, None, np.arange(4.0), None)
  assert summaries.of_plans(plan, (episode,), 3)['imagine/return_real_mean'] == 3


@pytest.mark.parametrize('learned', [False, True])
def test_what_a_task_has_no_function_for_is_learned_and_all_of_it_by_the_config(learned):
  spec = dataclasses.replace(cases.make_spec(), terminated=None)
  parts = build.Parts(make_config(outcomes__learned=learned), spec, 0)
  assert (parts.reward_heads is not None) == learned and parts.termination_heads is not None


def test_images_are_refused_with_what_helps():
  spec = dataclasses.replace(cases.make_spec(), observation=types.ArraySpec((16, 16, 3), 'uint8'))
  with pytest.raises(errors.UserError, match=r"^PETS learns from vectors.*='observation=numbers'.*Rec"):
    build.build(make_config(), spec, None, None, 0)
