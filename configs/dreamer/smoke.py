"""A toy from 16 x 16 images in under two minutes: random data, then three iterations, with a checkpoint after each."""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.dreamer import config as dreamer


def get_config():
  """Returns the config."""
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=2, observation='pixels', image_size=16),
      run=base.RunConfig(env_steps=1100, evaluate_every_env_steps=300, evaluate_episodes=2, evaluate_videos=True),
      collect=dreamer.CollectConfig(random_env_steps=500, env_steps_per_iteration=200),
      replay=dreamer.ReplayConfig(batch_size=8, batch_length=16, cache_mib=64),
      model=dreamer.ModelConfig(deterministic=32, stochastic=8, hidden=32, image_depth=8, units=32, free_nats=0.0, kl_scale=0.1,
                                image_scale=10.0, reward_scale=10.0, learning_rate=3e-3),
      behavior=dreamer.BehaviorConfig(actor_layers=2, value_layers=2, units=32, horizon=10),
      learner=dreamer.LearnerConfig(first_gradient_steps=200, env_steps_per_gradient_step=2.0))
