"""Cheetah-run from 64 x 64 pixels on a small machine: 100,000 env steps on two cores in about an hour.

What differs from dmc_walker_walk_small.py, and why:
  An action is held for 4 simulator steps, as PlaNet does on this task (arXiv:1811.04551), and the discount of a decision is 0.98. Half
  as many images are rendered.
  All of a batch's states are imagined from, and the actor's entropy is worth nothing, as published: from vectors, wider networks with
  these two learned faster on walker-walk.
"""

from configs.dreamer import dmc_walker_walk_small


def get_config():
  """Returns the config."""
  config = dmc_walker_walk_small.get_config()
  config.environment.name, config.environment.action_repeat = 'dmc:cheetah_run', 4
  config.behavior.discount, config.behavior.start_states, config.behavior.entropy_scale = 0.98, 0, 0.0
  return config
