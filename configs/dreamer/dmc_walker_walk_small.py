"""Walker-walk from 64 x 64 pixels on a small machine: 100,000 env steps on two cores in some hours.

What differs from dmc_walker_walk.py, and why:
  Convolutions are half as deep, heads, actor and value model half as wide, and a gradient step sees 16 sequences of 32
  steps, a fifth of the data. As published, there are 100 gradient steps per 1,000 env steps.
  With a tenth of the gradient steps in all, learning rates are larger, 1e-3 and 3e-4.
  Half of a batch's states are imagined from, and a nat of the actor's entropy is worth 0.01.
  The loss frees 1 nat instead of 3 and weighs the KL by 0.1, in the prior's gradient by 1.
  Rewards count 100 times: there is one number a step, which is hardly heard beside 12,288 pixels. One run each: counted 10 times, and
  an entropy worth 0.03, the episodes from 13,000 to 28,000 env steps returned 88 on average and imagined returns stood still;
  as here 114, and 227 from 30,000 to 40,000.
  Imagined rewards and values are bounded by the range of the real rewards, widened by a quarter of it on both sides. Without that, and
  with the KL equal for prior and posterior, imagined returns rose to 1,900 in 24,000 env steps, where 200 is the most that there is,
  and all actions were at their bounds then.
  An evaluation is of 3 episodes instead of 10: to render those takes longer than to learn from 1,000 env steps.
"""

from configs.dreamer import dmc_walker_walk


def get_config():
  """Returns the config."""
  config = dmc_walker_walk.get_config()
  config.run.env_steps, config.run.evaluate_episodes = 100_000, 3
  config.replay.batch_size, config.replay.batch_length = 16, 32
  model, behavior = config.model, config.behavior
  model.image_depth, model.units, behavior.units = 16, 200, 200
  model.free_nats, model.kl_scale, model.kl_prior_weight = 1.0, 0.1, 10.0
  model.reward_scale, model.learning_rate = 100.0, 1e-3
  behavior.actor_learning_rate = behavior.value_learning_rate = 3e-4
  behavior.start_states, behavior.entropy_scale, behavior.reward_margin = 256, 0.01, 0.25
  return config
