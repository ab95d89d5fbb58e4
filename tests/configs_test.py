"""Every config that is delivered loads, validates, and fits its environment."""

import pathlib
import runpy

import pytest

from mbrl_tf import assembly
from mbrl_tf.training import run_directory

_ROOT = pathlib.Path(__file__).parent.parent
_FILES = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / 'configs').glob('*/*.py') if path.name != '__init__.py')


def test_there_are_configs():
  assert 'configs/mbmpo/halfcheetah.py' in _FILES and 'configs/mbmpo/smoke.py' in _FILES


def test_the_published_config_of_dreamer_is_the_published_one():
  """Against the authors' code (github.com/danijar/dreamer, `define_config`, for DM Control), but for the float16 that it sets for GPUs."""
  values = run_directory.config_to_dict(runpy.run_path(str(_ROOT / 'configs/dreamer/published.py'))['get_config']())
  expected = {
      'environment': {'name': 'dmc:walker_walk', 'observation': 'pixels', 'image_size': 64, 'action_repeat': 2, 'time_limit': 0,
                      'num_envs': 1},
      'collect': {'random_env_steps': 5000, 'random_action_hold': 1.0, 'random_actions_at_bounds': False,
                  'env_steps_per_iteration': 1000, 'exploration_noise': 0.3, 'overlap': False},
      'replay': {'batch_size': 50, 'batch_length': 50, 'capacity': 0},
      'model': {'deterministic': 200, 'stochastic': 30, 'hidden': 200, 'image_depth': 32, 'reward_layers': 2, 'units': 400,
                'continuation': False, 'image_scale': 1.0, 'reward_scale': 1.0, 'kl_scale': 1.0, 'kl_prior_weight': 1.0,
                'free_nats': 3.0, 'learning_rate': 6e-4},
      'behavior': {'actor_layers': 4, 'value_layers': 3, 'units': 400, 'initial_std': 5.0, 'mean_scale': 5.0, 'horizon': 15,
                   'start_states': 0, 'discount': 0.99, 'lambda_': 0.95, 'reward_margin': 0.0, 'normalize_returns': False,
                   'entropy_scale': 0.0, 'actor_learning_rate': 8e-5, 'value_learning_rate': 8e-5},
      'learner': {'env_steps_per_gradient_step': 10.0, 'first_gradient_steps': 100, 'gradient_clip': 100.0}}
  assert {part: {field: values[part][field] for field in fields} for part, fields in expected.items()} == expected


@pytest.mark.parametrize('path', _FILES)
def test_a_config_loads_validates_and_builds_its_algorithm(path, tmp_path):
  config = runpy.run_path(str(_ROOT / path))['get_config']()
  config.validate()
  assert config.algorithm == pathlib.Path(path).parent.name
  run = assembly.assemble(config, run_directory.RunDirectory(tmp_path), num_envs=1)
  run.environment.close()
  assert run.environment.spec.name == config.environment.name
  assert run.environment.spec.time_limit == (config.environment.time_limit or run.environment.spec.time_limit)
  assert run.algorithm.env_steps == 0 and run.algorithm.state.variables
  values = run_directory.config_to_dict(config)
  assert run_directory.config_to_dict(run_directory.config_from_dict(type(config), values)) == values
