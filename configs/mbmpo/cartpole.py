"""CartPole with discrete actions, episodes of at most 200 steps; a mean return of 195 counts as solved."""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  """Returns the config."""
  return mbmpo.MBMPOConfig(
      environment=base.EnvironmentConfig(name='gym:CartPole-v1', time_limit=200, num_envs=5),
      run=base.RunConfig(env_steps=8000, evaluate_every_env_steps=2000, evaluate_episodes=10),
      collect=mbmpo.CollectConfig(random_env_steps=500, env_steps_per_iteration=500, capacity=10_000),
      ensemble=mbmpo.EnsembleConfig(members=5, hidden_sizes=(64, 64), activation='swish', weight_normalization=False,
                                    observation_margin=0.5, batch_size=100, max_epochs=50, persistence=0.8),
      policy=mbmpo.PolicyConfig(normalize_observations=False),  # as it was measured
      imagination=mbmpo.ImaginationConfig(horizon=200, rollouts_per_task=20, discount=0.99, gae_lambda=0.95),
      meta=mbmpo.MetaConfig(updates_per_iteration=15, inner_lr=0.02, outer_lr=3e-3, kl_target=0.03, kl_coefficient=0.01))
