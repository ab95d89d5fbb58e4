"""Hopper, which terminates when it falls. Settings of mujoco.py."""

from configs.mbmpo import mujoco


def get_config():
  """Returns the config."""
  config = mujoco.get_config()
  config.environment.name = 'gym:Hopper-v5'
  return config
