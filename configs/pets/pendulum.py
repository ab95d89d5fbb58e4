"""Pendulum swing-up in 15 episodes, three of which are random. Settings of vectors.py.

Random actions return about -1200; a return of -300 or more counts as solved.
"""

from configs.pets import vectors


def get_config():
  """Returns the config."""
  config = vectors.get_config()
  config.environment.name = 'gym:Pendulum-v1'
  config.run.env_steps, config.run.evaluate_every_env_steps = 3000, 3000
  return config
