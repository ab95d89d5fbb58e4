"""Small environments that learn in seconds and need no simulator; rendering is plain numpy, so no GL either."""

import gymnasium
import numpy as np
from gymnasium import spaces


_GREEN, _RED = (60, 160, 60), (200, 40, 40)


class PointMass(gymnasium.Env):
  """A mass in a square room is pushed to the origin.

  Observation `[4]`: position x, y and velocity x, y. Action `[2]`: force in [-1, 1].
  Each step of `TIME_STEP` s: velocity += TIME_STEP * (FORCE * action - DAMPING * velocity), then position moves with the
  new velocity. A wall at `WALL` from the origin stops it. Reward: 1 - |position|^2 - 0.05 |action|^2, of the position
  after the step. It never terminates.
  """

  metadata = {'render_modes': ['rgb_array'], 'render_fps': 20}
  time_limit = 50
  reward_function = 'mbrl_tf.environments.toy_tasks:point_mass_reward'
  terminated_function = 'mbrl_tf.environments.mujoco_tasks:never_terminated'

  TIME_STEP = 0.1
  FORCE = 4.0
  DAMPING = 1.0
  ACTION_COST = 0.05
  WALL = 1.75

  def __init__(self, render_mode=None, start_radius=1.0):
    """Starts at rest, uniformly in a square of half-width `start_radius`."""
    self.render_mode = render_mode
    self.observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float32)
    self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    self._start_radius = start_radius
    self._position = np.zeros(2)
    self._velocity = np.zeros(2)

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._position = self.np_random.uniform(-self._start_radius, self._start_radius, 2)
    self._velocity = np.zeros(2)
    return self._observation(), {}

  def step(self, action):
    acceleration = self.FORCE * action - self.DAMPING * self._velocity
    self._velocity = self._velocity + self.TIME_STEP * acceleration
    free = self._position + self.TIME_STEP * self._velocity
    self._position = np.clip(free, -self.WALL, self.WALL)
    self._velocity[self._position != free] = 0.0
    reward = 1.0 - np.sum(np.square(self._position)) - self.ACTION_COST * np.sum(np.square(action))
    return self._observation(), float(reward), False, False, {}

  def render(self):
    """Returns uint8 [64, 64, 3]: the plane within 2 of the origin, the goal in green and the mass in red.

    The discs are large enough to be seen in 16x16 pixels, and the whole room is.
    """
    frame = np.full((64, 64, 3), 255, np.uint8)
    _draw_disc(frame, np.zeros(2), 0.3, _GREEN)
    _draw_disc(frame, self._position, 0.25, _RED)
    return frame

  def _observation(self):
    return np.concatenate([self._position, self._velocity]).astype(np.float32)


class Corridor(gymnasium.Env):
  """A walker in a corridor of cells goes to the end that is the goal in this episode; the other end is a pit.

  Observation: a dict of `position` `[1]` in [-1, 1] and `goal` `[1]`, -1 or 1. Action: 0 left, 1 stay, 2 right. It starts
  in the middle. Reward: 1 at the goal, -1 in the pit, 0 elsewhere; both ends terminate. So a uniformly random policy
  returns 0 on average, and the best one 1.
  """

  metadata = {'render_modes': ['rgb_array'], 'render_fps': 5}
  time_limit = 20

  def __init__(self, render_mode=None, half_length=3):
    """The ends are `half_length` cells from the middle."""
    self.render_mode = render_mode
    self.observation_space = spaces.Dict({key: spaces.Box(-1.0, 1.0, (1,), np.float32) for key in ('position', 'goal')})
    self.action_space = spaces.Discrete(3)
    self._half_length = half_length
    self._cell = 0
    self._goal = 1

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._cell = 0
    self._goal = int(self.np_random.choice([-1, 1]))
    return self._observation(), {}

  def step(self, action):
    self._cell += int(action) - 1
    ended = abs(self._cell) == self._half_length
    reward = float(np.sign(self._cell) * self._goal) if ended else 0.0
    return self._observation(), reward, ended, False, {}

  def render(self):
    """Returns uint8 [64, 64, 3]: the walker in red and the goal in green, on a line."""
    frame = np.full((64, 64, 3), 255, np.uint8)
    _draw_disc(frame, np.array([1.5 * self._goal, 0.0]), 0.4, _GREEN)
    _draw_disc(frame, np.array([1.5 * self._cell / self._half_length, 0.0]), 0.25, _RED)
    return frame

  def _observation(self):
    position = np.array([self._cell / self._half_length], np.float32)
    return {'position': position, 'goal': np.array([self._goal], np.float32)}


def _draw_disc(frame, center, radius, color, half_width=2.0):
  """Paints a disc; `center` and `radius` in units of the plane, y upwards."""
  size = frame.shape[0]
  axis = (np.arange(size) + 0.5) / size * 2 * half_width - half_width
  x, y = np.meshgrid(axis, -axis)
  frame[np.square(x - center[0]) + np.square(y - center[1]) <= radius ** 2] = color


TOYS = {'point_mass': PointMass, 'corridor': Corridor}
