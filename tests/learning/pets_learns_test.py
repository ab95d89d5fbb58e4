"""PETS learns a toy: the whole algorithm, judged by the return of real episodes."""

from configs.pets import smoke
from tests.learning import dreamer_learns_test


def test_the_return_on_a_point_mass_clearly_beats_random_and_standing_still(tmp_path):
  """Random actions give about -40, none 17, the best nearly 50."""
  config = smoke.get_config()
  config.environment.num_envs = 4
  config.planner.horizon = 15
  curve = dreamer_learns_test.learning_curve(config, tmp_path, seed=1, iterations=3, enough=38)
  assert curve[0] < 17 and curve[-1] > 38, curve
