"""A toy in under a minute: random data, then three iterations that plan, each with a checkpoint."""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.pets import config as pets


def get_config():
  """Returns the config."""
  return pets.PETSConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=2),
      run=base.RunConfig(env_steps=700, evaluate_every_env_steps=300, evaluate_episodes=2),
      collect=pets.CollectConfig(
          random_env_steps=400, env_steps_per_iteration=100, capacity=2000),
      ensemble=pets.EnsembleConfig(
          members=2, hidden_sizes=(32, 32), batch_size=50, max_epochs=30, min_epochs=30),
      planner=pets.PlannerConfig(horizon=10, samples=64, rounds=3, elites=8, particles=2))
