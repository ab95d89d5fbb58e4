"""Every config that is delivered loads, validates, and fits its environment."""

import pathlib
import runpy

import pytest

from launchers import assembly
from mbrl_tf.training import run_directory

_ROOT = pathlib.Path(__file__).parent.parent
_FILES = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / 'configs').glob('*/*.py') if path.name != '__init__.py')


def test_there_are_configs():
  assert 'configs/mbmpo/halfcheetah.py' in _FILES and 'configs/mbmpo/smoke.py' in _FILES


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
