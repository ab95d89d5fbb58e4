"""What a dry run tells, worked out by hand, and that it leaves nothing behind."""

import os
import pathlib

from absl import flags
from absl.testing import flagsaver
import pytest
import tensorflow as tf

from benchmarks import dreamer, mbmpo, pets, tdmpc2
from launchers import dry_run, train
from mbrl_tf.algorithms.dreamer import config as dreamer_config
from mbrl_tf.algorithms.mbmpo import config as mbmpo_config
from mbrl_tf.algorithms.pets import config as pets_config
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2_config

_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')


def test_each_variable_is_counted_once_and_with_its_own_network():
  world, state, actor = tf.Module(), tf.Module(), tf.Module()
  world.encoder, world.decoders = tf.Module(), {'a': tf.Module()}
  world.encoder.w, world.decoders['a'].w = tf.Variable(tf.zeros([2, 3])), tf.Variable([1.0])
  actor.w, actor.counter = tf.Variable(tf.zeros([5])), tf.Variable(0, trainable=False)
  state.world, state.actor, state.learner = world, actor, tf.Module()
  state.learner.actor, state.learner.slow = actor, tf.Variable(tf.zeros([7]))
  assert dry_run.networks(state) == {
      'world.encoder': 6, 'world.decoders': 1, 'actor': 5, 'learner': 7}


def test_steps_of_a_whole_run():
  config = tdmpc2_config.TDMPC2Config()
  config.run.env_steps, config.environment.action_repeat = 1000, 2
  config.learner.updates_per_decision = 0.5
  assert tdmpc2.work(config) == {'update': 250, 'collect': 1000}
  config = dreamer_config.DreamerConfig()
  config.run.env_steps, config.collect.random_env_steps = 1000, 400
  config.learner.env_steps_per_gradient_step, config.learner.first_gradient_steps = 5.0, 100
  assert dreamer.work(config) == {'gradient_step': 100 + 120, 'collect': 1000}


def test_epochs_count_by_how_much_of_the_capacity_they_go_through():
  config = mbmpo_config.MBMPOConfig()
  config.run.env_steps, config.collect.random_env_steps = 300, 100
  config.collect.env_steps_per_iteration, config.collect.capacity = 100, 400
  config.collect.growth, config.ensemble.max_epochs = 0.6, 40
  config.meta.updates_per_iteration = 7
  # Fits on 100 and on 200 rows; the second iteration collects 0.6 * 200 instead of 100.
  assert mbmpo.work(config) == {
      'fit': pytest.approx(40 * 300 / 400), 'fit_outcomes': pytest.approx(40 * 300 / 400),
      'meta_update': 14, 'collect': 320}
  config = pets_config.PETSConfig()
  config.run.env_steps, config.environment.action_repeat = 300, 1
  config.collect.random_env_steps, config.collect.env_steps_per_iteration = 100, 100
  config.collect.capacity = 400
  epochs = pytest.approx(5 * (100 + 200) / 400)
  assert pets.work(config) == {'fit': epochs, 'fit_outcomes': epochs, 'collect': 300}


def test_a_dry_run_tells_sizes_and_time_and_writes_nothing(tmp_path, monkeypatch, capfd):
  monkeypatch.chdir(tmp_path)
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['train', f'--config={_CONFIG}', '--dry_run', f'--run_dir={tmp_path / "run"}'])
    assert train.main() is None
  told = capfd.readouterr().out
  # Two members of 6-8-4 with biases and gains of weight normalisation; a policy of 4-4-2 with
  # biases and deviations.
  assert f'ensemble {2 * (6 * 8 + 8 * 4 + 2 * 12)}, policy {4 * 4 + 4 * 2 + 6 + 2};' in told
  for topic in ('schedule', 'memory', 'time of collect', 'time in all'):
    assert f'\n{topic}' in told
  assert os.listdir(tmp_path) == []
