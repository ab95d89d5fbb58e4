"""Wrappers that every simulator gets, from the inside out, free of TensorFlow.

`CheckAnswers` -> `actions.ConvertActions` -> `LimitTime` -> `RepeatActions` ->
`CheckObservations` -> `SeedEpisodes`.

Each `step` is on the path of every simulated step, so they hold plain numbers and do no more than they must.
"""

import math

import gymnasium
import numpy as np

from mbrl_tf import errors
from mbrl_tf.environments import guests, observed, observing


class CheckAnswers(gymnasium.Wrapper):
  """Stands next to the simulator, and takes of it what Gymnasium's interface promises: tuples, a
  number, two truth values.

  A number or truth value may come as an array of one entry, too.
  """

  def __init__(self, env, name):
    super().__init__(env)
    self._name = name

  def reset(self, *, seed=None, options=None):
    answer = self.env.reset(seed=seed, options=options)
    if not isinstance(answer, tuple) or len(answer) != 2:
      raise self._error('reset()', 'a tuple of observation and info', _described(answer))
    return answer

  def step(self, action):
    answer = self.env.step(action)
    if not isinstance(answer, tuple) or len(answer) != 5:
      raise self._error('step()', 'a tuple of observation, reward, terminated, truncated and info',
                        _described(answer))
    observation, reward, terminated, truncated, info = answer
    if type(reward) is not float:
      reward = float(self._one('reward', reward, 'biuf'))
    if type(terminated) is not bool:
      terminated = bool(self._one('terminated', terminated, 'biuf'))
    if type(truncated) is not bool:
      truncated = bool(self._one('truncated', truncated, 'biuf'))
    return observation, reward, terminated, truncated, info

  def _one(self, key, value, kinds):
    """Returns the only number in `value`, whose type must be of these kinds of numpy's."""
    try:
      array = np.asarray(value)
    except ValueError:  # lists of different lengths
      array = np.array(None)
    if array.size != 1 or array.dtype.kind not in kinds:
      raise self._error(f'step() for {key!r}', 'one number', f'{key}={_described(value)}')
    return array.item()

  def _error(self, where, expected, received):
    return errors.SimulatorError(f'{self._name} does not answer as a gymnasium.Env does. Expected '
                                 f'of {where}: {expected}. Received: {received}')


class LimitTime(gymnasium.Wrapper):
  """Truncates an episode after `time_limit` simulator steps.

  Where no limit is known, episodes are to end by themselves. One of `LONGEST` steps is truncated all
  the same, for nothing is learned of an episode that is not over.

  Attributes:
    time_limit: as given, 0 where none is known.
  """

  LONGEST = 100_000

  def __init__(self, env, time_limit):
    super().__init__(env)
    self.time_limit = int(time_limit)
    self._most = self.time_limit or self.LONGEST
    self._steps = 0

  def reset(self, *, seed=None, options=None):
    self._steps = 0
    return self.env.reset(seed=seed, options=options)

  def step(self, action):
    observation, reward, terminated, truncated, info = self.env.step(action)
    self._steps += 1
    return observation, reward, terminated, truncated or self._steps >= self._most, info


class RepeatActions(gymnasium.Wrapper):
  """Holds each action for up to `repeat` simulator steps, sums the rewards, and stops where the episode ends.

  `info` holds one entry, `env_steps`: the simulator steps that were taken.
  """

  def __init__(self, env, repeat):
    super().__init__(env)
    self._repeat = int(repeat)

  def reset(self, *, seed=None, options=None):
    return self.env.reset(seed=seed, options=options)[0], {'env_steps': 0}

  def step(self, action):
    total = 0.0
    for steps in range(1, self._repeat + 1):
      observation, reward, terminated, truncated, _ = self.env.step(action)
      total += reward
      if terminated or truncated:
        break
    return observation, total, terminated, truncated, {'env_steps': steps}


class CheckObservations(gymnasium.Wrapper):
  """Hands over what models read, as `observing` tells, and stops at what does not fit its space or is
  not finite.

  Attributes:
    observing: the `observing.Observing`.
  """

  def __init__(self, env, name, images=observing.AUTO):
    """Wraps `env`; `images` and errors are those of `observing.Observing`."""
    super().__init__(env)
    self._name = name
    self._steps = 0
    self.observing = observing.Observing(env.observation_space, name, images)
    self.observation_space = self.observing.space
    self._read = self.observing.read

  def reset(self, *, seed=None, options=None):
    self._steps = 0
    observation, info = self.env.reset(seed=seed, options=options)
    return self._checked(observation), info

  def step(self, action):
    observation, reward, terminated, truncated, info = self.env.step(action)
    self._steps += info['env_steps']
    if not math.isfinite(reward):
      raise self._error('a finite reward', 'reward', reward)
    return self._checked(observation), reward, terminated, truncated, info

  def _checked(self, observation):
    try:
      return self._read(observation)
    except observed.Misfit as misfit:
      raise self._error(misfit.expected, misfit.key, misfit.received) from None

  def _error(self, expected, key, received):
    return errors.SimulatorError(
        f'{self._name} returned something outside its own spec at env step {self._steps} of an episode. '
        f'Expected for key {key!r}: {expected}. Received: {key}={received}')


class SeedEpisodes(gymnasium.Wrapper):
  """Seeds each episode from (seed, simulator index, episode number), and turns what is raised into
  `SimulatorError`s.

  So an episode depends neither on the other simulators nor on how it is run (in process or in a worker), and a resumed
  run that restores `episode_counter` begins the same episodes.

  Attributes:
    episode_counter: the number of the next episode.
  """

  def __init__(self, env, name, seed, index):
    super().__init__(env)
    self._name = name
    self._seed = int(seed)
    self._index = int(index)
    self.episode_counter = 0

  def reset(self, *, seed=None, options=None):
    """Begins the next episode; `seed` is ignored, because the counter decides."""
    seed = episode_seed(self._seed, self._index, self.episode_counter)
    self.episode_counter += 1
    try:
      return self.env.reset(seed=seed, options=options)
    except BaseException as error:
      raise self._blamed('reset', error)

  def step(self, action):
    try:
      return self.env.step(action)
    except BaseException as error:
      raise self._blamed('step', error)

  def render(self):
    try:
      return self.env.render()
    except BaseException as error:
      raise self._blamed('render', error)

  def _blamed(self, method, error):
    """Returns what is raised instead of an error; not `guests.blamed`, which would cost more than
    a cheap simulator's step.
    """
    if isinstance(error, guests.PASSING):
      return error
    if isinstance(error, gymnasium.error.DependencyNotInstalled):  # of what draws
      return missing_package(self._name, error)
    return guests.fault(f'Simulator {self._index} of {self._name} raised in {method}()', error)


def missing_package(name, error):
  """Returns the `UserError` of a simulator that Gymnasium says needs another package."""
  return errors.UserError(f'{name} needs a package that is not installed ({error}). '
                          f'Received: environment.name={name!r}')


def episode_seed(seed, index, episode):
  """Returns the seed (uint32 as int) of one episode of one simulator."""
  return int(np.random.SeedSequence((seed, index, episode)).generate_state(1)[0])


def _described(value):
  """Returns what an unexpected answer is, in few words."""
  if isinstance(value, tuple):
    return f'a tuple of {len(value)}'
  if isinstance(value, np.ndarray):
    return f'{value.dtype}{list(value.shape)}'
  return f'{type(value).__name__} {value!r:.100}'
