"""Walker-walk from 64 x 64 pixels on a small machine: 100,000 env steps on two cores in some hours.

What differs from dmc_walker_walk.py, and why:
  Convolutions are half as deep and other layers half as wide, and a gradient step sees 16 sequences of 32 steps: 
  a fifth of the data in a tenth of the time. As published, there are 100 gradient steps per 1,000 env steps.
  With fewer gradient steps in all, learning rates are larger, 1e-3 and 3e-4.
  The loss frees 1 nat and weighs the KL by 0.1 where rewards, of which there is one number a step, count 10 times:
  beside the errors of 12,288 pixels they would not be heard. 
"""

from configs.dreamer import dmc_walker_walk


def get_config():
  """Returns the config."""
  config = dmc_walker_walk.get_config()
  config.run.env_steps = 100_000
  config.replay.batch_size, config.replay.batch_length = 16, 32
  model, behavior = config.model, config.behavior
  model.image_depth, model.units, behavior.units = 16, 200, 200
  model.free_nats, model.reward_scale, model.learning_rate = 1.0, 10.0, 1e-3
  behavior.actor_learning_rate = behavior.value_learning_rate = 3e-4
  return config
