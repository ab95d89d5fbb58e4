"""What is built for the published task has the published size."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import build
from mbrl_tf.algorithms.dreamer import config as dreamer_config


def test_walker_walk_from_pixels_has_the_published_numbers_of_parameters():
  """Inputs times outputs plus biases, layer by layer, of what arXiv:1912.01603 and its authors' code state."""
  spec = types.EnvironmentSpec(
      'dmc:walker_walk', types.ArraySpec((64, 64, 3), 'uint8'), types.ActionSpec(6), 1000, action_repeat=2)
  parts = build.Parts(dreamer_config.DreamerConfig(), spec, seed=0)
  dense = lambda *sizes: sum(inputs * outputs + outputs for inputs, outputs in zip(sizes, sizes[1:]))
  convolutions = lambda kernels, *channels: sum(
      kernel**2 * inputs * outputs + outputs for kernel, inputs, outputs in zip(kernels, channels, channels[1:]))
  rssm = (dense(30 + 6, 200) + 400 * 600 + 2 * 600 + dense(200, 200, 60)  # the GRU has two biases for each of three gates
          + dense(200 + 1024, 200, 60))
  encoder = convolutions([4] * 4, 3, 32, 64, 128, 256)
  decoder = dense(230, 1024) + convolutions([5, 5, 6, 6], 1024, 128, 64, 32, 3)
  expected = {'world_model': rssm + encoder + decoder + dense(230, 400, 400, 1), 'actor': dense(230, 400, 400, 400, 400, 2 * 6),
              'value': dense(230, 400, 400, 400, 1)}
  built = {name: sum(np.prod(variable.shape) for variable in getattr(parts, name).trainable_variables) for name in expected}
  assert built == expected == {'world_model': 5_296_820, 'actor': 578_412, 'value': 413_601}


def test_first_actions_have_the_deviation_of_the_config():
  spec = types.EnvironmentSpec('test', types.ArraySpec((4,), 'float32'), types.ActionSpec(2), 50)
  config = dreamer_config.DreamerConfig()
  config.behavior.initial_std = 0.7
  actor = build.Parts(config, spec, seed=0).actor
  for variable in actor.trainable_variables[-2:]:  # of the last layer: what is left is where the deviation begins
    variable.assign(tf.zeros_like(variable))
  assert actor(tf.ones([1, 230])).parameters['std'].numpy() == pytest.approx(0.7, abs=2e-4)


def test_random_actions_are_those_of_the_config():
  spec = types.EnvironmentSpec('test', types.ArraySpec((4,), 'float32'), types.ActionSpec(2), 50)
  config = dreamer_config.DreamerConfig()
  config.collect.random_action_hold, config.collect.random_actions_at_bounds = 1e6, True
  policy = build.Parts(config, spec, seed=0).random_policy
  observation = tf.zeros([100, 4])
  first = policy.action(ts.restart(observation, 100), policy.get_initial_state(100))
  second = policy.action(ts.transition(observation, tf.zeros([100])), first.state)
  assert set(np.unique(first.action)) == {-1.0, 1.0}
  np.testing.assert_array_equal(first.action, second.action)


def test_means_stay_within_the_bound_of_the_config():
  spec = types.EnvironmentSpec('test', types.ArraySpec((4,), 'float32'), types.ActionSpec(2), 50)
  config = dreamer_config.DreamerConfig()
  config.behavior.mean_scale = 2.0
  actor = build.Parts(config, spec, seed=0).actor
  actor.trainable_variables[-1].assign(tf.constant([1e3, -1e3, 0, 0]))
  np.testing.assert_allclose(actor(tf.ones([1, 230])).parameters['mean'], [[2, -2]], rtol=1e-6)
