"""CartPole with discrete actions, episodes of at most 200 steps; a mean return of 195 counts as
solved.

All numbers are those of small.py.
"""

from configs.mbmpo import small


def get_config():
  """Returns the config."""
  config = small.get_config()
  config.environment.name = 'gym:CartPole-v1'
  return config
