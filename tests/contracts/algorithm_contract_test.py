"""What the training loop relies on in every algorithm of the catalog, on its smoke configuration and variants of it."""

import contextlib
import importlib
import itertools
import json
import re
import shutil
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.algorithms import catalog
from mbrl_tf.data import episodes
from mbrl_tf.data import windows as windows_lib
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.drivers import offline_driver
from mbrl_tf.environments import catalog as environments
from mbrl_tf.training import export, inspector, lite, overview, serving


# Changes to the smoke configurations that save time here, where each action and each step is
# computed eagerly: few and short episodes, few steps of little depth.
SMALLER = {
    'mbmpo': {
        'environment.num_envs': 2, 'environment.time_limit': 10, 'collect.random_env_steps': 40,
        'collect.env_steps_per_iteration': 20, 'ensemble.members': 2,
        'ensemble.hidden_sizes': (8,), 'ensemble.batch_size': 10, 'ensemble.max_epochs': 2,
        'imagination.horizon': 4, 'imagination.rollouts_per_task': 4,
        'meta.updates_per_iteration': 1, 'meta.outer_epochs': 2},
    'dreamer': {
        # An episode of 19 decisions is the shortest that open loops are measured on.
        'environment.num_envs': 2, 'environment.time_limit': 20, 'collect.random_env_steps': 40,
        'collect.env_steps_per_iteration': 20, 'learner.env_steps_per_gradient_step': 40.0,
        'learner.first_gradient_steps': 2, 'replay.batch_size': 2, 'replay.batch_length': 4,
        'model.image_depth': 2, 'behavior.horizon': 2},
    # All are elites, for the reason told below.
    'pets': {
        'environment.time_limit': 5, 'collect.random_env_steps': 20,
        'collect.env_steps_per_iteration': 10, 'ensemble.max_epochs': 2, 'ensemble.min_epochs': 2,
        'outcomes.hidden_sizes': (4,), 'planner.horizon': 3, 'planner.rounds': 1,
        'planner.samples': 4, 'planner.elites': 4},
    'tdmpc2': {
        'environment.num_envs': 2, 'environment.time_limit': 8, 'collect.random_env_steps': 32,
        'collect.env_steps_per_iteration': 16, 'learner.updates_per_decision': 0.05,
        'replay.batch_size': 4, 'replay.horizon': 1, 'value.returns': 1,
        'policy.imagined_steps': 1, 'planner.rounds': 1, 'planner.samples': 12,
        # All are elites: of a model that has learned next to nothing, values differ by
        # rounding alone, which would decide who is one.
        'planner.elites': 12, 'planner.policy_samples': 4}}

# These refuse an action that is no member of their space in its very types.
NESTED_ACTIONS, SEVERAL_CHOICES = (
    {'environment.name': 'tests.environments.acting_environments:Acting',
     'environment.kwargs': {'kind': kind}} for kind in ('nested', 'table'))
# The pieces of configs/dreamer/vectors.py and pixels.py.
RECIPE = {
    'model.networks': 'normed', 'model.stochastic': 2, 'model.classes': 4, 'model.bins': 11,
    'model.measured_units': True, 'model.continuation': True, 'model.continuation_layers': 1,
    'model.vector_layers': 1, 'model.free_nats': 1.0, 'model.free_nats_each': True,
    'behavior.gradient': 'auto', 'behavior.discount_episodes': 5.0,
    'behavior.normalize_returns': True, 'behavior.return_percentiles': True,
    'behavior.slow_value_rate': 0.1, 'behavior.replay_value_scale': 0.3,
    'learner.adaptive_clip': 0.3, 'learner.warm_up_steps': 3, 'collect.random_env_steps_max': 60,
    'collect.random_holds': (1, 4), 'collect.random_at_bounds': 0.5,
    'collect.exploration_noise': 0.0, 'replay.newest_share': 0.5, 'replay.newest_rows': 30,
    'replay.paid_share': 0.5}
# Each kind of space, in one observation, and episodes whose length nobody tells.
EVERYTHING = {'environment.name': 'tests.environments.observation_kinds:Everything',
              'environment.num_envs': 2, 'environment.time_limit': 0,
              'environment.observation': 'vectors', 'environment.parallel': 'in_process',
              'collect.random_env_steps': 40, 'collect.env_steps_per_iteration': 20}
