"""A toy in under a minute: random data, then three iterations, with a checkpoint after each."""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  """Returns the config."""
  return mbmpo.MBMPOConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=3),
      run=base.RunConfig(env_steps=900, evaluate_every_env_steps=450, evaluate_episodes=2),
      collect=mbmpo.CollectConfig(random_env_steps=450, env_steps_per_iteration=150, capacity=2000),
      ensemble=mbmpo.EnsembleConfig(members=3, hidden_sizes=(32, 32), batch_size=50, max_epochs=20, persistence=0.8),
      imagination=mbmpo.ImaginationConfig(horizon=50, rollouts_per_task=10),
      meta=mbmpo.MetaConfig(updates_per_iteration=5, inner_lr=0.02, outer_lr=3e-3, kl_target=0.03, kl_coefficient=0.01))
