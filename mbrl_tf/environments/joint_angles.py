"""Which numbers of an observation are angles of hinges: found by turning each hinge of a MuJoCo
model, and looking.
"""

import logging

import numpy as np

from mbrl_tf.environments import dm_control, mujoco_setup, mujoco_tasks

_TURNS = (0.1, -0.23)  # rad: an entry that moves by both is the angle, and no function of it
_TOLERANCE = 1e-4  # rad; observations may be float32


def find(env):
  """Returns the entries of the observation, which is one vector, that are angles of hinges in
  radians.

  The simulator stays as it is: what is turned is a copy of its state.

  Args:
    env: a simulator, behind wrappers that leave observations as they are.

  Returns:
    A tuple of indices, in rising order; empty where the simulator is not MuJoCo's, observes no
    angle, or stands behind a wrapper that may change observations.
  """
  simulator = mujoco_tasks.unchanged(env)
  if simulator is None:
    return ()
  try:
    if isinstance(simulator, dm_control.SuiteTask):
      return _turned(simulator.physics_model, simulator.observe_pose)
    if any(kind.__name__ == 'MujocoEnv' for kind in type(simulator).__mro__):
      return _turned(simulator.model, lambda pose: _observe_pose(simulator, pose))
  except Exception as error:  # whatever a user's `_get_obs` raises before the first reset
    logging.getLogger(__name__).info(
        'Angles of hinges were not looked for (%s: %s)', type(error).__name__, error)
  return ()


def _turned(model, observe):
  """Returns the entries of what `observe` returns, of a pose `[Q]`, that turn with a hinge of the
  model.
  """
  hinge = mujoco_setup.load('mujoco', renders=False).mjtJoint.mjJNT_HINGE
  start = np.array(model.qpos0)
  before, found = observe(start), set()
  if np.ndim(before) != 1:
    return ()
  for address in np.asarray(model.jnt_qposadr)[np.asarray(model.jnt_type) == hinge]:
    turns = np.ones(before.shape, bool)
    for turn in _TURNS:
      pose = start.copy()
      pose[address] += turn
      turns &= np.abs(observe(pose) - before - turn) < _TOLERANCE
    found.update(np.flatnonzero(turns).tolist())
  return tuple(sorted(found))


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
