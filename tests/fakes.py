"""Small real components, each with a behaviour that a test can state in one line."""

import dataclasses
from typing import Tuple

import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.drivers import policies


def vector_spec(time_limit=5, action_repeat=1, size=3):
  """Returns the spec of a task with `size` observed numbers and two continuous actions."""
  return types.EnvironmentSpec(
      'toy:counting', types.ArraySpec((size,), 'float32'), types.ActionSpec(2), time_limit, action_repeat)


class CountingEnvironment(py_environment.PyEnvironment):
  """Observes (environment, episode, step); the reward of step t is t + 1.

  The episode e of environment i lasts `lengths[i][e % len(lengths[i])]` decisions. An episode as long as the time
  limit is truncated, a shorter one terminates. Follows the batched contract: after its last step an environment is
  reset alone at the next call, and `env_steps` tells the simulator steps of the last call. In the call number t, where
  `faults` has it, the environments `faults[t]` are restarted.
  """

  def __init__(self, lengths, time_limit=5, action_repeat=1, faults=None):
    super().__init__()
    self.spec = vector_spec(time_limit, action_repeat)
    self.episode_counters = np.zeros(len(lengths), np.int64)
    self.env_steps = np.zeros(len(lengths), np.int64)
    self.restarts = 0
    self._faults = faults or {}
    self._calls = 0
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
    failed = self._faults.get(self._calls, [])
    self._calls += 1
    self.restarts += len(failed)
    fresh = self._last.copy()
    fresh[failed] = True
    self._step_number[~fresh] += 1
    self._start(fresh)
    length = np.array([row[episode % len(row)] for row, episode in zip(self._lengths, self._episode)])
    self._last = self._step_number >= length
    repeat = self.spec.action_repeat
    terminated = self._last & (self._step_number * repeat < self.spec.time_limit)
    left = self.spec.time_limit - (self._step_number - 1) * repeat
    self.env_steps = np.where(fresh, 0, np.where(self._last & ~terminated, np.clip(left, 1, repeat), repeat))
    step_type = np.where(fresh, ts.StepType.FIRST, np.where(self._last, ts.StepType.LAST, ts.StepType.MID))
    return ts.TimeStep(
        step_type.astype(np.int32), self._step_number.astype(np.float32), 1 - terminated.astype(np.float32), self._observation())


@dataclasses.dataclass
class CountingPart:
  """A part of the configuration below.

  Attributes:
    sizes: of something.
    rate: of something.
  """
  sizes: Tuple[int, ...] = (3, 4)
  rate: float = 0.5


@dataclasses.dataclass
class CountingConfig:
  """The configuration of `CountingAlgorithm`, in the shape that every algorithm's has."""
  algorithm: str = 'counting'
  environment: base.EnvironmentConfig = dataclasses.field(default_factory=base.EnvironmentConfig)
  run: base.RunConfig = dataclasses.field(default_factory=lambda: base.RunConfig(env_steps=60))
  part: CountingPart = dataclasses.field(default_factory=CountingPart)

  def validate(self):
    if self.part.rate <= 0:
      raise errors.UserError(f'A rate is positive. Received: part.rate={self.part.rate}')


class CountingModel(tf.Module):
  """What `CountingAlgorithm` exports as its model: adds the counter."""

  def __init__(self, counter):
    super().__init__()
    self.counter = counter

  @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
  def predict(self, x):
    return {'sum': x + tf.cast(self.counter, tf.float32)}


class CountingAlgorithm:
  """Collects at random; its state is a counter, a random generator and a sum over all data, which the driver stores.

  What it reports depends on every earlier random number and on every episode in the store, so that a resumed run that
  forgot anything reports other numbers.
  """

  def __init__(self, driver, store, steps_per_iteration=20, seed=0, spoil_at=None):
    self.state = tf.Module()
    self.policy = policies.UniformRandomPolicy(driver.spec, seed)
    self.state.policy = self.policy
    self.state.counter = tf.Variable(0, dtype=tf.int64)
    self.state.total = tf.Variable(0.)
    self.state.generator = tf.random.Generator.from_seed(seed)
    self._driver, self._store = driver, store
    self._steps, self._spoil_at = steps_per_iteration, spoil_at

  @property
  def env_steps(self):
    return int(self.state.counter)

  def iterations(self):
    while True:
      collected = self._driver.collect(self.policy, self._steps)
      actions = sum(float(np.sum(episode.action)) for _, episode in self._store.episodes())
      self.state.total.assign(0.9 * self.state.total + actions + self.state.generator.normal([]))
      self.state.counter.assign_add(collected.env_steps)
      if self.env_steps == self._spoil_at:
        self.state.total.assign(np.nan)
      yield types.Report(
          {**collected.metrics, 'counting/total': float(self.state.total)},
          {'counting/actions': collected.episodes[0].action})

  def evaluation_policy(self):
    return self.policy

  def model_module(self):
    return CountingModel(self.state.counter)