VARIANTS = {
    # What changes which variables there are, or which of them the next iteration reads: a resumed
    # run needs them all. Options that do not touch each other go together: each variant trains two
    # runs.
    ('mbmpo', 'two inner steps of a policy of observations as they are, noise'): {
        'meta.inner_steps': 2, 'policy.normalize_observations': False,
        'imagination.member_noise': True, 'imagination.baseline_features': 5},
    ('mbmpo', 'discrete actions'): {'environment.name': 'gym:CartPole-v1'},
    ('mbmpo', 'numbers and choices in a nest'): NESTED_ACTIONS,
    ('mbmpo', 'several choices'): SEVERAL_CHOICES,
    ('mbmpo', 'probabilistic members, collects with the meta-policy, all but images'): {
        **EVERYTHING, 'environment.kwargs': {'images': False},
        'collect.adapted': False, 'ensemble.probabilistic': True,
        'imagination.member_noise': True},
    ('dreamer', 'collects beside learning, from all that is observed'): {
        **EVERYTHING, 'collect.overlap': True,
        'learner.env_steps_per_gradient_step': 40.0, 'learner.first_gradient_steps': 1},
    # Episodes of 20 decisions at most, which terminate.
    ('dreamer', 'discrete actions, dicts of vectors and images'): {
        'environment.name': 'toy:corridor', 'environment.observation': 'both',
        'model.continuation': True, 'learner.env_steps_per_gradient_step': 5.0},
    ('dreamer', 'several choices'): {'environment.observation': 'vectors', **SEVERAL_CHOICES},
    ('dreamer', 'recipe, numbers and choices in a nest'): {
        'environment.observation': 'vectors', **RECIPE, **NESTED_ACTIONS},
    ('dreamer', 'recipe, discrete actions, dicts of vectors and images'): {
        **RECIPE, 'environment.name': 'toy:corridor',
        'learner.env_steps_per_gradient_step': 5.0,
        'environment.observation': 'both'},
    ('pets', 'another member at each decision, numbers and choices in a nest'): {
        **NESTED_ACTIONS, 'planner.propagation': 'ts1', 'planner.rounds': 2},
    ('tdmpc2', 'numbers and choices in a nest'): NESTED_ACTIONS,
    ('tdmpc2', 'several choices'): {**SEVERAL_CHOICES, 'planner.samples': 0},
    # Several frames, terminations in the planner, and choices in it.
    ('tdmpc2', 'discrete actions, dicts of vectors and images'): {
        'environment.name': 'toy:corridor', 'environment.observation': 'both',
        'environment.image_size': 40, 'environment.time_limit': 20, 'replay.horizon': 2},
    ('tdmpc2', 'no planner, five value models along the unroll, from all that is observed'): {
        **EVERYTHING, 'model.image_channels': 2, 'replay.horizon': 3, 'planner.samples': 0,
        'value.members': 5, 'value.steps': 3, 'value.policy_steps': 4}}

# What others hold almost alone too: numbers and choices in a nest hold several choices, and the
# recipe's discrete actions those of the published settings, and most of its other variant. What
# collects beside learning has tests of its own.
LONG = {('dreamer', 'collects beside learning, from all that is observed'),
        ('dreamer', 'recipe, numbers and choices in a nest'),
        ('mbmpo', 'several choices'), ('mbmpo', 'discrete actions'), ('dreamer', 'several choices'),
        ('dreamer', 'discrete actions, dicts of vectors and images'), ('tdmpc2', 'several choices')}


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
  evaluated: Any     # what the run's evaluation policy brought
  generators: Any    # states of the random generators: of both runs at their end, and of the second before it was restored


def configured(name, changes):
  """The smaller smoke config of an algorithm, with changes by the paths of its fields."""
  config = importlib.import_module(f'configs.{name}.smoke').get_config()
  for path, value in {**SMALLER.get(name, {}), **changes}.items():
    part, field = path.split('.')
    assert hasattr(getattr(config, part), field)
    setattr(getattr(config, part), field, value)
  config.validate()
  return config


