"""How much is learned when, what is warned of, and that the same seed gives the same first weights."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import build
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.dreamer import small


@pytest.fixture(autouse=True)
def eagerly():
  """To compile a step takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(folder, num_envs, task='toy:point_mass', **changes):
  config = small.config(**{'replay__batch_size': 2, 'replay__batch_length': 4, 'behavior__horizon': 2, 'model__continuation': False,
                           'collect__random_env_steps': 100, 'collect__env_steps_per_iteration': 50, **changes})
  environment = environments.make(task, num_envs, seed=1)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  return build.build(config, environment.spec, driver, store, 1)


@pytest.mark.parametrize('num_envs, collected', [(1, 50), (3, 150)])
@pytest.mark.parametrize('first', [0, 3])
def test_the_ratio_of_training_to_acting_holds_however_much_is_collected(num_envs, collected, first, tmp_path):
  algorithm = make(tmp_path, num_envs, learner__first_gradient_steps=first, learner__env_steps_per_gradient_step=25.0)
  reports = list(itertools.islice(algorithm.iterations(), 4))
  # Three environments take whole episodes of 50 steps each, also where 50 were asked for.
  taken = [report.metrics['learn/gradient_steps'] for report in reports[1:]]
  assert taken == [first + iteration * collected / 25 for iteration in range(3)]
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
