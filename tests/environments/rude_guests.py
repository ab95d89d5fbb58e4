"""Simulators that behave as guests should not, each in the manner that it is asked for; free of
TensorFlow.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import gymnasium
import numpy as np
from gymnasium import spaces


over = threading.Event()  # for tests in whose own process a thread was started


def wait_for_ever():
  over.wait()


def leave(way):
  """Ends the process, or tries to, in one of several ways."""
  if way == 'raise':
    raise RuntimeError('the gearbox broke')
  if way == 'sys.exit':
    sys.exit()
  if way == 'sys.exit(text)':
    sys.exit('no licence')
  if way == 'os._exit':
    os._exit(0)
  if way == 'hang':
    wait_for_ever()
  if way == 'GeneratorExit':
    raise GeneratorExit


class Rude(gymnasium.Env):
  """A point on a line that is paid for being near 0; 20 steps.

  Attributes:
    manner: what is unusual, several with commas between them; '' for nothing.
    at, way: in which method it leaves, and how; see `leave`.
    after: steps of this process's simulators after which it leaves, where `at` is `step`.
  """
  time_limit = 20
  action_space = spaces.Box(-1.0, 1.0, [1], np.float32)
  observation_space = spaces.Box(-np.inf, np.inf, [2], np.float32)
  steps = 0

  def __init__(self, manner='', at='', way='', after=0, config=None, render_mode=None):
    self.manner, self.at, self.way, self.after = manner, at, way, after
    self.render_mode = render_mode
    self.shown = np.zeros(2, np.float32)
    self.frame = np.zeros([4, 4, 3], np.uint8)
    if 'changes its keyword arguments' in manner:
      config['sizes'].append(config.pop('size'))
    if 'has no metadata' in manner:
      self.metadata = None
    self._start_something()
    self._leave('__init__')

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self.state = self.np_random.uniform(-1, 1, 2)
    if 'changes the directory' in self.manner:
      os.chdir('/usr')
    self._leave('reset')
    return self._observe(), {}

  def step(self, action):
    type(self).steps += 1
    if type(self).steps > self.after:
      self._leave('step')
    push = float(action[0])
    if 'changes the action' in self.manner:
      action *= 2
    if 'prints' in self.manner:
      print('a line from the simulator')
      os.write(1, b'another line\n')
    if 'changes the directory' in self.manner:
      assert os.getcwd() == '/usr'  # where it went, whatever others do
    self.state[1] = 0.9 * self.state[1] + 0.1 * push
    self.state[0] += 0.1 * self.state[1]
    return (self._observe(), *self._paid(-abs(float(self.state[0]))), {})

  @staticmethod
  def reward_function(observation, action, next_observation):
    return -abs(next_observation[..., 0])

  def render(self):
    self._leave('render')
    self.frame[:] = np.uint8(100 * abs(self.state[0]))
    return self.frame

  def close(self):
    self._leave('close')

  def _leave(self, method):
    if method == self.at:
      leave(self.way)

  def _observe(self):
    if 'hands out one array' in self.manner:
      self.shown[:] = self.state
      return self.shown
    return self.state.astype(np.float32)

  def _paid(self, reward):
    answers = {
        'pays an array of one': (np.array([reward]), False, False),
        'pays an array of none': (np.array(reward), False, False),
        'pays a number of numpy': (np.float64(reward), np.bool_(False), np.bool_(False)),
        'pays a list': ([reward], [False], [[0]]),
        'tells arrays of one': (reward, np.array([False]), np.array([[0]]))}
    return answers.get(self.manner, (reward, False, False))

  def _start_something(self):
    if 'starts a thread' in self.manner:
      threading.Thread(target=wait_for_ever).start()
    if 'starts a thread that ends the process' in self.manner:
      threading.Timer(0.1, os._exit, [0]).start()
    if 'starts a process' in self.manner:
      self.child = multiprocessing.get_context('spawn').Process(target=wait_for_ever)
      self.child.start()
    if 'starts a program' in self.manner:
      self.child = subprocess.Popen(['sleep', '1000'])
    if 'replaces signal handlers' in self.manner:
      for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


# Unusual, and of no consequence for what is collected.
HARMLESS = ('hands out one array', 'changes the action', 'pays an array of one',
            'pays an array of none', 'pays a number of numpy',
            'pays a list', 'tells arrays of one', 'prints', 'changes the directory',
            'changes its keyword arguments', 'has no metadata',
            'starts a thread', 'starts a process', 'starts a program', 'replaces signal handlers')


class Whole(Rude):
  """Pays a whole number."""

  def _paid(self, reward):
    return int(self.state[0] > 0), False, False


class Answers(Rude):
  """Answers a step with something else than it should; `answer` is a name."""

  def __init__(self, answer):
    super().__init__()
    self.answer = answer

  def step(self, action):
    observation = self._observe()
    return {
        'four': (observation, 0.0, False, {}), 'none': None,
        'two rewards': (observation, np.zeros(2), False, False, {}),
        'no reward': (observation, None, False, False, {}),
        'a text': (observation, '1.0', False, False, {}),
        'ragged': (observation, [[1], [1, 2]], False, False, {}),
        'two flags': (observation, 0.0, np.zeros(2, bool), False, {}),
        'no flag': (observation, 0.0, False, None, {})}[self.answer]


class OldReset(Rude):
  """Returns an observation alone, as environments of old Gym do."""

  def reset(self, *, seed=None, options=None):
    return super().reset(seed=seed)[0]


class Unseeded(Rude):
  """Begins each episode as chance will have it."""

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self.state = np.random.default_rng().uniform(-1, 1, 2)
    return self._observe(), {}


class UnseededLater(Rude):
  """Begins as its seed says, and goes on as chance will have it."""

  def step(self, action):
    self.state[0] += np.random.default_rng().normal()
    return super().step(action)


class Limited(Rude):
  """Terminates after 5 steps, whatever limit it tells."""
  time_limit = 10**9

  def reset(self, *, seed=None, options=None):
    self.count = 0
    return super().reset(seed=seed)

  def step(self, action):
    self.count += 1
    observation, reward, _, truncated, info = super().step(action)
    return observation, reward, self.count >= 5, truncated, info


def limited(limit):
  """Returns a simulator whose time limit is what JSON cannot say; `limit` names it."""
  env = Limited()
  env.time_limit = {
      'method': env.close, 'infinite': np.inf, 'text': '50', 'nothing': None, 'negative': -1,
      'nan': np.nan, 'fraction': 2.5, 'true': True,
      'float': 5.0, 'numpy': np.int64(5), 'array': np.array([5]), 'huge': 10**9}[limit]
  return env


class EmptyDict(Rude):
  observation_space = spaces.Dict({})


class NoSpaces(Rude):
  observation_space = None


class NothingToDo(Rude):
  action_space = spaces.Box(-1.0, 1.0, [0], np.float32)


class Property(Rude):
  """Ends the process where its reward function is looked for."""

  @property
  def reward_function(self):
    sys.exit()
