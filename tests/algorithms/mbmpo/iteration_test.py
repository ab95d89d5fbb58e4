"""What an iteration does, in which order, on which data; the parts that it calls have tests of their own."""

import dataclasses
import itertools
import re
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms import clock as clocks
from mbrl_tf.algorithms.ensembles import collecting
from mbrl_tf.algorithms.mbmpo import build
from mbrl_tf.algorithms.mbmpo import config as config_lib
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.mbmpo import cases

K, B, UPDATES = 2, 3, 2
# Two environments, whose episodes of 9 env steps are 5 decisions, the last of which takes one env step alone.
NUM_ENVS, TIME_LIMIT, REPEAT = 2, 9, 2
RANDOM_ENV_STEPS, ENV_STEPS = 36, 18


def make_config(**changes):
  """A config that runs in no time; `changes` such as `collect__adapted=False`."""
  config = config_lib.MBMPOConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=NUM_ENVS, time_limit=TIME_LIMIT, action_repeat=REPEAT),
      collect=config_lib.CollectConfig(random_env_steps=RANDOM_ENV_STEPS, env_steps_per_iteration=ENV_STEPS, capacity=100),
      ensemble=config_lib.EnsembleConfig(members=K, hidden_sizes=(4,), batch_size=5, max_epochs=2, persistence=1.0),
      policy=config_lib.PolicyConfig(hidden_sizes=(4,)),
      imagination=config_lib.ImaginationConfig(horizon=2, rollouts_per_task=B),
      meta=config_lib.MetaConfig(updates_per_iteration=UPDATES, inner_lr=0.1, outer_lr=0.01, outer_epochs=1))
  for path, value in changes.items():
    part, name = path.split('__')
    assert hasattr(getattr(config, part), name)
    setattr(getattr(config, part), name, value)
  config.validate()
  return config


class Idle(NamedTuple):
  """A driver that collects nothing."""
  spec: Any


class Run(NamedTuple):
  """An algorithm on a toy, and what it has called so far: (name, arguments, result, what was true then)."""
  algorithm: Any
  store: Any
  calls: Any

  def called(self, name):
    """The calls of this name."""
    return [call for call in self.calls if call[0] == name]


def make_run(folder, seed=1, **changes):
  config = make_config(**changes)
  environment = environments.make('toy:point_mass', NUM_ENVS, seed=1, time_limit=TIME_LIMIT, action_repeat=REPEAT)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  algorithm = build.build(config, environment.spec, driver, store, seed)
  parts = algorithm.state
  run = Run(algorithm, store, [])
  values = lambda parameters: [p.numpy().copy() for p in parameters]

  def recorded(owner, name, state=lambda: None):
    original = getattr(owner, name)

    def call(*args):
      before = state()
      result = original(*args)
      run.calls.append((name, args, result, before))
      return result

    setattr(owner, name, call)

  recorded(driver, 'collect', lambda: (values(parts.policy.parameters), values(parts.adapted.parameters)))
  recorded(parts.fit, 'fit', lambda: (len(store), algorithm.env_steps))
  recorded(parts.meta_learner, 'compiled_meta_update')
  recorded(parts.meta_learner, 'compiled_adapt')
  recorded(parts.open_loop, 'errors')
  return run


