"""Values that cannot be used are refused, and named."""

import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms.dreamer import config as dreamer_config

BAD = [('collect', 'random_env_steps', 0), ('collect', 'env_steps_per_iteration', -1), ('collect', 'exploration_noise', -0.1),
       ('collect', 'random_action_hold', 0.5),
       ('replay', 'batch_size', 0), ('replay', 'batch_length', 1), ('replay', 'capacity', -1), ('replay', 'cache_mib', 0),
       ('model', 'deterministic', 0), ('model', 'stochastic', 0), ('model', 'free_nats', -1.0), ('model', 'kl_scale', -1.0),
       ('model', 'kl_prior_weight', -1.0),
       ('model', 'learning_rate', 0.0), ('model', 'vector_layers', -1), ('behavior', 'horizon', 0), ('behavior', 'discount', 1.1),
       ('behavior', 'initial_std', 0.0),
       ('behavior', 'entropy_scale', -1.0), ('behavior', 'start_states', -1), ('behavior', 'start_states', 2501),
       ('behavior', 'lambda_', -0.1), ('behavior', 'actor_learning_rate', 0.0), ('learner', 'env_steps_per_gradient_step', 0.0),
       ('collect', 'random_env_steps_max', -1), ('collect', 'random_holds', (2, 0)),
       ('collect', 'random_at_bounds', 1.5), ('replay', 'newest_share', 1.1),
       ('replay', 'paid_share', -0.1),
       ('replay', 'newest_rows', 0), ('model', 'networks', 'large'), ('model', 'classes', 1),
       ('model', 'uniform_share', -0.1), ('model', 'bins', 2), ('model', 'bin_limit', 0.0),
       ('behavior', 'least_std', 0.0), ('behavior', 'gradient', 'both'),
       ('behavior', 'discount_episodes', -1.0), ('behavior', 'discount_max', 1.2),
       ('behavior', 'discount_min', 0.999), ('behavior', 'return_percentiles', 'yes'),
       ('behavior', 'slow_value_rate', 1.5), ('behavior', 'slow_value_scale', -1.0),
       ('behavior', 'replay_value_scale', -1.0), ('learner', 'decisions_per_gradient_step', -1.0),
       ('learner', 'adaptive_clip', -1.0), ('learner', 'warm_up_steps', -1),
       ('learner', 'first_gradient_steps', -1), ('learner', 'gradient_clip', 0.0), ('learner', 'precision', 'float8')]


def make():
  config = dreamer_config.DreamerConfig()
  config.environment.name = 'toy:point_mass'
  return config


def test_the_defaults_are_the_published_values():
  config = make()
  config.validate()
  published = {
      ('model', 'deterministic'): 200, ('model', 'stochastic'): 30, ('model', 'hidden'): 200, ('model', 'image_depth'): 32,
      ('model', 'units'): 400, ('model', 'free_nats'): 3.0,
      ('model', 'kl_prior_weight'): 1.0, ('model', 'learning_rate'): 6e-4, ('model', 'continuation_scale'): 10.0,
      ('behavior', 'horizon'): 15, ('behavior', 'discount'): 0.99, ('behavior', 'lambda_'): 0.95,
      ('behavior', 'initial_std'): 5.0, ('behavior', 'entropy_scale'): 0.0,
      ('behavior', 'actor_learning_rate'): 8e-5, ('behavior', 'value_learning_rate'): 8e-5, ('replay', 'batch_size'): 50,
      ('replay', 'batch_length'): 50, ('learner', 'gradient_clip'): 100.0, ('learner', 'env_steps_per_gradient_step'): 10.0,
      ('collect', 'random_env_steps'): 5000, ('collect', 'random_action_hold'): 1.0,
      ('collect', 'random_actions_at_bounds'): False, ('behavior', 'normalize_returns'): False,
      ('collect', 'exploration_noise'): 0.3, ('environment', 'action_repeat'): 2}
  for (part, name), value in published.items():
    assert getattr(getattr(config, part), name) == value, (part, name)


@pytest.mark.parametrize('part, name, value', BAD)
def test_what_cannot_be_used_is_refused(part, name, value):
  config = make()
  setattr(getattr(config, part), name, value)
  with pytest.raises(errors.UserError, match=rf'^config\.{part}\.{name} .*Received: {part}\.{name}='):
    config.validate()


@pytest.mark.parametrize('changes, refused', [
    ({'model.networks': 'normed', 'learner.precision': 'bfloat16'}, 'learner.precision'),
    ({'model.measured_units': True, 'behavior.reward_margin': 0.5}, 'behavior.reward_margin'),
    ({'model.measured_units': True, 'model.vector_symlog': True}, 'model.vector_symlog'),
    ({'behavior.return_percentiles': True}, 'behavior.normalize_returns'),
    ({'collect.random_actions_at_bounds': True, 'collect.random_at_bounds': 0.5},
     'collect.random_at_bounds')])
def test_what_does_not_fit_together_is_refused(changes, refused):
  config = make()
  for path, value in changes.items():
    part, name = path.split('.')
    setattr(getattr(config, part), name, value)
  with pytest.raises(errors.UserError, match=rf'^config\.{refused} .*Received: {refused}='):
    config.validate()


def test_gradient_steps_are_counted_in_env_steps_or_in_decisions():
  config = make()
  config.learner.env_steps_per_gradient_step = 7.0
  assert config.env_steps_per_gradient_step == 7
  config.learner.decisions_per_gradient_step = 4.0
  for repeat, name, expected in (
      (3, 'toy:point_mass', 12), (0, 'dmc:walker_walk', 8), (0, 'gym:Hopper-v5', 4)):
    config.environment.action_repeat, config.environment.name = repeat, name
    assert config.env_steps_per_gradient_step == expected
