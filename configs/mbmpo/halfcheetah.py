"""HalfCheetah at horizon 200, with fewer env steps than the published settings need.

What differs from halfcheetah_published.py, and why:
  The ensemble is refitted after every 1,000 env steps instead of 4,000, so that the policy cannot exploit a model for long.
  The policy sees normalised observations, and the penalty holds the KL of a meta-update near 0.03 nats instead of 0.003:
  with the published target the policy lags far behind what the models already know.
  Imagined observations stay near the range of the real ones: a rollout that runs away would dominate the advantages.
  Members have half the width and stop earlier, which costs little accuracy and makes a fit several times faster.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  """Returns the config."""
  return mbmpo.MBMPOConfig(
      environment=base.EnvironmentConfig(name='gym:HalfCheetah-v5', time_limit=200, num_envs=5),
      run=base.RunConfig(env_steps=100_000, checkpoint_every_env_steps=5000),
      collect=mbmpo.CollectConfig(random_env_steps=3000, env_steps_per_iteration=1000, capacity=30_000),
      ensemble=mbmpo.EnsembleConfig(members=5, hidden_sizes=(256, 256), weight_normalization=False, observation_margin=0.2,
                                    batch_size=250, max_epochs=30, persistence=0.8),
      policy=mbmpo.PolicyConfig(normalize_observations=True),
      imagination=mbmpo.ImaginationConfig(horizon=200, rollouts_per_task=20, gae_lambda=0.97),
      meta=mbmpo.MetaConfig(updates_per_iteration=10, inner_lr=0.02, kl_target=0.03, kl_coefficient=0.01))
