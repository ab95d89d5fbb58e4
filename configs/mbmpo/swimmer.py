"""Swimmer. Settings of halfcheetah.py, horizon 200."""

from configs.mbmpo import halfcheetah


def get_config():
  """Returns the config."""
  config = halfcheetah.get_config()
  config.environment.name = 'gym:Swimmer-v5'
  config.ensemble.angles = (0, 1, 2)
  return config
