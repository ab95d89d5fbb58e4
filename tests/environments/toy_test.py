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
