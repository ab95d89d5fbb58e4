"""Dreamer from vectors: one set of numbers for any task.

`--config.environment.name=` chooses the task. The pieces are DreamerV3's (Hafner et al. 2023,
arXiv:2301.04104) but for what mbrl_tf/algorithms/dreamer/README.md, *The recipe*, says; the
published Dreamer is published.py.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.dreamer import config as dreamer


def get_config():
  """Returns the config."""
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='dmc:walker_walk', action_repeat=0),
      run=base.RunConfig(
          env_steps=100_000, evaluate_every_env_steps=10_000, checkpoint_every_env_steps=5000),
      collect=dreamer.CollectConfig(
          random_env_steps=5000, random_env_steps_max=20_000, random_holds=(1, 2, 4, 8, 16, 32),
          random_at_bounds=0.75, env_steps_per_iteration=500, exploration_noise=0.0),
      replay=dreamer.ReplayConfig(
          batch_size=16, batch_length=32, newest_share=0.25, newest_rows=2000, paid_share=0.25),
      model=dreamer.ModelConfig(
          networks='normed', deterministic=200, stochastic=16, classes=8, hidden=128,
          image_depth=16, vector_layers=2, vector_units=128, measured_units=True,
          reward_layers=1, continuation=True, continuation_layers=1, units=128,
          vector_scale=2.0, continuation_scale=1.0, kl_scale=0.1, kl_prior_weight=10.0,
          free_nats=1.0, free_nats_each=True, learning_rate=6e-4),
      behavior=dreamer.BehaviorConfig(
          actor_layers=2, value_layers=2, units=128, gradient='auto', horizon=10,
          start_states=128, discount_episodes=5.0, normalize_returns=True,
          return_percentiles=True, entropy_scale=1e-3, slow_value_rate=0.02,
          replay_value_scale=0.3, actor_learning_rate=4e-4, value_learning_rate=6e-4),
      learner=dreamer.LearnerConfig(
          decisions_per_gradient_step=3.0, first_gradient_steps=500, adaptive_clip=0.3,
          warm_up_steps=300))
