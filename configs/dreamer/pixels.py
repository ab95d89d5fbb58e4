"""Dreamer from 64x64 pixels: one set of numbers for any task.

`--config.environment.name=` chooses the task. Beside vectors.py there are convolutions of half the
published depth, which take most of the time of a gradient step.
"""

from configs.dreamer import vectors


def get_config():
  """Returns the config."""
  config = vectors.get_config()
  config.environment.observation = 'pixels'
  config.run.evaluate_every_env_steps, config.run.evaluate_episodes = 20_000, 3
  config.model.image_depth = 16
  return config
