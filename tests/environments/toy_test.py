"""The toys against numbers worked by hand."""

import numpy as np
import pytest

from mbrl_tf.environments import toy


def test_point_mass_moves_as_worked_by_hand():
  env = toy.PointMass(start_radius=0.0)
  observation, _ = env.reset(seed=0)
  assert observation.tolist() == [0, 0, 0, 0]
  observation, reward, _, _, _ = env.step(np.array([1.0, -0.5]))
  # velocity = 0.1 * 4 * action; position = 0.1 * velocity.
  assert observation == pytest.approx([0.04, -0.02, 0.4, -0.2])
  assert reward == pytest.approx(1 - 0.04 ** 2 - 0.02 ** 2 - 0.05 * 1.25)
  observation, _, _, _, _ = env.step(np.zeros(2))
  assert observation == pytest.approx([0.04 + 0.036, -0.02 - 0.018, 0.36, -0.18])


def test_point_mass_is_drawn_where_it_is():
  env = toy.PointMass('rgb_array', start_radius=0.0)
  env.reset(seed=0)
  env._position = np.array([1.0, 1.0])
  frame = env.render()
  red = np.argwhere((frame == (200, 40, 40)).all(-1)).mean(0)
  # The frame shows [-2, 2] in 64 pixels: x = 1 is column 48, and y = 1, upwards, is row 16.
  assert red == pytest.approx([15.5, 47.5], abs=0.51)
  assert (frame == (60, 160, 60)).all(-1).any()


def test_a_wall_stops_the_point_mass():
  env = toy.PointMass(start_radius=0.0)
  env.reset(seed=0)
  env._position, env._velocity = np.array([1.7, -0.5]), np.array([1.0, -1.0])
  observation, reward, _, _, _ = env.step(np.zeros(2))
  # Without the wall x would be 1.7 + 0.09; y is not touched.
  assert observation == pytest.approx([1.75, -0.59, 0.0, -0.9])
  assert reward == pytest.approx(1 - 1.75**2 - 0.59**2)
  observation, _, _, _, _ = env.step(np.array([-1.0, 0.0]))
  assert observation[:2] == pytest.approx([1.75 - 0.04, -0.59 - 0.081])


def test_a_corridor_ends_at_the_goal_or_in_the_pit():
  env = toy.Corridor(half_length=2)
  goals = set()
  for seed in range(8):
    observation, _ = env.reset(seed=seed)
    goal = int(observation['goal'][0])
    goals.add(goal)
    assert observation['position'].tolist() == [0]
    assert env.step(1)[1:3] == (0.0, False)
    observation, reward, terminated, _, _ = env.step(2)
    assert (observation['position'].tolist(), reward, terminated) == ([0.5], 0.0, False)
    observation, reward, terminated, _, _ = env.step(2)
    assert (observation['position'].tolist(), reward, terminated) == ([1.0], float(goal), True)
  assert goals == {-1, 1}


def test_a_corridor_shows_walker_and_goal():
  env = toy.Corridor('rgb_array')
  goal = env.reset(seed=0)[0]['goal'][0]
  frame = env.render()
  red, green = (np.argwhere((frame == color).all(-1)).mean(0) for color in ((200, 40, 40), (60, 160, 60)))
  assert red == pytest.approx([31.5, 31.5], abs=0.51) and green == pytest.approx([31.5, 31.5 + 24 * goal], abs=0.51)
