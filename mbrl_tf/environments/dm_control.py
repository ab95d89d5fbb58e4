"""Tasks of the DM Control suite as Gymnasium environments, free of TensorFlow.

The suite is imported when a task is built and not before: how depends on whether this process draws (`mujoco_setup`).
"""

import logging

import gymnasium
import numpy as np
from gymnasium import spaces

from mbrl_tf import errors
from mbrl_tf.environments import mujoco_setup

_ALIASES = {'cup_catch': ('ball_in_cup', 'catch')}
# Where the suite's first camera is far away (quadruped), looks at the ball alone (dog_fetch) or past the bodies (lqr).
_CAMERAS = {'dog': 'y-axis', 'lqr': 'cam1', 'quadruped': 'y'}


def tasks(renders=False):
  """Returns a mapping from `<domain>_<task>`, and aliases, to (domain, task).

  Args:
    renders: whether this process is to draw; decides how the suite is imported where it was not yet.
  """
  suite = mujoco_setup.load('dm_control.suite', renders)
  return {**{f'{domain}_{task}': (domain, task) for domain, task in suite.ALL_TASKS}, **_ALIASES}


class SuiteTask(gymnasium.Env):
  """One task of the suite.

  Observation: float32 `[O]`, what the task observes in the task's own order, flattened and concatenated. Actions: the
  actuators' own ranges; [-1, 1] for those without (lqr). Terminates where the task gives a discount of 0 (only lqr
  does). The suite's time limit, 1,000 steps in each task that has one, is left to `wrappers.LimitTime`, because the
  suite ends episodes by it in the same way as by a termination. A simulation that diverges truncates its episode.
  """

  time_limit = 1000

  def __init__(self, name, render_mode=None, width=240, height=240, camera_id=None):
    """Loads the model.

    Args:
      name: a key of `tasks()`.
      render_mode: None or `rgb_array`.
      width: of frames, in pixels.
      height: of frames, in pixels.
      camera_id: number of the camera; None chooses.

    Raises:
      UserError: a size that is not positive, or a camera that the model does not have.
    """
    domain, task = tasks(bool(render_mode))[name]
    suite = mujoco_setup.load('dm_control.suite', bool(render_mode))
    # lqr draws its model from `random`: each simulator must have the same.
    self._environment = suite.load(domain, task, task_kwargs={'random': 0, 'time_limit': float('inf')})
    self._physics = self._environment.physics
    self._divergence = mujoco_setup.load('dm_control.rl.control', bool(render_mode)).PhysicsError
    self._observation = None
    self.render_mode = render_mode
    self.metadata = {'render_modes': ['rgb_array'], 'render_fps': 1 / self._environment.control_timestep()}
    self.observation_space = _observation_space(self._environment)
    self.action_space = _action_space(self._environment)
    self._size = _checked_size(width, height)
    mujoco_setup.prepare_model(self._physics.model, camera_id)
    self._camera = _CAMERAS.get(domain, 0) if camera_id is None else camera_id
    self._prepare_buffers()

  def reset(self, *, seed=None, options=None):
    """Begins an episode; `seed` decides all of it."""
    super().reset(seed=seed)  # nothing is drawn from its generator, which Gymnasium's check asks for
    if seed is not None:
      self._environment.task.random.seed(seed)
    self._observation = _vector(self._environment.reset().observation)
    return self._observation, {}

  def step(self, action):
    try:
      step = self._environment.step(action)
    except self._divergence as error:
      logging.getLogger(__name__).warning('The simulation diverged, and the episode ends here: %s', error)
      return self._observation, 0.0, False, True, {}
    self._observation = _vector(step.observation)
    terminated = step.discount == 0
    return self._observation, float(step.reward), terminated, step.last() and not terminated, {}

  def render(self):
    """Returns uint8 [height, width, 3]."""
    width, height = self._size
    return self._physics.render(height, width, camera_id=self._camera)

  @property
  def physics_model(self):
    """The model of the simulated bodies, as `mujoco` has it."""
    return self._physics.model

  def observe_pose(self, pose):
    """Returns what is observed in a pose `[Q]`, at rest; the simulation stays where it is."""
    physics = self._physics.copy(share_model=True)
    physics.data.qpos[:] = pose
    physics.forward()
    return _vector(self._environment.task.get_observation(physics))

  def close(self):
    self._physics.free()

  def _prepare_buffers(self):
    """Sizes what is allocated with the first frame; or, where nothing is drawn, keeps it from being allocated."""
    buffer = self._physics.model.vis.global_
    buffer.offwidth, buffer.offheight = self._size
    if self.render_mode is None:
      # quadruped_escape asks for it at each reset, to send the new terrain there.
      self._physics._make_rendering_contexts = lambda: None


def _vector(observation):
  return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float32)


def _observation_space(environment):
  size = sum(int(np.prod(part.shape)) for part in environment.observation_spec().values())
  return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _action_space(environment):
  spec = environment.action_spec()
  is_limited = environment.physics.model.actuator_ctrllimited.astype(bool)
  low, high = np.where(is_limited, spec.minimum, -1.0), np.where(is_limited, spec.maximum, 1.0)
  return spaces.Box(low.astype(np.float32), high.astype(np.float32))


def _checked_size(width, height):
  for name, value in (('width', width), ('height', height)):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
      raise errors.UserError(f'{name} of frames must be a positive number of pixels. Received: {name}={value!r}')
  return width, height
