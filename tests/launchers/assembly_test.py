"""What is refused before anything is built for it."""

import pytest

from launchers import assembly
from mbrl_tf import errors
from mbrl_tf.training import run_directory
from tests.launchers import point_mass_config


def test_a_task_without_a_reward_function_is_refused_with_how_to_write_one(tmp_path):
  config = point_mass_config.get_config()
  config.environment.name = 'gym:Acrobot-v1'
  with pytest.raises(errors.UserError, match=r"(?s)def reward_function\(observation.*Received: environment='gym:Acrobot-v1'"):
    assembly.assemble(config, run_directory.RunDirectory(tmp_path))