@pytest.fixture(scope='module', autouse=True)
def eagerly():
  """To compile takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.fixture(scope='module')
def adapted(tmp_path_factory):
  """Random data and two iterations, and their reports."""
  run = make_run(tmp_path_factory.mktemp('adapted'))
  return run, list(itertools.islice(run.algorithm.iterations(), 3))


@pytest.fixture(scope='module')
def unadapted(tmp_path_factory):
  run = make_run(tmp_path_factory.mktemp('unadapted'), collect__adapted=False)
  return run, list(itertools.islice(run.algorithm.iterations(), 2))


def test_random_data_come_first_and_once_and_then_the_phases_in_the_order_of_the_paper(adapted):
  run, _ = adapted
  iteration = ['fit', *['compiled_meta_update'] * UPDATES, 'compiled_adapt', 'collect', 'errors']
  assert [call[0] for call in run.calls] == ['collect', *iteration, *iteration]
  parts = run.algorithm.state
  assert [call[1] for call in run.called('collect')] == [
      (parts.random_policy, RANDOM_ENV_STEPS), (parts.adapted, ENV_STEPS), (parts.adapted, ENV_STEPS)]


def test_iterations_grow_with_the_data(tmp_path):
  run = make_run(tmp_path, collect__growth=0.6)
  list(itertools.islice(run.algorithm.iterations(), 4))
  # 36 random ones; of two environments, whole episodes of 9 each: 0.6 of 36 is 22, rounded up to 36; of 72 it is 43, then 54.
  assert [call[1][1] for call in run.called('collect')] == [RANDOM_ENV_STEPS, 22, 43, 76]
  assert [call[2].env_steps for call in run.called('collect')] == [36, 36, 54, 90]


def test_the_random_data_are_as_many_env_steps_as_asked_for(adapted):
  run, _ = adapted
  collected = run.called('collect')[0][2]
  assert collected.env_steps == RANDOM_ENV_STEPS == len(collected.episodes) * TIME_LIMIT
  stored = [episode for _, episode in run.store.episodes()]
  assert [episode.member for episode in stored] == [-1] * 4 + [0, 1] * 2
  # Uniform actions keep to their bounds; a Gaussian policy of deviation 1 is clipped to them in a third of its entries.
  actions = lambda chosen: np.abs(np.concatenate([episode.action for episode in chosen]))
  assert actions(stored[:4]).max() < 1 and actions(stored[4:]).max() == 1


def test_each_fit_is_given_all_that_was_collected_before(adapted):
  run, _ = adapted
  stored = [episode for _, episode in run.store.episodes()]
  for (_, args, _, (in_store, env_steps)), whole_episodes in zip(run.called('fit'), (4, 6), strict=True):
    assert in_store == whole_episodes and env_steps == whole_episodes * TIME_LIMIT
    transitions, action_features, _ = args
    seen = stored[:whole_episodes]
    np.testing.assert_array_equal(transitions.observation, np.concatenate([episode.observation[:-1] for episode in seen]))
    np.testing.assert_array_equal(transitions.next_observation, np.concatenate([episode.observation[1:] for episode in seen]))
    np.testing.assert_array_equal(action_features, np.concatenate([episode.action for episode in seen]))


def test_env_steps_are_those_of_the_driver(adapted):
  run, reports = adapted
  assert run.algorithm.env_steps == sum(call[2].env_steps for call in run.called('collect')) == RANDOM_ENV_STEPS + 2 * ENV_STEPS
  assert sum(len(episode.reward) for _, episode in run.store.episodes()) == 8 * 5  # decisions, which are fewer
  assert int(run.algorithm.state.iteration) == len(reports) - 1


def test_adapted_policies_collect(adapted):
  run, _ = adapted
  for adapt, collect in zip(run.called('compiled_adapt'), run.called('collect')[1:], strict=True):
    meta_policy, collecting = collect[3]
    for own, given, meta in zip(collecting, adapt[2], meta_policy, strict=True):
      np.testing.assert_array_equal(own, given)
      assert own.shape == (K, *meta.shape)
    assert any((own[0] != own[1]).any() for own in collecting)


def test_unadapted_ones_are_all_the_meta_policy_as_the_updates_left_it(unadapted):
  run, _ = unadapted
  assert not run.called('compiled_adapt')
  random, collect = run.called('collect')
  (at_first, _), (meta_policy, collecting) = random[3], collect[3]
  for own, meta in zip(collecting, meta_policy, strict=True):
    np.testing.assert_array_equal(own, np.broadcast_to(meta, own.shape))
  assert {episode.member for _, episode in run.store.episodes()} == {-1}
  assert any((meta != first).any() for meta, first in zip(meta_policy, at_first))


def test_the_models_are_compared_with_episodes_that_no_member_has_seen(adapted):
  run, _ = adapted
  for collect, compared in zip(run.called('collect')[1:], run.called('errors'), strict=True):
    assert compared[1][0] is collect[2].episodes


def test_each_update_starts_from_real_states_of_its_own_with_a_seed_of_its_own(adapted):
  run, _ = adapted
  updates, adapts = ([call[1] for call in run.called(name)] for name in ('compiled_meta_update', 'compiled_adapt'))
  resets = {tuple(episode.observation[0]) for _, episode in run.store.episodes()}
  assert all(starts.shape == (2, K, B, 4) for starts, _ in updates) and all(starts.shape == (K, B, 4) for starts, _ in adapts)
  for starts, _ in updates + adapts:
    assert {tuple(row) for row in starts.numpy().reshape(-1, 4)} <= resets
  assert len({starts.numpy().tobytes() for starts, _ in updates + adapts}) == len(updates + adapts)
  assert len({tuple(seed.numpy()) for _, seed in updates + adapts}) == len(updates + adapts)


def test_the_report_of_the_random_data_tells_of_them_alone(adapted):
  report = adapted[1][0]
  assert {name.split('/')[0] for name in report.metrics} == {'collect', 'seconds'} and not report.histograms
  assert report.metrics['collect/episodes'] == 4


@pytest.mark.parametrize('number', [1, 2])
def test_the_report_of_an_iteration_tells_of_all_its_phases(adapted, number):
  run, reports = adapted
  metrics = reports[number].metrics
  expected = {'collect/return_mean', 'fit/epochs_mean', 'imagine/adaptation_gain', 'meta/loss', 'meta/inner_kl',
              'meta/policy_std', 'model/error_horizon_1', 'model/disagreement_horizon_1'}
  expected |= {f'{name}_member_{k}' for k in range(K) for name in (
      'collect/return_mean', 'fit/validation_loss', 'imagine/return_before_mean', 'imagine/return_after_mean')}
  expected |= {f'MAMLIter{update}_DynaTrajInner_{inner}_episode_reward_{what}'
               for update in range(UPDATES) for inner in range(2) for what in ('mean', 'min', 'max')}
  expected |= {f'seconds/{phase}' for phase in ('fit', 'meta_update', 'adapt', 'collect', 'summaries')}
  assert expected <= set(metrics)
  collected = run.called('collect')[number][2]
  returns = [episode.reward.sum() for episode in collected.episodes]
  np.testing.assert_allclose(metrics['collect/return_mean'], np.mean(returns), rtol=1e-6)
  assert {name.split('/')[0] for name in reports[number].histograms} == {'policy', 'ensemble'}


def test_a_run_that_has_random_data_does_not_collect_them_again(tmp_path):
  first = make_run(tmp_path)
  next(first.algorithm.iterations())
  resumed = make_run(tmp_path, seed=2)
  resumed.algorithm.state.env_steps.assign(first.algorithm.env_steps)
  report = next(resumed.algorithm.iterations())
  assert 'fit/epochs_mean' in report.metrics and resumed.called('fit')[0][3] == (4, RANDOM_ENV_STEPS)
  assert [call[1] for call in resumed.called('collect')] == [(resumed.algorithm.state.adapted, ENV_STEPS)]


def test_a_meta_policy_that_is_lost_collects_nothing(tmp_path):
  run = make_run(tmp_path)
  reports = run.algorithm.iterations()
  next(reports)
  update = run.algorithm.state.meta_learner.compiled_meta_update
  run.algorithm.state.meta_learner.compiled_meta_update = lambda *args: {
      **update(*args), 'loss': tf.constant(np.nan), 'outer_steps': tf.constant(0.), 'skipped_steps': tf.constant(8.)}
  with pytest.raises(FloatingPointError, match='meta/loss or its gradient is not finite'):
    next(reports)
  assert len(run.called('collect')) == 1 and len(run.store) == 4


def test_a_member_whose_adaptation_is_not_finite_collects_with_the_meta_policy(tmp_path):
  run = make_run(tmp_path)
  reports, parts = run.algorithm.iterations(), run.algorithm.state
  next(reports)
  adapt, made = parts.meta_learner.compiled_adapt, []

  def spoiled(*args):
    adapted = list(adapt(*args))
    adapted[1] = tf.tensor_scatter_nd_update(adapted[1], [[0] * len(adapted[1].shape)], [np.inf])  # one number of member 0
    made.append(adapted)
    return adapted

  parts.meta_learner.compiled_adapt = spoiled
  metrics = next(reports).metrics
  assert metrics['meta/adapt_skipped_share'] == pytest.approx(1 / K)
  parts.adapted.assign(made[0])  # what was computed; what had been assigned is below
  run.algorithm._adapt()
  np.testing.assert_array_equal(parts.adapted.member_of_env(K), [-1, *range(1, K)])
  for own, shared, computed in zip(parts.adapted.parameters, parts.policy.parameters, made[-1]):
    np.testing.assert_array_equal(own[0], shared)
    np.testing.assert_array_equal(own[1:], computed[1:])


def test_equal_rewards_are_told_once_where_they_are_all_there_is_to_learn(tmp_path, monkeypatch):
  told = []
  monkeypatch.setattr(collecting.logging, 'warning', lambda message, *args: told.append(message % args))
  ones, never, ends = np.ones(4, np.float32), np.zeros(4, bool), np.arange(4) == 2
  unpaid = dataclasses.replace(cases.make_spec(), reward=None)
  for spec, calls, expected in (
      (cases.make_spec(), [(ones, never)], 0),  # the function of the task is used
      (unpaid, [(ones, ends), (np.arange(4), never)], 0), (unpaid, [(ones, never), (ones, never)], 1)):
    algorithm = build.build(make_config(), spec, Idle(spec), episodes.EpisodeStore(tmp_path), 0)
    for call in calls:
      algorithm._collector.warn_of_equal_rewards(*call)
    assert len(told) == expected
  assert told[0].endswith("Received: environment='toy:case', reward=1.0 in 4 steps")


def test_a_run_stops_where_no_adaptation_is_finite(tmp_path):
  run = make_run(tmp_path)
  reports, learner = run.algorithm.iterations(), run.algorithm.state.meta_learner
  next(reports)
  adapt = learner.compiled_adapt
  learner.compiled_adapt = lambda *args: [np.nan * parameter for parameter in adapt(*args)]
  with pytest.raises(FloatingPointError, match='not finite for any member.*Received: meta.inner_lr=0.1, members=2'):
    next(reports)


def test_the_normalizer_of_a_policy_follows_the_data_and_what_it_has_learned_stays(tmp_path):
  run = make_run(tmp_path, policy__normalize_observations=True)
  reports, policy = run.algorithm.iterations(), run.algorithm.state.policy
  next(reports), next(reports)
  observed = np.concatenate([episode.observation[:-1] for _, episode in run.store.episodes()])
  before = policy(observed).mean().numpy(), policy.normalizer.mean.numpy().copy()
  run.algorithm._fit()
  np.testing.assert_allclose(policy.normalizer.mean, observed.mean(0), rtol=1e-4, atol=1e-6)
  assert np.abs(policy.normalizer.mean.numpy() - before[1]).max() > 1e-3
  np.testing.assert_allclose(policy(observed).mean(), before[0], atol=1e-5)
  assert policy.normalizer is run.algorithm.state.ensemble.observation_normalizer


def make_with_known_states(folder, seed=1, **changes):
  """Two episodes of 30 decisions, observed as (episode, step, 0); the view holds the newest 20 transitions."""
  store = episodes.EpisodeStore(folder)
  steps = np.arange(31)
  for number in range(2):
    observation = np.stack([np.full(31, number), steps, np.zeros(31)], 1).astype(np.float32)
    store.append(types.Episode(observation, np.zeros([30, cases.A], np.float32), np.zeros(30, np.float32), np.zeros(30, bool)))
  config = make_config(imagination__rollouts_per_task=10, collect__capacity=20, **changes)
  return build.build(config, cases.make_spec(), None, store, seed)


@pytest.mark.parametrize('share, anywhere', [(0.0, 0), (0.3, 3), (0.99, 10), (1.0, 10)])
def test_the_share_of_rollouts_that_start_anywhere(share, anywhere, tmp_path):
  algorithm = make_with_known_states(tmp_path, imagination__buffer_starts=share)
  draws = np.concatenate([algorithm._starts(2) for _ in range(20)])
  assert draws.shape == (40, K, 10, cases.O) and draws.dtype == np.float64
  from_reset = draws[..., 1] == 0  # which the view no longer holds
  np.testing.assert_array_equal(from_reset.sum(-1), np.full([40, K], 10 - anywhere))
  # Every reset state there was, and every state of the view from which an action was taken, and no other.
  assert set(draws[from_reset][:, 0]) == ({0, 1} if anywhere < 10 else set())
  elsewhere = draws[~from_reset]
  assert {tuple(state[:2]) for state in elsewhere} == ({(1, step) for step in range(10, 30)} if anywhere else set())


def test_starts_differ_between_tasks_and_before_and_after_and_repeat_with_the_seed(tmp_path):
  share = {'imagination__buffer_starts': 1.0}
  one, two, other = (make_with_known_states(tmp_path, seed, **share)._starts(2).numpy() for seed in (1, 1, 2))
  np.testing.assert_array_equal(one, two)
  assert (one != other).any() and (one[0] != one[1]).any() and (one[:, 0] != one[:, 1]).any()


def test_functions_are_held_against_real_episodes_and_told_of_once(tmp_path, caplog):
  """Of a wrong sign nothing else would tell: it is learned from as willingly as the right one."""
  caplog.set_level('WARNING')
  run = make_run(tmp_path)
  iterations, driver = run.algorithm.iterations(), run.algorithm._collector._driver
  # A function of one env step stands for two here: near, not equal.
  assert next(iterations).metrics['collect/reward_function_error'] < 0.2 and not caplog.text
  right = driver.spec.reward
  driver.spec = dataclasses.replace(driver.spec, reward=lambda *given: -right(*given))
  for _ in range(2):
    collected = run.algorithm._collector.collect(run.algorithm.state.random_policy, 18, clocks.PhaseClock())
    assert collected.metrics['collect/reward_function_error'] > 0.5
  said, = caplog.messages
  foreseen, real = re.search(r'returns (\S+) on average, really (\S+)\.', said).groups()
  assert 'reward_function' in said and float(foreseen) == pytest.approx(-float(real), abs=0.5)
