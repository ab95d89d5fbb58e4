"""TD-MPC2 learns a toy: the whole algorithm, judged by the return of real episodes."""

import pytest

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2
from tests.learning import dreamer_learns_test


def small(name, **kwargs):
  """Small nets, no planner."""
  return tdmpc2.TDMPC2Config(
      environment=base.EnvironmentConfig(name=name, kwargs=kwargs, num_envs=4, action_repeat=1),
      collect=tdmpc2.CollectConfig(random_env_steps=1000, env_steps_per_iteration=200),
      replay=tdmpc2.ReplayConfig(batch_size=64, cache_mib=64),
      model=tdmpc2.ModelConfig(latent=32, units=32))


# Random actions give about -40 for each unit of reward, none 17, the best nearly 50.
def test_the_return_on_a_point_mass_clearly_beats_random_and_standing_still_in_odd_units(tmp_path):
  reward = 1e-3
  config = small(
      'tests.environments.user_environments:PointMassInUnits', reward=reward, unit=1e5)
  curve = dreamer_learns_test.learning_curve(config, tmp_path, seed=1, iterations=10,
                                             enough=25 * reward)
  assert curve[0] < 17 * reward and min(curve[-2:]) > 25 * reward, curve


# Random actions give 0, the best 1; an episode ends in the pit with -1, or at last with 0.
@pytest.mark.long
def test_the_goal_of_a_corridor_is_found_with_discrete_actions(tmp_path):
  curve = dreamer_learns_test.learning_curve(small('toy:corridor'), tmp_path, seed=1, iterations=8,
                                             enough=0.85)
  assert curve[0] < 0.5 and min(curve[-2:]) > 0.85, curve


# Random actions give at most 1.1; the right choice alone 5, the right number alone 3.3, both 10.
@pytest.mark.long
def test_a_number_and_a_choice_that_need_each_other_are_learned_together(tmp_path):
  config = small('tests.environments.acting_environments:Matching')
  # What is shown next has nothing to do with what was done: there is nothing to imagine.
  config.replay.horizon, config.value.returns, config.policy.imagined_steps = 1, 1, 0
  config.learner.learning_rate = 1e-3
  curve = dreamer_learns_test.learning_curve(config, tmp_path, seed=1, iterations=4, enough=7.5)
  assert curve[0] < 2 and min(curve[-2:]) > 7.5, curve
