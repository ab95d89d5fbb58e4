"""Which numbers of an observation are angles of hinges: found by turning each hinge of a MuJoCo
model, and looking.
"""

import logging
from typing import NamedTuple, Tuple

import numpy as np

from mbrl_tf.environments import dm_control, mujoco_setup, mujoco_tasks

_TURNS = (0.1, -0.23)  # rad: an entry that moves by both is the angle, and no function of it
_TOLERANCE = 1e-4  # rad; observations may be float32


class Angles(NamedTuple):
  """Entries of an observation that are angles of hinges in radians, in rising order."""
  all: Tuple[int, ...] = ()
  turning: Tuple[int, ...] = ()  # those of hinges without limits, that can turn on and on


def find(env):
  """Returns which entries of the observation, which is one vector, are angles of hinges.

  The simulator stays as it is: what is turned is a copy of its state.

  Args:
    env: a simulator, behind wrappers that leave observations as they are.

  Returns:
    `Angles`; empty where the simulator is not MuJoCo's, observes no angle, or stands behind a
    wrapper that may change observations.
  """
  simulator = mujoco_tasks.unchanged(env)
  if simulator is None:
    return Angles()
  try:
    if isinstance(simulator, dm_control.SuiteTask):
      return _turned(simulator.physics_model, simulator.observe_pose)
    if any(kind.__name__ == 'MujocoEnv' for kind in type(simulator).__mro__):
      return _turned(simulator.model, lambda pose: _observe_pose(simulator, pose))
  except Exception as error:  # whatever a user's `_get_obs` raises before the first reset
    logging.getLogger(__name__).info(
        'Angles of hinges were not looked for (%s: %s)', type(error).__name__, error)
  return Angles()


def _turned(model, observe):
  """Returns the `Angles` in what `observe` returns, of a pose `[Q]`: what turns with a hinge of the
  model.
  """
  hinge = mujoco_setup.load('mujoco', renders=False).mjtJoint.mjJNT_HINGE
  start = np.array(model.qpos0)
  before, found, turning = observe(start), set(), set()
  if np.ndim(before) != 1:
    return Angles()
  are_hinges = np.asarray(model.jnt_type) == hinge
  for address, is_limited in zip(np.asarray(model.jnt_qposadr)[are_hinges],
                                 np.asarray(model.jnt_limited)[are_hinges]):
    turns = np.ones(before.shape, bool)
    for turn in _TURNS:
      pose = start.copy()
      pose[address] += turn
      turns &= np.abs(observe(pose) - before - turn) < _TOLERANCE
    entries = np.flatnonzero(turns).tolist()
    found.update(entries)
    turning.update([] if is_limited else entries)
  return Angles(tuple(sorted(found)), tuple(sorted(turning)))


def _observe_pose(simulator, pose):
  """Returns what a task of Gymnasium observes in a pose, at rest."""
  mujoco = mujoco_setup.load('mujoco', renders=False)
  own = simulator.data
  try:
    simulator.data = mujoco.MjData(simulator.model)
    simulator.data.qpos[:] = pose
    mujoco.mj_forward(simulator.model, simulator.data)
    return np.array(simulator._get_obs(), np.float64)
  finally:
    simulator.data = own
