"""Environments whose action spaces are of every kind, and which refuse what is no member."""

import gymnasium
import numpy as np
from gymnasium import spaces

KINDS = {
    # A push, a gear, and two switches.
    'mixed': spaces.Dict({'push': spaces.Box(-1, 1, [1], np.float32),
                          'gear': spaces.Discrete(3, start=1), 'switches': spaces.MultiBinary(2)}),
    # Two wheels of five positions.
    'wheels': spaces.MultiDiscrete([5, 5]),
    # Choices of other counts, from other numbers on, in rows.
    'table': spaces.MultiDiscrete([[2, 3, 3], [4, 1, 2]], start=[[1, -2, 0], [0, 3, 7]],
                                  dtype=np.int32),
    'switches': spaces.MultiBinary([2, 2]),
    'one wheel': spaces.MultiDiscrete([4]),
    'one switch in a Dict': spaces.Dict({'on': spaces.Discrete(2, dtype=np.int16)}),
    'matrix': spaces.Box(np.array([[-0.3, 0], [1, -5]]), np.array([[0.7, 1], [2, -4]]),
                         dtype=np.float64),
    'number': spaces.Box(-3, 3, [], np.int64),
    'bytes': spaces.Box(0, 255, [2, 2], np.uint8),
    'nested': spaces.Tuple([
        spaces.Dict({'valve': spaces.Box(-3, 3, [2, 1], np.int64),
                     'turn': spaces.Discrete(2, start=-4, dtype=np.int32),
                     7: spaces.Tuple([spaces.MultiBinary(3)])}),
        spaces.Box(-2.0, 1.0, [], np.float64), spaces.MultiDiscrete([2, 3])])}


class Acting(gymnasium.Env):
  """A point on a line that any action moves, and that is paid for being near 0 with little effort.

  Raises where an action is no member of its space, down to the types of its arrays. Observation
  `[2]`: place and velocity.
  """
  observation_space = spaces.Box(-np.inf, np.inf, [2], np.float32)
  time_limit = 10

  def __init__(self, kind='mixed'):
    self.action_space = KINDS[kind]

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._state = self.np_random.uniform(-1, 1, 2)
    return self._state.astype(np.float32), {}

  def step(self, action):
    require_member(self.action_space, action)
    effort = self._effort(action)
    self._state = self._state + np.array([0.1 * self._state[1], 0.1 * np.tanh(effort)])
    observation = self._state.astype(np.float32)
    return observation, float(-abs(observation[0]) - 0.01 * effort), False, False, {}

  def reward_function(self, observation, action, next_observation):
    """Of batches `[..., 2]`, and of actions of the space's structure with the same leading axes."""
    return -abs(next_observation[..., 0]) - 0.01 * self._effort(action, observation.shape[:-1])

  def _effort(self, action, lead=()):
    """The sum of all numbers of an action, of which the leading axes stay."""
    total = 0.0
    for space, part in leaves(self.action_space, action):
      assert part.shape == (*lead, *space.shape) if lead else True
      for index in np.ndindex(*space.shape):
        entry = part[(..., *index)]
        total = total + (1.0 * entry if isinstance(entry, (int, np.ndarray, np.generic)) else
                         _float(entry))
    return total


def leaves(space, action):
  """Yields `(space, part)` of all parts of an action."""
  if isinstance(space, (spaces.Dict, spaces.Tuple)):
    keys = space.spaces if isinstance(space, spaces.Dict) else range(len(space.spaces))
    for key in keys:
      yield from leaves(space[key], action[key])
  else:
    yield space, np.asarray(action) if isinstance(action, int) else action


def require_member(space, action):
  """Raises where an action is no member of a space, or has another type than the space's own."""
  assert space.contains(action), f'{action!r} is no member of {space}'
  for part, value in leaves(space, action):
    assert value.dtype == part.dtype, f'{value.dtype} is not the type of {part}'


def _float(tensor):
  import tensorflow as tf  # none in a worker, where arrays come
  return tf.cast(tensor, tf.float32)


class Matching(gymnasium.Env):
  """Shows a level in [-1, 1] and one of three colours, and is paid for naming the colour and
  setting the level: 1 - |level - what was set| where the colour is right, otherwise 0.

  In each of 10 steps another level and colour. Random actions return 1.1 on average, the right
  colour with a level of 0 returns 5, the right level with any colour 3.3, and both 10.
  """
  observation_space = spaces.Box(-1.0, 1.0, [4], np.float32)
  action_space = spaces.Dict({'colour': spaces.Discrete(3, start=1),
                              'level': spaces.Box(-1.0, 1.0, [], np.float32)})
  time_limit = 10

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    return self._shown(), {}

  def step(self, action):
    reward = 1.0 - abs(float(action['level']) - self._level)
    reward *= int(action['colour']) == 1 + self._colour
    return self._shown(), float(reward), False, False, {}

  def _shown(self):
    self._level, self._colour = self.np_random.uniform(-1, 1), int(self.np_random.integers(3))
    return np.array([self._level, *np.eye(3)[self._colour]], np.float32)