def build(name, variant, folder, seed):
  config = configured(name, VARIANTS.get((name, variant), {}))
  settings = config.environment
  environment = environments.make(
      settings.name, settings.num_envs, 3, settings.kwargs, settings.time_limit,
      settings.env_steps_per_decision, settings.parallel,
      observation=settings.observation, image_size=settings.image_size, images=settings.images)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  return Run(catalog.build(config, environment.spec, driver, store, seed), driver, config)


def first_time_step(run):
  """Of all the run's environments, as tensors."""
  environment = run.driver.environment
  return ts.restart(tf.nest.map_structure(tf.constant, environment.reset().observation), environment.batch_size)


def generator_states(run):
  """Of all random generators that a checkpoint of the algorithm holds."""
  found = tf.train.TrackableView(run.algorithm.state).descendants()
  return [generator.state.numpy().tolist() for generator in found if isinstance(generator, tf.random.Generator)]


@contextlib.contextmanager
def eagerly():
  """Without compiling, which takes minutes; that compiled programs do the same is tested where they
  are."""
  tf.config.run_functions_eagerly(True)
  try:
    yield
  finally:
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope='module', ids=': '.join, params=[
    pytest.param(case, marks=[pytest.mark.long] if case in LONG else [])
    for case in [*((name, 'as it is') for name in catalog.names()), *VARIANTS]])
def trained(request, tmp_path_factory):
  # That compiled runs resume alike is tested where launchers are.
  with eagerly():
    return train_and_resume(*request.param, tmp_path_factory.mktemp(request.param[0]))


def train_and_resume(name, variant, folder):
  run = build(name, variant, folder / 'episodes', seed=1)
  reports = run.algorithm.iterations()
  first = list(itertools.islice(reports, 2))
  checkpoint = tf.train.Checkpoint(run.algorithm.state).write(str(folder / 'checkpoint'))
  counters = run.driver.environment.episode_counters
  shutil.copytree(folder / 'episodes', folder / 'copy')
  env_steps = run.algorithm.env_steps
  resumed = build(name, variant, folder / 'copy', seed=2)
  unrestored = generator_states(resumed)
  tf.train.Checkpoint(resumed.algorithm.state).read(checkpoint).assert_consumed()
  resumed.driver.environment.episode_counters = counters
  assert resumed.algorithm.env_steps == env_steps
  following, repeated = next(reports), next(resumed.algorithm.iterations())
  generators = {'run': generator_states(run), 'resumed': generator_states(resumed), 'unrestored': unrestored}
  evaluated = run.driver.collect_episodes(run.algorithm.evaluation_policy(), 1)
  return Trained(run, first, following, resumed, env_steps, repeated, evaluated, generators)


def test_each_iteration_reports_finite_metrics(trained):
  for report in [*trained.first, trained.following]:
    assert isinstance(report, types.Report)
    assert {'collect/return_mean', 'collect/env_steps_per_second'} <= set(report.metrics)
    assert all(np.isfinite(value) for value in report.metrics.values())
    assert all(isinstance(value, float) and '/' in name or name.startswith('MAML') for name, value in report.metrics.items())
    assert all(np.isfinite(value).all() for value in report.histograms.values())
  assert trained.following.histograms


def test_each_chart_of_the_overview_shows_some_of_what_is_reported(trained):
  told = {name for report in [*trained.first, trained.following] for name in report.metrics}
  for title, patterns in overview.CHARTS.items():
    if not title.startswith('seconds'):  # which the training loop adds
      assert any(re.match(pattern, name) for pattern in patterns for name in told), title
  # The others are the training loop's own.
  assert [tag[len('0_overview/'):] for tag, _, _ in overview.first_look(dict.fromkeys(told))] == [
      '1_return_collecting', '4_return_imagined', '5_error_of_model', '6_loss_of_model']


def test_env_steps_are_those_of_the_stored_episodes(trained):
  assert trained.run.algorithm.env_steps > trained.env_steps > 0
  assert isinstance(trained.run.algorithm.env_steps, int)


def test_each_simulator_takes_what_it_is_given(trained):
  for report in [*trained.first, trained.following]:
    assert report.metrics['collect/simulator_restarts'] == 0
  assert trained.evaluated.metrics['collect/simulator_restarts'] == 0
  # A reward function that reads actions is given those that the simulator took.
  assert trained.following.metrics.get('collect/reward_function_error', 0.0) < 1e-3


