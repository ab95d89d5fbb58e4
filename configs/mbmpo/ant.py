"""Ant without contact forces in the observation: 27 numbers that a model can learn instead of 105. Settings of mujoco.py."""

from configs.mbmpo import mujoco


def get_config():
  """Returns the config."""
  config = mujoco.get_config()
  config.environment.name = 'gym:Ant-v5'
  config.environment.kwargs = {'include_cfrc_ext_in_observation': False}
  return config
