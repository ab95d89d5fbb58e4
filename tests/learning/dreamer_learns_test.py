"""Dreamer learns a toy: the whole algorithm, judged by the return of real episodes."""

import itertools

from mbrl_tf.algorithms import base, catalog
from mbrl_tf.algorithms.dreamer import config as dreamer
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments


def make_config():
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=4),
      collect=dreamer.CollectConfig(random_env_steps=1000, env_steps_per_iteration=200, exploration_noise=0.2),
      replay=dreamer.ReplayConfig(batch_size=16, batch_length=16, cache_mib=64),
      model=dreamer.ModelConfig(deterministic=32, stochastic=8, hidden=32, vector_layers=1, vector_units=32,
                                reward_layers=2, units=32, free_nats=0.5, kl_scale=0.1, learning_rate=3e-3),
      behavior=dreamer.BehaviorConfig(actor_layers=2, value_layers=2, units=32, horizon=10, actor_learning_rate=1e-3,
                                      value_learning_rate=3e-3),
      learner=dreamer.LearnerConfig(env_steps_per_gradient_step=3.3, first_gradient_steps=200))


def learning_curve(folder, seed, iterations):
  """Mean return of random episodes, then of what the actor collects, with its noise, in each iteration."""
  config = make_config()
  config.validate()
  settings = config.environment
  environment = environments.make(settings.name, settings.num_envs, seed)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  algorithm = catalog.build(config, environment.spec, driver, store, seed)
  return [report.metrics['collect/return_mean'] for report in itertools.islice(algorithm.iterations(), 1 + iterations)]


def test_the_return_on_a_point_mass_clearly_beats_random_and_standing_still(tmp_path):
  """Random actions give about -60, none 17, the best nearly 50."""
  curve = learning_curve(tmp_path, seed=1, iterations=6)
  assert curve[0] < 17 and max(curve[-2:]) > 25, curve
