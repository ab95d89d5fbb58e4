"""HalfCheetah at horizon 200 with the settings of RLlib's tuned example (tuned_examples/halfcheetah-mbmpo.yaml).

Published return at 100,000 env steps: 520 (RLlib), about 550 (authors). Where RLlib spreads 20 tasks over 5 members, each
member is one task here; and the adapted policies collect, as in the paper. The policy's last layer begins at a hundredth, as RLlib's
does (rllib/models/torch/fcnet.py, `normc_initializer(0.01)`).
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def get_config():
  """Returns the config."""
  return mbmpo.MBMPOConfig(
      environment=base.EnvironmentConfig(name='gym:HalfCheetah-v5', time_limit=200, num_envs=20),
      run=base.RunConfig(env_steps=100_000),
      collect=mbmpo.CollectConfig(random_env_steps=8000, env_steps_per_iteration=4000, capacity=10_000),
      ensemble=mbmpo.EnsembleConfig(members=5, hidden_sizes=(512, 512, 512), weight_normalization=True, persistence=0.95),
      policy=mbmpo.PolicyConfig(normalize_observations=False, output_scale=0.01),
      imagination=mbmpo.ImaginationConfig(horizon=200, rollouts_per_task=80, discount=0.99, gae_lambda=1.0),
      meta=mbmpo.MetaConfig(updates_per_iteration=15, inner_lr=1e-3, outer_lr=1e-3, outer_epochs=8, clip=0.5,
                            kl_target=3e-3, kl_coefficient=1e-10))
