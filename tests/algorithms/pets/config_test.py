"""Values that cannot be used are refused, and named."""

import math

import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms.pets import config as pets

NAN, INF = math.nan, math.inf
BAD = {
    'collect': {'random_env_steps': [0], 'random_holds': [(), (1, 0), 4],
                'env_steps_per_iteration': [0], 'capacity': [1]},
    'ensemble': {'members': [0], 'activation': ['sigmoid'], 'weight_decay': [-1.0]},
    'outcomes': {'learned': [1], 'hidden_sizes': [(0,)]},
    'planner': {'horizon': [0], 'samples': [0, 49], 'rounds': [0, 1.5], 'elites': [0, 501],
                'momentum': [-0.1, 1.0, NAN], 'initial_std': [0.0, 0.01, INF], 'min_std': [0.0, NAN],
                'particles': [0, 12], 'propagation': ['tsInf', '']}}


def make():
  config = pets.PETSConfig()
  config.environment.name = 'toy:point_mass'
  return config


@pytest.mark.parametrize('part, name, value', [
    (part, name, value) for part, fields in BAD.items() for name, values in fields.items()
    for value in values])
def test_what_cannot_be_used_is_refused(part, name, value):
  config = make()
  setattr(getattr(config, part), name, value)
  # What depends on another field may be told of that one.
  with pytest.raises(errors.UserError, match=rf'^config\.{part}\.\w+ .*Received: {part}\.\w+='):
    config.validate()


def test_edges_that_can_be_used():
  config = make()
  planner, config.ensemble.members = config.planner, 1
  planner.horizon = planner.samples = planner.elites = planner.particles = planner.rounds = 1
  planner.momentum, planner.initial_std, planner.propagation = 0.0, planner.min_std, 'ts1'
  config.validate()


def test_the_defaults_are_the_numbers_of_the_authors_code():
  """kchua/handful-of-trials: dmbrl/config/halfcheetah.py and default.py, misc/optimizers/cem.py,
  controllers/MPC.py."""
  config = make()
  config.validate()
  published = {
      'ensemble': {'members': 5, 'hidden_sizes': (200,) * 4, 'activation': 'swish',
                   'probabilistic': True, 'learning_rate': 1e-3, 'max_epochs': 5,
                   'batch_size': 32, 'bootstrap': True},
      'planner': {'horizon': 30, 'samples': 500, 'rounds': 5, 'elites': 50, 'momentum': 0.1,
                  'initial_std': 0.5, 'particles': 20, 'propagation': 'tsinf'}}
  for part, fields in published.items():
    for name, value in fields.items():
      assert getattr(getattr(config, part), name) == value, (part, name)
