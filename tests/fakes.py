"""Small real components, each with a behaviour that a test can state in one line."""

import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types


def vector_spec(time_limit=5, action_repeat=1, size=3):
  """Returns the spec of a task with `size` observed numbers and two continuous actions."""
  return types.EnvironmentSpec(
      'toy:counting', types.ArraySpec((size,), 'float32'), types.ArraySpec((2,), 'float32'), time_limit, action_repeat)


class CountingEnvironment(py_environment.PyEnvironment):
  """Observes (environment, episode, step); the reward of step t is t + 1.

  The episode e of environment i lasts `lengths[i][e % len(lengths[i])]` decisions. An episode as long as the time
  limit is truncated, a shorter one terminates. Follows the batched contract: after its last step an environment is
  reset alone at the next call.
  """

  def __init__(self, lengths, time_limit=5, action_repeat=1):
    super().__init__()
    self.spec = vector_spec(time_limit, action_repeat)
    self.episode_counters = np.zeros(len(lengths), np.int64)
    self.actions = []
    self._lengths = lengths
    self._episode = np.full(len(lengths), -1)
    self._step_number = np.zeros(len(lengths), int)
    self._last = np.zeros(len(lengths), bool)

  @property
  def batched(self):
    return True

  @property
  def batch_size(self):
    return len(self._lengths)

  def observation_spec(self):
    return array_spec.ArraySpec((3,), np.float32)

  def action_spec(self):
    return array_spec.BoundedArraySpec((2,), np.float32, -1, 1)

  def _start(self, which):
    self._episode[which] = self.episode_counters[which]
    self.episode_counters[which] += 1
    self._step_number[which] = 0
    self._last[which] = False

  def _observation(self):
    return np.stack([np.arange(self.batch_size), self._episode, self._step_number], axis=1).astype(np.float32)

  def _reset(self):
    self._start(np.ones(self.batch_size, bool))
    return ts.restart(self._observation(), self.batch_size)

  def _step(self, action):
    self.actions.append(np.array(action))
    fresh = self._last.copy()
    self._step_number[~fresh] += 1
    self._start(fresh)
    length = np.array([row[episode % len(row)] for row, episode in zip(self._lengths, self._episode)])
    self._last = self._step_number >= length
    terminated = self._last & (self._step_number * self.spec.action_repeat < self.spec.time_limit)
    step_type = np.where(fresh, ts.StepType.FIRST, np.where(self._last, ts.StepType.LAST, ts.StepType.MID))
    return ts.TimeStep(
        step_type.astype(np.int32), self._step_number.astype(np.float32), 1 - terminated.astype(np.float32), self._observation())
