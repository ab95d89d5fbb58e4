"""Values that cannot be used are refused, and named."""

import dataclasses
import math

import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2_config

NAN, INF = math.nan, math.inf
BAD = {
    'collect': {
        'random_env_steps': [0, 1.5], 'random_env_steps_max': [-1], 'random_at_bounds': [-0.1, 1.1],
        'random_holds': [(), (1, 0), (1.5,), 4],
        'env_steps_per_iteration': [0], 'curiosity': [-0.1, NAN, INF], 'pink_noise': [1]
    }, 'replay': {
        'batch_size': [0], 'horizon': [0], 'capacity': [-1], 'paid_share': [-0.1, 1.1],
        'cache_mib': [0]
    }, 'model': {
        'latent': [0, 12, -8], 'units': [0], 'encoder_layers': [-1], 'layers': [0],
        'image_channels': [0], 'frame_stack': [0], 'image_shift': [-1], 'angles': [1], 'bins': [2],
        'bin_limit': [0.0, INF, NAN], 'consistency_scale': [-1.0, NAN], 'reward_scale': [-1.0, INF],
        'value_scale': [-0.1], 'termination_scale': [-1.0], 'rho': [0.0, 1.1, NAN]
    }, 'value': {
        'members': [0], 'steps': [0, 2], 'policy_steps': [0, 5], 'returns': [0],
        'discount_episodes': [0.0, NAN], 'discount_min': [-0.1, 1.1, NAN],
        'discount_max': [1.0, 0.9, NAN], 'slow_rate': [0.0, 1.1, NAN]
    }, 'policy': {
        'sequence_stride': [0, 3], 'imagined_steps': [-1, 1.5],
        'enumerated_choices': [-1, 1.5], 'log_std_min': [-INF, NAN],
        'log_std_max': [-10.0, INF, NAN],
        'target_entropy': [INF, NAN], 'last_target_entropy': [-INF, NAN],
        'entropy_updates': [0, 1.5], 'target_entropy_share': [-0.1, 1.1, NAN],
        'last_target_entropy_share': [-0.1, 1.1, NAN],
        'entropy_rate': [-1e-3, NAN], 'entropy_scale': [0.0, INF], 'entropy_scale_min': [0.0, NAN],
        'entropy_scale_max': [0.0, INF, 1e-6], 'scale_rate': [0.0, 1.5]
    }, 'planner': {
        'samples': [-1, 2.5], 'rounds': [0], 'policy_samples': [-1, 65], 'elites': [0, 65],
        'min_std': [0.0, NAN], 'max_std': [0.0, INF,
                                           0.01], 'temperature': [0.0, NAN], 'evaluates_only': [2]
    }, 'learner': {
        'updates_per_decision': [0.0, NAN, INF], 'learning_rate': [0.0, -1.0],
        'gradient_clip': [0.0, NAN]
    }
}


def make():
  config = tdmpc2_config.TDMPC2Config()
  config.environment.name, config.planner.samples = 'toy:point_mass', 64
  return config


def test_each_field_has_a_value_that_is_refused():
  config = make()
  for part, fields in BAD.items():
    assert set(fields) == {field.name for field in dataclasses.fields(getattr(config, part))}, part
  assert set(BAD) | {'algorithm', 'environment', 'run'} == {
      field.name for field in dataclasses.fields(config)
  }


@pytest.mark.parametrize('part, name, value', [(part, name, value)
                                               for part, fields in BAD.items()
                                               for name, values in fields.items()
                                               for value in values])
def test_what_cannot_be_used_is_refused(part, name, value):
  config = make()
  setattr(getattr(config, part), name, value)
  with pytest.raises(errors.UserError,
                     match=rf'^config\.{part}\.{name} .*Received: {part}\.{name}='):
    config.validate()


def test_returns_beyond_the_horizon_are_refused():
  config = make()
  config.value.returns = 4
  with pytest.raises(errors.UserError, match='must fit into the horizon: their sum is at most 4'):
    config.validate()


def test_without_planning_its_sizes_do_not_matter():
  config = make()
  config.planner.samples, config.planner.elites, config.planner.policy_samples = 0, 1000, 1000
  config.validate()


def test_edges_that_can_be_used():
  config = make()
  model, value, planner = config.model, config.value, config.planner
  model.latent, model.bins, model.rho, model.encoder_layers = 8, 3, 1.0, 0
  value.members, value.slow_rate, value.discount_min, value.discount_max = 1, 1.0, 0.0, 0.0
  config.collect.random_holds, config.replay.horizon, config.policy.entropy_rate = (1,), 1, 0.0
  config.value.returns, config.value.policy_steps = 1, 2
  planner.policy_samples, planner.elites, planner.max_std = 64, 64, planner.min_std
  config.validate()


def test_numbers_of_the_paper_are_kept_where_nothing_is_said():
  config = make()
  config.validate()
  published = {
      'replay': {'horizon': 3}, 'model': {
          'bins': 101, 'bin_limit': 10.0, 'consistency_scale': 20.0, 'reward_scale': 0.1,
          'value_scale': 0.1, 'rho': 0.5, 'image_channels': 32, 'image_shift': 3
      }, 'value': {
          'discount_episodes': 5.0, 'discount_min': 0.95, 'discount_max': 0.995, 'slow_rate': 0.01
      }, 'policy': {
          'scale_rate': 0.01
      }, 'planner': {'policy_samples': 24, 'min_std': 0.05, 'max_std': 2.0,
                     'temperature': 0.5}, 'learner': {'learning_rate': 3e-4, 'gradient_clip': 20.0},
      'environment': {'action_repeat': 0}
  }
  for part, fields in published.items():
    for name, value in fields.items():
      assert getattr(getattr(config, part), name) == value, (part, name)
