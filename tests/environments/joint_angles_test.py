"""Angles of hinges, against the indices that the tasks' documentation gives."""

import gymnasium
import numpy as np
import pytest

from mbrl_tf.environments import catalog, joint_angles, simulators


@pytest.mark.parametrize('name, expected, turning', [
    ('gym:HalfCheetah-v5', range(1, 8), [1]), ('gym:Hopper-v5', range(1, 5), [1]),
    ('gym:Walker2d-v5', range(1, 8), [1]), ('gym:Swimmer-v5', range(3), [0]),
    ('gym:Ant-v5', range(5, 13), []), ('gym:Humanoid-v5', range(5, 22), []),
    ('gym:InvertedPendulum-v5', [1], []),
    # Sines and cosines.
    ('gym:InvertedDoublePendulum-v5', [], []), ('gym:Reacher-v5', [], []),
    ('gym:Pusher-v5', range(7), []), ('gym:Pendulum-v1', [], []), ('toy:point_mass', [], []),
    ('dmc:cheetah_run', range(1, 8), [1]), ('dmc:walker_walk', [], []),
    ('dmc:reacher_easy', [0, 1], [0])])
def test_angles_are_where_the_tasks_have_them(name, expected, turning):
  spec = catalog.make(name).spec
  assert spec.angles == tuple(expected) and spec.turning == tuple(turning)


def test_a_position_that_is_observed_as_well_moves_them():
  spec = catalog.make('gym:Hopper-v5', kwargs={'exclude_current_positions_from_observation': False}).spec
  assert spec.angles == (2, 3, 4, 5)


def test_a_wrapper_that_may_change_observations_hides_them():
  env = gymnasium.make('Hopper-v5')
  assert joint_angles.find(env) == ((1, 2, 3, 4), (1,))
  flipped = gymnasium.wrappers.TransformObservation(env, np.flip, env.observation_space)
  assert joint_angles.find(flipped) == ((), ())


@pytest.mark.parametrize('name', ['gym:Hopper-v5', 'dmc:cheetah_run'])
def test_to_look_changes_nothing(name):
  def played(look):
    env = simulators.Recipe(name, {}, seed=3)()
    env.reset(seed=0)
    rows = []
    for step in range(20):
      if look and step == 10:
        joint_angles.find(env)
      rows.append(env.step(np.full(env.action_space.shape, 0.1 * step - 1, np.float32))[0])
    return np.array(rows)

  np.testing.assert_array_equal(played(True), played(False))
