"""A toy in under a minute: random data, then three iterations that plan, each with a checkpoint."""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2


def get_config():
  """Returns the config."""
  return tdmpc2.TDMPC2Config(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=2),
      run=base.RunConfig(
          env_steps=1100, evaluate_every_env_steps=300, evaluate_episodes=2, evaluate_videos=True),
      collect=tdmpc2.CollectConfig(random_env_steps=500, env_steps_per_iteration=200),
      replay=tdmpc2.ReplayConfig(batch_size=64, cache_mib=64),
      model=tdmpc2.ModelConfig(latent=32, units=32),
      planner=tdmpc2.PlannerConfig(samples=64, rounds=2, policy_samples=16, elites=16))
