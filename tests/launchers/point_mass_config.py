"""A run of seconds, most of which compile: what the tests of the launchers start."""

from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  config = mbmpo.MBMPOConfig()
  config.environment.name = 'toy:point_mass'
  config.environment.num_envs = 2
  config.run.env_steps = 200
  config.run.evaluate_every_env_steps = 100
  config.run.evaluate_episodes = 2
  config.collect.random_env_steps = 100
  config.collect.env_steps_per_iteration = 100
  config.ensemble.members = 2
  config.ensemble.hidden_sizes = (8,)
  config.ensemble.max_epochs = 2
  config.policy.hidden_sizes = (4,)
  config.imagination.horizon = 3
  config.imagination.rollouts_per_task = 2
  config.meta.updates_per_iteration = 1
  config.meta.outer_epochs = 1
  return config
