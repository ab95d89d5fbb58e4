"""Dreamer learns a toy: the whole algorithm, judged by the return of real episodes."""

import itertools

import pytest

from configs.dreamer import vectors
from mbrl_tf.algorithms import base, catalog
from mbrl_tf.algorithms.dreamer import config as dreamer
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments


def from_vectors():
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='toy:point_mass', num_envs=4),
      collect=dreamer.CollectConfig(random_env_steps=1000, env_steps_per_iteration=200, exploration_noise=0.2),
      replay=dreamer.ReplayConfig(batch_size=16, batch_length=16, cache_mib=64),
      model=dreamer.ModelConfig(deterministic=32, stochastic=8, hidden=32, vector_layers=1, vector_units=32,
                                reward_layers=2, units=32, free_nats=0.5, kl_scale=0.1, learning_rate=3e-3),
      behavior=dreamer.BehaviorConfig(actor_layers=2, value_layers=2, units=32, horizon=10, actor_learning_rate=1e-3,
                                      value_learning_rate=3e-3),
      learner=dreamer.LearnerConfig(env_steps_per_gradient_step=3.3, first_gradient_steps=200))


def from_images():
  """A disc of 3 pixels is little of an image's likelihood, and a reward is one number beside 768: both count 10 times."""
  config = from_vectors()
  config.environment.observation, config.environment.image_size = 'pixels', 16
  model, behavior, settings = config.model, config.behavior, config.learner
  model.deterministic = model.hidden = model.units = behavior.units = 64
  model.image_depth, model.free_nats, model.image_scale, model.reward_scale = 8, 0.0, 10.0, 10.0
  behavior.discount = 0.95
  # An actor as fast as from vectors saturates on what an unlearned model promises, and takes half as long again to come back.
  behavior.actor_learning_rate = 3e-4
  settings.env_steps_per_gradient_step, settings.first_gradient_steps = 2.0, 400
  return config


def from_dicts_with_discrete_actions():
  """Episodes of a few decisions, which terminate where they are paid.

  With a discount of 0.99 all cells of a corridor are worth about as much, and the actor goes wrong again after 0.6.
  """
  config = from_vectors()
  config.environment.name = 'toy:corridor'
  config.model.continuation, config.model.continuation_layers = True, 1
  config.model.free_nats, config.model.vector_scale, config.model.reward_scale = 0.0, 10.0, 10.0
  config.behavior.discount, config.behavior.entropy_scale = 0.9, 0.01
  return config


def by_recipe(name, **kwargs):
  """The numbers of configs/dreamer/vectors.py but for sizes, lengths, and how often it learns."""
  config = vectors.get_config()
  config.environment = base.EnvironmentConfig(name=name, kwargs=kwargs, num_envs=4)
  collect, model, behavior = config.collect, config.model, config.behavior
  collect.random_env_steps, collect.env_steps_per_iteration = 1000, 200
  config.replay.batch_length, config.replay.newest_rows, config.replay.cache_mib = 8, 400, 64
  model.deterministic = model.hidden = model.vector_units = model.units = behavior.units = 32
  model.stochastic, model.classes, model.bins = 4, 4, 31
  behavior.horizon, behavior.start_states = 6, 64
  config.learner.decisions_per_gradient_step, config.learner.first_gradient_steps = 2.0, 200
  model.learning_rate = behavior.actor_learning_rate = behavior.value_learning_rate = 2e-3
  config.learner.warm_up_steps = 50
  return config


def learning_curve(config, folder, seed, iterations, enough):
  """Mean return of random episodes, then of what the actor collects, with its noise, in each iteration, up to two in a row of `enough`."""
  config.validate()
  settings = config.environment
  environment = environments.make(
      settings.name, settings.num_envs, seed, settings.kwargs, observation=settings.observation, image_size=settings.image_size)
  store = episodes.EpisodeStore(folder)
  driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
  algorithm = catalog.build(config, environment.spec, driver, store, seed)
  curve = []
  for report in itertools.islice(algorithm.iterations(), 1 + iterations):
    curve.append(report.metrics['collect/return_mean'])
    if min(curve[-2:]) > enough:
      break
  return curve


# Random actions give about -40, none 17, the best nearly 50.
@pytest.mark.long
def test_the_return_on_a_point_mass_clearly_beats_random_and_standing_still(tmp_path):
  curve = learning_curve(from_vectors(), tmp_path, seed=1, iterations=10, enough=25)
  assert curve[0] < 17 and min(curve[-2:]) > 25, curve


# Random actions give 0, the best 1; an episode ends in the pit with -1, or after 20 decisions with 0.
@pytest.mark.long
def test_the_goal_of_a_corridor_is_found_with_discrete_actions(tmp_path):
  curve = learning_curve(from_dicts_with_discrete_actions(), tmp_path, seed=1, iterations=8, enough=0.85)
  assert curve[0] < 0.5 and min(curve[-2:]) > 0.85, curve


@pytest.mark.long
def test_so_it_does_from_images(tmp_path):
  curve = learning_curve(from_images(), tmp_path, seed=1, iterations=16, enough=25)
  assert curve[0] < 17 and min(curve[-2:]) > 25, curve


# As from vectors, with rewards a thousandth, and observations a hundred thousand times as large.
def test_so_it_does_by_the_recipe_in_odd_units(tmp_path):
  config = by_recipe('tests.environments.user_environments:PointMassInUnits', reward=1e-3, unit=1e5)
  curve = learning_curve(config, tmp_path, seed=1, iterations=12, enough=0.025)
  assert curve[0] < 0.017 and min(curve[-2:]) > 0.025, curve


@pytest.mark.long
def test_the_goal_of_a_corridor_is_found_by_the_recipe(tmp_path):
  curve = learning_curve(by_recipe('toy:corridor'), tmp_path, seed=1, iterations=10, enough=0.85)
  assert curve[0] < 0.5 and min(curve[-2:]) > 0.85, curve
