"""Cheetah-run from vectors.

What differs from dmc_walker_walk_vectors.py, and why:
  An action is held for 4 simulator steps, as PlaNet does on this task (arXiv:1811.04551), and the discount of a decision is 0.98.
  Vectors count 20 times and rewards 10 times, as for dmc_cartpole_swingup_vectors.py. The posterior then keeps 17 to 22 nats a step
  that the prior has to foresee, so the KL moves the prior 10 times as much: 80 instead of 31 was collected between 10,000 and 18,000
  env steps.
  Networks are 128 wide, half of a batch's states are imagined from, and a nat of the actor's entropy is worth 0.01.
  The mean of an action before the tanh stays within +- 2, and the deviation begins at 1.
"""

from configs.dreamer import dmc_walker_walk_vectors


def get_config():
  """Returns the config."""
  config = dmc_walker_walk_vectors.get_config()
  model, behavior = config.model, config.behavior
  model.deterministic = model.hidden = model.vector_units = model.units = behavior.units = 128
  behavior.start_states = 256
  config.environment.name, config.environment.action_repeat = 'dmc:cheetah_run', 4
  model.vector_scale, model.reward_scale, model.kl_prior_weight = 20.0, 10.0, 10.0
  behavior.discount, behavior.mean_scale, behavior.initial_std, behavior.entropy_scale = 0.98, 2.0, 1.0, 0.01
  return config
