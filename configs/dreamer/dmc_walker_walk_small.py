"""Walker-walk from 64 x 64 pixels on a small machine: 100,000 env steps on two cores in some hours.

What differs from dmc_walker_walk.py, and why:
  Convolutions are half as deep, heads, actor and value model half as wide, and a gradient step sees 16 sequences of 32
  steps, a fifth of the data. As published, there are 100 gradient steps per 1,000 env steps.
  With a tenth of the gradient steps in all, learning rates are larger, 1e-3 and 3e-4.
  Half of a batch's states are imagined from, and a nat of the actor's entropy is worth 0.01, as from vectors.
  The loss frees 1 nat instead of 3 and weighs the KL by 0.1; rewards count 10 times: there is one number a step, which is
  hardly heard beside 12,288 pixels.
"""

from configs.dreamer import dmc_walker_walk


def get_config():
  """Returns the config."""
  config = dmc_walker_walk.get_config()
  config.run.env_steps = 100_000
  config.replay.batch_size, config.replay.batch_length = 16, 32
  model, behavior = config.model, config.behavior
  model.image_depth, model.units, behavior.units = 16, 200, 200
  model.free_nats, model.kl_scale, model.reward_scale, model.learning_rate = 1.0, 0.1, 10.0, 1e-3
  behavior.actor_learning_rate = behavior.value_learning_rate = 3e-4
  behavior.start_states, behavior.entropy_scale = 256, 0.01
  return config
