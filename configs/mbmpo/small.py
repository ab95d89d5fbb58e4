"""One set of numbers for tasks that observe a few numbers: learned in minutes on two cores.

`--config.environment.name=` says which one. Members are small, and rollouts as long as episodes of
200 env steps. The numbers were found on Pendulum, and learn CartPole as they stand. mujoco.py is
for bodies with joints; it learns Pendulum too, and takes longer.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  """Returns the config."""
  return mbmpo.MBMPOConfig(
      environment=base.EnvironmentConfig(name='gym:Pendulum-v1', time_limit=200, num_envs=5),
      run=base.RunConfig(env_steps=10_000, evaluate_every_env_steps=3000, evaluate_episodes=5),
      collect=mbmpo.CollectConfig(
          random_env_steps=1000, env_steps_per_iteration=1000, capacity=10_000),
      ensemble=mbmpo.EnsembleConfig(
          members=5, hidden_sizes=(64, 64), activation='swish', weight_normalization=False,
          observation_margin=0.1, batch_size=100, max_epochs=50, persistence=0.8),
      policy=mbmpo.PolicyConfig(min_std=0.1),
      imagination=mbmpo.ImaginationConfig(
          horizon=200, rollouts_per_task=40, discount=0.97, gae_lambda=0.95,
          baseline_features=64),
      meta=mbmpo.MetaConfig(
          updates_per_iteration=20, inner_lr=0.02, outer_lr=2e-3, kl_target=0.03,
          kl_coefficient=0.03))
