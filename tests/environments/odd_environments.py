"""Environments to be examined, each odd in the way that it is asked to be; free of TensorFlow."""

import os
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Odd(gymnasium.Env):
  """A point that is pushed along a line, and paid for being near 0; 10 steps.

  Attributes:
    way: what is odd; '' for nothing.
  """
  time_limit = 10
  metadata = {'render_modes': ['rgb_array'], 'render_fps': 10}
  observation_space = spaces.Box(-np.inf, np.inf, [2], np.float32)
  action_space = spaces.Box(-2.0, 2.0, [1], np.float32)

  def __init__(self, way='', render_mode=None):
    self.way, self.render_mode = way, render_mode
    self.shown = np.zeros(2, np.float32)
    if way == 'no time limit':
      self.time_limit = None
    if way == 'text observed':
      self.observation_space = spaces.Text(3)
    if way == 'bounded':
      self.observation_space = spaces.Box(-0.01, 0.01, [2], np.float32)
    if way == 'cannot be built':
      raise RuntimeError('no licence')
    if way == 'prints and hangs':
      print('{"a line": "from the simulator"}')

  def reset(self, *, seed=None, options=None):
    super().reset(seed=None if self.way == 'unseeded' else seed)
    self.state = self.np_random.uniform(-1, 1, 2).astype(np.float32)
    self.steps = 0
    return self._observed(), {}

  def step(self, action):
    self.steps += 1
    before = self.state
    self.state = before + np.array([0.1 * before[1], 0.1 * float(action[0])], np.float32)
    if self.steps == 5:
      self._fail()
    if self.way == 'changes the action':
      action *= 2
    terminated = self.steps == 7 and self.way == 'terminates by the clock'
    terminated |= self.way == 'ends at once'
    reward = -float(abs(self.state[0]))
    return self._observed(), [reward] if self.way == 'a list' else reward, terminated, False, {}

  def _fail(self):
    if self.way == 'raises':
      raise RuntimeError('the gearbox broke')
    if self.way == 'sys.exit':
      sys.exit()
    if self.way == 'os._exit':
      os._exit(3)
    if self.way == 'nan':
      self.state[1] = np.nan
    if self.way == 'prints and hangs':
      print('a second line', flush=True)
      time.sleep(3600)

  def _observed(self):
    if self.way == 'one array':
      self.shown[:] = self.state
      return self.shown
    if self.way == 'garbage':
      return object()
    return self.state.astype(np.float64 if self.way == 'float64' else np.float32)

  def render(self):
    if self.way == 'cannot draw':
      raise RuntimeError('no paint')
    return np.zeros([4, 6, 3], float if self.way == 'odd frames' else np.uint8)

  def close(self):
    if self.way == 'raises in close()':
      raise RuntimeError('closing failed')

  @property
  def reward_function(self):
    sign = 1 if self.way == 'wrong sign' else -1
    if self.way == 'function raises':
      return lambda observation, action, following: following['missing']
    if self.way == 'function of columns':
      return lambda observation, action, following: -abs(following[..., :1])
    return lambda observation, action, following: sign * abs(following[..., 0])
