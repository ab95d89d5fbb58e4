"""Hopper at horizon 200 without early termination.

Settings of halfcheetah.py, which says how they differ from the published ones.
"""

from configs.mbmpo import halfcheetah, hopper_published


def get_config():
  """Returns the config."""
  config = halfcheetah.get_config()
  config.environment.name = 'gym:Hopper-v5'
  config.environment.kwargs = dict(hopper_published.NEVER_TERMINATES)
  return config
