"""What the benchmark of Dreamer counts, worked out by hand."""

import numpy as np
import pytest

from benchmarks import dreamer
from mbrl_tf import assembly
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.dreamer import config as dreamer_config
from mbrl_tf.training import run_directory


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  """4 rows; D 3, S 2, hidden 4; encoder 16 -> 7 -> 2 with 1 and 2 channels, decoder 1 -> 6 -> 16; one layer of 5 in each head."""
  config = dreamer_config.DreamerConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=1, observation='pixels', image_size=16),
      collect=dreamer_config.CollectConfig(env_steps_per_iteration=50),
      replay=dreamer_config.ReplayConfig(batch_size=2, batch_length=2, cache_mib=1),
      model=dreamer_config.ModelConfig(deterministic=3, stochastic=2, hidden=4, image_depth=1, reward_layers=1, units=5),
      behavior=dreamer_config.BehaviorConfig(actor_layers=1, value_layers=1, units=5, horizon=3))
  run = assembly.assemble(config, run_directory.RunDirectory(tmp_path_factory.mktemp('run')))
  yield run, config
  run.environment.close()


def test_operations_of_a_gradient_step(built):
  run, config = built
  encoder = 4 * 4 * 3 * 1 * 7 * 7 + 4 * 4 * 1 * 2 * 2 * 2
  decoder = 5 * 32 + 6 * 6 * 32 * 1 * 1 * 1 + 6 * 6 * 1 * 3 * 6 * 6
  prior = 2 * 4 + 2 * 4 + (4 * 9 + 3 * 9) + 3 * 4 + 4 * 4
  posterior = 3 * 4 + 8 * 4 + 4 * 4
  head, actor = 5 * 5 + 5 * 1, 5 * 5 + 5 * 4
  rows = 4
  expected = {
      'images': 3 * rows * 2 * (encoder + decoder),
      'states': 3 * rows * 2 * (prior + posterior + head),
      'imagination': rows * 3 * 2 * (2 * prior + 2 * head + 3 * actor + 5 * head)}
  assert dreamer.flop_by_part(run.algorithm.state, config) == expected
  counted = dreamer.gradient_step(run, config)
  assert counted.flop == sum(expected.values())
  assert counted.run().shape == ()


@pytest.mark.parametrize('name', ['encoder', 'decoder', 'observe', 'imagination'])
def test_the_parts_of_a_gradient_step_are_run_and_counted(built, name):
  run, config = built
  whole, part = dreamer.flop_by_part(run.algorithm.state, config), dreamer.ALL[name](run, config)
  assert np.isfinite(part.run()) and 0 < part.flop < sum(whole.values())


def test_the_operations_of_the_parts_add_up_to_the_step(built):
  run, config = built
  whole, parts = dreamer.flop_by_part(run.algorithm.state, config), {
      name: dreamer.ALL[name](run, config).flop for name in ('encoder', 'decoder', 'observe', 'imagination')}
  assert parts['encoder'] + parts['decoder'] == whole['images']
  head = 2 * (5 * 5 + 5 * 1)
  assert parts['observe'] + 3 * 4 * head == whole['states']  # and the reward head
  assert parts['imagination'] + 4 * 3 * 3 * head == whole['imagination']  # and the value model's own gradient


def test_batches_are_drawn_from_real_episodes(built):
  counted = dreamer.sequences(*built)
  batches = counted.run()
  assert len(batches) == counted.units and batches[0].shape == (2, 2)
