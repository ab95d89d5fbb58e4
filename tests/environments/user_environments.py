"""Environments as a user might bring them, free of TensorFlow; each goes wrong in the way that it is asked to."""

import os
import sys
import time
from multiprocessing import connection

import gymnasium
import numpy as np
from gymnasium import spaces

from mbrl_tf.environments import toy


def _send_a_part(pipe, content):
  """Instead of a connection's own `_send`: hangs after the first byte of a message."""
  os.write(pipe.fileno(), content[:1])
  time.sleep(3600)


class Scripted(gymnasium.Env):
  """Observes `[step, draw]`, where `draw` is the episode's own random number; reward: the sum of the native action.

  Actions lie in [0, 10] and [-2, 2]. Goes wrong at step `fail_at`; with `once`, a file, only where that does not exist yet.
  """

  def __init__(self, terminate_at=0, fail_at=0, failure='', dict_observation=False, discrete_start=None, render_mode=None,
               once='', frame_type='uint8'):
    self.render_mode = render_mode
    vector = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    image = spaces.Box(0, 255, (4, 4, 3), np.uint8)
    self.observation_space = spaces.Dict({'vector': vector, 'image': image}) if dict_observation else vector
    self.action_space = spaces.Box(np.array([0, -2], np.float32), np.array([10, 2], np.float32))
    if discrete_start is not None:
      self.action_space = spaces.Discrete(3, start=discrete_start)
    self._terminate_at = terminate_at
    self._fail_at = fail_at
    self._failure = failure
    self._once = once
    self._frame_type = frame_type
    self._steps = 0
    self._draw = 0.0

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._steps = 0
    self._draw = self.np_random.uniform()
    return self._observation(), {}

  def step(self, action):
    self._steps += 1
    reward = float(np.sum(action))
    observation = self._observation()
    if self._steps == self._fail_at and self._may_fail():
      if self._failure == 'raise':
        raise RuntimeError('the gearbox broke')
      if self._failure == 'raise_beside_tensorflow' and 'tensorflow' in sys.modules:
        raise RuntimeError('TensorFlow is here')
      if self._failure == 'die':
        os._exit(3)
      if self._failure == 'hang':
        time.sleep(3600)
      if self._failure == 'hang_in_the_middle_of_an_answer':
        connection.Connection._send = _send_a_part
      if self._failure == 'nan_reward':
        reward = float('nan')
      if self._failure == 'nan_observation':
        observation = np.full(2, np.nan)
      if self._failure == 'shape':
        observation = np.zeros(3)
    return observation, reward, self._steps == self._terminate_at, False, {'speed': 1.0}

  def render(self):
    return np.full((8, 8, 3), self._steps, self._frame_type)

  def _may_fail(self):
    """Whether this failure is one that is asked for; of all simulators that share a file `once`, the first one fails."""
    if not self._once:
      return True
    try:
      open(self._once, 'x').close()
      return True
    except FileExistsError:
      return False

  def _observation(self):
    vector = np.array([self._steps, self._draw])
    if isinstance(self.observation_space, spaces.Dict):
      return {'vector': vector, 'image': np.full((4, 4, 3), self._steps, np.uint8)}
    return vector


def scripted(**kwargs):
  return Scripted(**kwargs)


scripted.time_limit = 5
scripted.reward_function = 'tests.environments.user_functions:reward'
scripted.terminated_function = 'tests.environments.user_functions:terminated'


class Endless(Scripted):
  """Without a time limit, reward function or termination function of its own."""


def misnamed(**kwargs):
  return Scripted(**kwargs)


misnamed.reward_function = 'tests.environments.user_functions:no_such_function'


def not_an_environment():
  return 'a string'


class PlainText(Scripted):
  """Observes what no model reads."""

  def __init__(self):
    super().__init__()
    self.observation_space = spaces.Text(4)


class Unbounded(Scripted):
  """Acts without bounds, so that there is nothing to scale to."""

  def __init__(self):
    super().__init__()
    self.action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


class Unpaid(Scripted):
  """Is not paid before its episode number `paid_from`, and never with 0."""


  def __init__(self, paid_from=0, **kwargs):
    super().__init__(**kwargs)
    self._paid_from, self._episode = paid_from, 0

  def reset(self, *, seed=None, options=None):
    self._episode += 1
    return super().reset(seed=seed, options=options)

  def step(self, action):
    observation, _, terminated, truncated, info = super().step(action)
    return observation, float(0 < self._paid_from <= self._episode), terminated, truncated, info


class PointMassInUnits(toy.PointMass):
  """The toy with its rewards, and its positions and velocities, in other units; velocities are shifted, too."""

  def __init__(self, reward=1.0, unit=1.0, **kwargs):
    super().__init__(**kwargs)
    self._reward, self._unit = reward, unit

  def step(self, action):
    observation, reward, *rest = super().step(action)
    return observation, self._reward * reward, *rest

  def _observation(self):
    return (self._unit * (super()._observation() + [0, 0, 3, 3])).astype(np.float32)


PointMassInUnits.reward_function = PointMassInUnits.terminated_function = None