def test_a_resumed_run_goes_on_with_the_same_numbers(trained):
  timed = lambda name: name.startswith('seconds/') or name.endswith('_per_second')
  assert set(trained.following.metrics) - set(trained.repeated.metrics) <= {n for n in trained.following.metrics if timed(n)}
  for name, value in trained.repeated.metrics.items():
    if not timed(name):
      assert value == trained.following.metrics[name], name
  for name, value in trained.repeated.histograms.items():
    np.testing.assert_array_equal(value, trained.following.histograms[name])
  changed = [name for name, value in trained.following.histograms.items()
             if not np.array_equal(value, trained.first[-1].histograms[name])]
  assert changed  # so that the comparison above says something


def test_all_that_is_random_is_in_the_state(trained):
  run, resumed, unrestored = (trained.generators[which] for which in ('run', 'resumed', 'unrestored'))
  assert run == resumed and len(run) == len(unrestored) > 0
  assert all(state != other for state, other in zip(run, unrestored))


def test_the_evaluation_policy_acts_alike_after_a_resume(trained):
  policy = trained.run.algorithm.evaluation_policy()
  other = trained.resumed.algorithm.evaluation_policy()
  assert isinstance(policy, tf_policy.TFPolicy)
  time_step = first_time_step(trained.run)
  with eagerly():
    actions = [p.action(time_step, p.get_initial_state(time_step.reward.shape[0])).action.numpy()
               for p in (policy, policy, other)]
  np.testing.assert_array_equal(actions[0], actions[1])
  np.testing.assert_allclose(actions[0], actions[2], rtol=1e-5)
  spec = policy.action_spec
  assert all(spec.is_compatible_with(tf.constant(action)) for action in actions[0])
  assert (actions[0] >= spec.minimum).all() and (actions[0] <= spec.maximum).all()


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
  """The folder of the run's export."""
  run = trained.run
  return export.export(run.algorithm, run.driver.spec, run.config,
                       tmp_path_factory.mktemp('exports') / 'exported')


def test_policy_and_model_are_exported(trained, exported):
  run = trained.run
  assert isinstance(run.algorithm.model_module(), tf.Module)
  time_step = first_time_step(run)
  batch = time_step.reward.shape[0]
  loaded = tf.saved_model.load(str(exported / 'policy'))
  policy = run.algorithm.evaluation_policy()
  with eagerly():
    expected = policy.action(time_step, policy.get_initial_state(batch)).action
  np.testing.assert_allclose(
      loaded.action(time_step, loaded.get_initial_state(batch)).action, expected, atol=1e-5)
  assert tf.saved_model.load(str(exported / 'model')).signatures


def test_the_served_policy_takes_named_arrays_and_gives_the_simulators_actions(trained, exported):
  run = trained.run
  told = json.loads((exported / 'export.json').read_text())['serving']
  loaded = tf.saved_model.load(str(exported / 'serving' / str(run.algorithm.env_steps)))
  served = loaded.signatures['serving_default']
  assert set(served.structured_input_signature[1]) == set(told['inputs'])

  time_step = first_time_step(run)
  by_key = time_step.observation if isinstance(time_step.observation, dict) else {
      'observation': time_step.observation}
  rows = time_step.reward.shape[0]
  given = {name: by_key[described['key']] for name, described in told['inputs'].items()
           if 'key' in described}
  assert len(given) == len(by_key)
  states = {name for name in told['inputs'] if name.startswith('state_')}
  policy = run.algorithm.evaluation_policy()
  state = policy.get_initial_state(rows)
  assert len(states) == len(tf.nest.flatten(state)) and (len(told['inputs']) - len(given)
                                                         == len(states) + bool(states))
  # Where an episode begins, what is given of the state is not read.
  given.update({name: tf.cast(tf.fill([rows, *told['inputs'][name]['shape']], 7),
                              told['inputs'][name]['dtype']) for name in states})
  for is_first in (True, False):
    if states:
      given['is_first'] = tf.fill([rows], is_first)
    answer = served(**given)
    with eagerly():
      step = policy.action(time_step, state)
    assert {name: [value.shape[1:].as_list(), value.dtype.name] for name, value in answer.items()
            } == {name: [array['shape'], array['dtype']] for name, array in told['outputs'].items()}
    expected = serving.flat(run.driver.spec.simulator_action(step.action))
    assert len(answer) == len(expected) + len(states)
    for path, action in expected.items():
      name = '_'.join(['action', *path])
      np.testing.assert_allclose(answer[name], action, atol=1e-5)
      assert answer[name].dtype == action.dtype
    given.update({name: answer[name] for name in states})
    time_step, state = time_step._replace(step_type=tf.fill([rows], 1)), step.state


