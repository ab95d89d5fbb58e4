"""Ant without contact forces in the observation: 27 numbers that a model can learn instead of 105.

Settings of halfcheetah.py, horizon 200.
"""

from configs.mbmpo import halfcheetah


def get_config():
  """Returns the config."""
  config = halfcheetah.get_config()
  config.environment.name = 'gym:Ant-v5'
  config.environment.kwargs = {'include_cfrc_ext_in_observation': False}
  config.ensemble.angles = tuple(range(5, 13))
  return config
