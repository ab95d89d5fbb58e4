"""Pendulum swing-up in two to four minutes on two cores: the example to start with.

All numbers are those of small.py. Random actions return about -1200; a return of -300 or more
counts as solved.
"""

from configs.mbmpo import small


def get_config():
  """Returns the config."""
  config = small.get_config()
  config.environment.name = 'gym:Pendulum-v1'
  return config