# Conversion takes seconds: what is there once of algorithms, kinds of observations, and of actions.
LITE = [('mbmpo', 'numbers and choices in a nest'), ('tdmpc2', 'several choices'),
        ('dreamer', 'discrete actions, dicts of vectors and images')]


@pytest.mark.parametrize('name, variant', LITE, ids=lambda value: value)
def test_the_policy_for_litert_gives_what_the_served_one_gives(name, variant, tmp_path):
  run = build(name, variant, tmp_path / 'episodes', seed=1)
  generator = np.random.default_rng(4)
  for variable in run.algorithm.state.variables:
    if variable.dtype.is_floating:  # as if it had learned something, normalizers included
      variable.assign_add(tf.cast(0.1 * abs(generator.normal(size=variable.shape)), variable.dtype))
  policy = run.algorithm.evaluation_policy()
  served = serving.ServedPolicy(policy, run.driver.spec, export._state(policy))
  content = lite.convert(served.function)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # of another package, to which its interpreter moves
    interpreter = tf.lite.Interpreter(model_content=content)
  converted = interpreter.get_signature_runner(lite.SIGNATURE)
  seen = first_time_step(run).observation
  by_key = seen if isinstance(seen, dict) else {'observation': seen}
  rows, given = run.driver.environment.batch_size, {}
  for name, array in served.inputs.items():
    if 'key' in array:
      given[name] = by_key[array['key']].numpy()
    elif name == 'is_first':
      given[name] = np.arange(rows) > 0
    else:
      given[name] = generator.normal(size=[rows, *array['shape']]).astype(array['dtype'])
  for _ in range(2):
    expected = served.function(**{name: tf.constant(value) for name, value in given.items()})
    found = converted(**{
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in given.items()})
    assert set(found) == set(expected)
    for name, value in expected.items():
      np.testing.assert_allclose(found[name], value, atol=1e-5, rtol=1e-5)
      assert found[name].dtype in (value.dtype.as_numpy_dtype, np.float32)
    given.update({name: value.numpy() for name, value in expected.items() if name in given})


# What is there once of algorithms, and of kinds of observations and actions.
PREDICTED = [*((name, 'as it is') for name in catalog.names()),
             ('mbmpo', 'numbers and choices in a nest'),
             ('mbmpo', 'probabilistic members, collects with the meta-policy, all but images'),
             ('dreamer', 'discrete actions, dicts of vectors and images'),
             ('tdmpc2', 'discrete actions, dicts of vectors and images')]


@pytest.mark.parametrize('name, variant', PREDICTED, ids=lambda value: value)
def test_the_model_predicts_real_episodes(name, variant, tmp_path):
  run = build(name, variant, tmp_path / 'episodes', seed=1)
  held = run.driver.collect_episodes(run.algorithm.state.random_policy, 2).episodes
  predictor = run.algorithm.predictor()
  with eagerly():
    findings = inspector.inspect(predictor, {'newest': inspector.Group(held, False)}, horizon=3)
    length = findings.windows.reward.shape[1]  # less where episodes are shorter
    windows = tf.nest.map_structure(lambda value: value[:2], findings.windows)
    places = windows_lib.known(held, len(findings.windows.reward), predictor.shown, length)[:2]
    shorter = predictor.predict(windows_lib.cut(places, predictor.shown, 1), (4, 2))
    rewards, survival = predictor.act(windows, length, (4, 2))
  for way, found in findings.predictions.items():
    members, parts, _, size = found.state.shape
    assert found.real_state.shape == (parts, 1 + length, size)
    assert found.reward.shape == found.going.shape == (members, parts, length)
    assert found.std is None or found.std.shape == (members, parts, size)
    assert len(found.entries) <= size and ((found.going >= 0) & (found.going <= 1)).all()
    assert all(np.isfinite(value).all() for value in (found.state, found.real_state, found.reward))
    # What comes later is not looked at.
    np.testing.assert_allclose(found.real_state[:2, :2], shorter[way].real_state, atol=1e-5)
  plain = next(iter(findings.predictions))
  if findings.predictions[plain].std is not None:  # nothing is drawn
    np.testing.assert_allclose(
        findings.predictions[plain].state[:, :2, :1], shorter[plain].state, atol=1e-4)
  assert rewards.shape == survival.shape == (len(shorter[plain].state), 2, length)
  assert np.isfinite(rewards).all() and (survival[..., 0] == 1).all()
  assert ((survival >= 0) & (np.diff(survival, axis=-1, prepend=1) <= 1e-6)).all()
  json.dumps(inspector.told(findings), allow_nan=False)


