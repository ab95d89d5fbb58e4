"""What the training loop relies on in every algorithm of the catalog, on its smoke configuration."""

import importlib
import itertools
import shutil
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.algorithms import catalog
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from mbrl_tf.training import export


# Changes to the smoke configurations that save time here: each number of members still learning is compiled anew.
SMALLER = {'mbmpo': {'ensemble.max_epochs': 3, 'ensemble.persistence': 1., 'imagination.horizon': 10,
                     'meta.updates_per_iteration': 2},
           'dreamer': {'learner.env_steps_per_gradient_step': 100.0, 'learner.first_gradient_steps': 2, 'replay.batch_size': 2,
                       'behavior.horizon': 3}}


class Run(NamedTuple):
  algorithm: Any
  driver: Any
  config: Any


class Trained(NamedTuple):
  """A run, a second one restored from the first's checkpoint, and what both reported."""
  run: Run
  first: list        # reports before the checkpoint
  following: Any     # the report after it
  resumed: Run
  env_steps: int     # of the resumed run right after it was restored, and of the checkpoint
  repeated: Any      # the resumed run's first report


def build(name, folder, seed):
  config = importlib.import_module(f'configs.{name}.smoke').get_config()
  for path, value in SMALLER.get(name, {}).items():
    part, field = path.split('.')
    setattr(getattr(config, part), field, value)
  config.validate()
  settings = config.environment
  environment = environments.make(
      settings.name, settings.num_envs, 3, settings.kwargs, settings.time_limit, settings.action_repeat,
      observation=settings.observation, image_size=settings.image_size)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  return Run(catalog.build(config, environment.spec, driver, store, seed), driver, config)


def first_time_step(run):
  """Of all the run's environments, as tensors."""
  environment = run.driver.environment
  return ts.restart(tf.nest.map_structure(tf.constant, environment.reset().observation), environment.batch_size)


@pytest.fixture(scope='module', params=catalog.names())
def trained(request, tmp_path_factory):
  # To compile two runs takes minutes. That compiled runs resume alike is tested where launchers are.
  tf.config.run_functions_eagerly(True)
  try:
    result = train_and_resume(request.param, tmp_path_factory.mktemp(request.param))
  finally:
    tf.config.run_functions_eagerly(False)
  return result


def train_and_resume(name, folder):
  run = build(name, folder / 'episodes', seed=1)
  reports = run.algorithm.iterations()
  first = list(itertools.islice(reports, 2))
  checkpoint = tf.train.Checkpoint(run.algorithm.state).write(str(folder / 'checkpoint'))
  counters = run.driver.environment.episode_counters
  shutil.copytree(folder / 'episodes', folder / 'copy')
  env_steps = run.algorithm.env_steps
  resumed = build(name, folder / 'copy', seed=2)
  tf.train.Checkpoint(resumed.algorithm.state).read(checkpoint).assert_consumed()
  resumed.driver.environment.episode_counters = counters
  assert resumed.algorithm.env_steps == env_steps
  return Trained(run, first, next(reports), resumed, env_steps, next(resumed.algorithm.iterations()))


def test_each_iteration_reports_finite_metrics(trained):
  for report in [*trained.first, trained.following]:
    assert isinstance(report, types.Report)
    assert {'collect/return_mean', 'collect/env_steps_per_second'} <= set(report.metrics)
    assert all(np.isfinite(value) for value in report.metrics.values())
    assert all(isinstance(value, float) and '/' in name or name.startswith('MAML') for name, value in report.metrics.items())
    assert all(np.isfinite(value).all() for value in report.histograms.values())
  assert trained.following.histograms


def test_env_steps_are_those_of_the_stored_episodes(trained):
  assert trained.run.algorithm.env_steps > trained.env_steps > 0
  assert isinstance(trained.run.algorithm.env_steps, int)


def test_a_resumed_run_goes_on_with_the_same_numbers(trained):
  timed = lambda name: name.startswith('seconds/') or name.endswith('_per_second')
  assert set(trained.following.metrics) - set(trained.repeated.metrics) <= {n for n in trained.following.metrics if timed(n)}
  for name, value in trained.repeated.metrics.items():
    if not timed(name):
      assert value == trained.following.metrics[name], name
  for name, value in trained.repeated.histograms.items():
    np.testing.assert_array_equal(value, trained.following.histograms[name])
  changed = [name for name, value in trained.following.histograms.items() if not np.array_equal(value, trained.first[-1].histograms[name])]
  assert changed  # so that the comparison above says something


def test_all_that_is_random_is_in_the_state(trained):
  generators = [value for value in trained.run.algorithm.state._flatten(predicate=lambda v: isinstance(v, tf.random.Generator))]
  assert generators


def test_the_evaluation_policy_acts_alike_after_a_resume(trained):
  policy, other = trained.run.algorithm.evaluation_policy(), trained.resumed.algorithm.evaluation_policy()
  assert isinstance(policy, tf_policy.TFPolicy)
  time_step = first_time_step(trained.run)
  actions = [p.action(time_step, p.get_initial_state(time_step.reward.shape[0])).action.numpy() for p in (policy, policy, other)]
  np.testing.assert_array_equal(actions[0], actions[1])
  np.testing.assert_allclose(actions[0], actions[2], rtol=1e-5)
  policy.action_spec.is_compatible_with(tf.constant(actions[0][0]))


def test_policy_and_model_are_exported(trained, tmp_path):
  run = trained.run
  path = export.export(run.algorithm, run.driver.spec, run.config, tmp_path / 'exported')
  assert isinstance(run.algorithm.model_module(), tf.Module)
  time_step = first_time_step(run)
  batch = time_step.reward.shape[0]
  loaded = tf.saved_model.load(str(path / 'policy'))
  policy = run.algorithm.evaluation_policy()
  np.testing.assert_allclose(loaded.action(time_step, loaded.get_initial_state(batch)).action,
                             policy.action(time_step, policy.get_initial_state(batch)).action, atol=1e-5)
  assert tf.saved_model.load(str(path / 'model')).signatures