@pytest.fixture(scope='module', params=[
    ('mbmpo', 'discrete actions'), ('dreamer', 'several choices'), ('tdmpc2', 'several choices'),
    ('pets', 'as it is')],
                ids=': '.join)
def offline(request, tmp_path_factory):
  """An algorithm that learned from episodes that were there, one that goes on from its checkpoint,
  and what both reported."""
  tf.config.run_functions_eagerly(True)
  folder = tmp_path_factory.mktemp(request.param[0])
  try:
    run = build(*request.param, folder / 'episodes', seed=1)
    imported = run.driver.collect(run.algorithm.state.random_policy, 60)
    files = {file: file.read_bytes() for file in (folder / 'episodes').iterdir()}
    learn = lambda seed: catalog.build(
        run.config, run.driver.spec, offline_driver.OfflineDriver(run.driver.spec),
        episodes.EpisodeStore(folder / 'episodes'), seed)
    algorithm = learn(1)
    before = [variable.numpy() for variable in algorithm.state.trainable_variables]
    reports = algorithm.iterations()
    first = list(itertools.islice(reports, 2))
    checkpoint = tf.train.Checkpoint(algorithm.state).write(str(folder / 'checkpoint'))
    resumed = learn(2)
    tf.train.Checkpoint(resumed.state).read(checkpoint).assert_consumed()
    following, repeated = next(reports), next(resumed.iterations())
    assert {file: file.read_bytes() for file in (folder / 'episodes').iterdir()} == files
    yield run.config, algorithm, imported, before, first, following, repeated
  finally:
    tf.config.run_functions_eagerly(False)


def test_what_is_there_is_learned_from_and_nothing_collected(offline):
  config, algorithm, _, before, first, following, _ = offline
  learned = {name: value for report in [*first, following] for name, value in report.metrics.items()}
  assert all(np.isfinite(value) for value in learned.values())
  assert not {'collect/return_mean', 'collect/env_steps_per_second'} & set(learned)
  assert any('loss' in name for name in learned)
  changed = [not np.array_equal(was, variable) for was, variable in zip(
      before, algorithm.state.trainable_variables)]
  assert any(changed)
  # As much as if the first random env steps and those of two iterations had been collected.
  collect = config.collect
  assert algorithm.env_steps == collect.random_env_steps + 2 * collect.env_steps_per_iteration


def test_offline_too_a_resumed_run_goes_on_with_the_same_numbers(offline):
  *_, following, repeated = offline
  for name, value in repeated.metrics.items():
    if not name.startswith('seconds/'):
      assert value == following.metrics[name], name
  assert set(repeated.metrics) == set(following.metrics)


def test_what_was_imported_counts_in_what_is_known_of_rewards(offline):
  config, algorithm, imported, *_ = offline
  rewards = np.concatenate([episode.reward for episode in imported.episodes])
  known = {'dreamer': lambda: algorithm.state.learner.reward_range.numpy(),
           'tdmpc2': lambda: algorithm.state.survey.reward_range.numpy(),
           **dict.fromkeys(('mbmpo', 'pets'), lambda: [rewards.min(), rewards.max()])}[config.algorithm]()
  assert known[0] <= rewards.min() and known[1] >= rewards.max()
