"""A point on a line, observed in each kind of space that there is; free of TensorFlow.

The suite's own versions of what users have reported.
"""

import gymnasium
import numpy as np
from gymnasium import spaces


class Base(gymnasium.Env):
  """A point that is pushed, and paid for being near 0; episodes end by themselves."""
  observation_space = spaces.Box(-np.inf, np.inf, [2], np.float32)
  action_space = spaces.Box(-1.0, 1.0, [1], np.float32)
  steps = 8

  def __init__(self, render_mode=None):
    self.render_mode, self.state, self.count = render_mode, np.zeros(2), 0

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self.state, self.count = self.np_random.uniform(-1, 1, 2), 0
    return self.observe(), {}

  def step(self, action):
    self.count += 1
    self.state[1] = 0.9 * self.state[1] + 0.1 * float(action[0])
    self.state[0] += 0.1 * self.state[1]
    return self.observe(), -abs(float(self.state[0])), False, self.count == self.steps, {}

  def observe(self):
    return self.state.astype(np.float32)

  def cell(self, first=0):
    """The place as one of 20 cells."""
    return first + int(np.clip(10 + 10 * self.state[0], 0, 19))

  @staticmethod
  def reward_function(observation, action, next_observation):
    return -action[..., 0] ** 2


class Cells(Base):
  """One of 20 cells, from -5 on."""
  observation_space = spaces.Discrete(20, start=-5)

  def observe(self):
    return self.cell(-5)

  @staticmethod
  def reward_function(observation, action, next_observation):
    assert next_observation.shape[-1] == 20
    return next_observation[..., 10] - next_observation[..., 0]


class Wheels(Base):
  """Two wheels of different sizes, in rows and columns."""
  observation_space = spaces.MultiDiscrete(np.array([[20], [3]]))

  def observe(self):
    return np.array([[self.cell()], [self.count % 3]])


class Switches(Base):
  """Signs."""
  observation_space = spaces.MultiBinary(3)

  def observe(self):
    return np.array([*(self.state > 0), self.count > 4], np.int8)


class Board(Base):
  """A board of 0 and 1, too small for convolutions."""
  observation_space = spaces.Box(0, 1, [8, 8], np.uint8)

  def observe(self):
    board = np.zeros([8, 8], np.uint8)
    board[tuple(np.clip(4 + 4 * self.state, 0, 7).astype(int))] = 1
    return board

  @staticmethod
  def reward_function(observation, action, next_observation):
    assert tuple(next_observation.shape[-2:]) == (8, 8)
    return next_observation[..., 4, 4] - action[..., 0] ** 2


class LargeBoard(Base):
  """The same board in 16 planes of 24 x 20, of which the first is used."""
  observation_space = spaces.MultiBinary([16, 24, 20])

  def observe(self):
    board = np.zeros([16, 24, 20], np.int8)
    board[(0, *np.clip(10 + 8 * self.state, 0, 19).astype(int))] = 1
    return board


class FloatImage(Base):
  """Grey, in float32 from 0 to 1, without an axis of channels."""
  observation_space = spaces.Box(0, 1, [24, 20], np.float32)

  def observe(self):
    image = np.zeros([24, 20], np.float32)
    row, column = np.clip(10 + 8 * self.state, 2, 17).astype(int)
    image[row - 2:row + 3, column - 2:column + 3] = 1
    return image


class ChannelsFirst(FloatImage):
  """Bytes, 3 x 16 x 40."""
  observation_space = spaces.Box(0, 255, [3, 16, 40], np.uint8)

  def observe(self):
    image = (255 * FloatImage.observe(self)[4:20]).astype(np.uint8).repeat(2, 1)
    return np.stack([image, image // 2, 255 - image])


class Nested(Base):
  """A Dict in a Tuple, with all that there is beside images, and a text."""
  observation_space = spaces.Tuple([
      spaces.Dict({'place': spaces.Box(-9, 9, [], np.float64), 'cell': Cells.observation_space,
                   'mission': spaces.Text(9), 'table': spaces.Box(-9, 9, [1, 2, 2], np.float32)}),
      Switches.observation_space, Board.observation_space, Wheels.observation_space])

  def observe(self):
    table = np.float32([[self.state, self.state]])
    inner = {'place': self.state[0], 'cell': Cells.observe(self), 'mission': 'stay', 'table': table}
    return inner, Switches.observe(self), Board.observe(self), Wheels.observe(self)


class Grid(Base):
  """As MiniGrid: a small image of other things than colours, a direction, and a text."""
  observation_space = spaces.Dict({
      'image': spaces.Box(0, 255, [7, 7, 3], np.uint8), 'direction': spaces.Discrete(4),
      'mission': spaces.Text(9)})

  def observe(self):
    image = np.zeros([7, 7, 3], np.uint8)
    image[int(np.clip(3 + 3 * self.state[0], 0, 6)), 3] = [10, 5, 2]
    return {'image': image, 'direction': np.int64(self.count % 4), 'mission': 'stay'}


class CollidingKeys(Base):
  """Keys that are one name where punctuation and capitals do not count, of images, too."""
  observation_space = spaces.Dict({
      **{key: spaces.Box(-np.inf, np.inf, [1], np.float32)
         for key in ('a.b', 'a_b', 'a/b', 'pos', 'Pos')},
      'a': spaces.Dict({'b': spaces.Box(-np.inf, np.inf, [1], np.float32)})})

  def observe(self):
    place = self.state[:1].astype(np.float32)
    return {**dict.fromkeys(('a.b', 'a_b', 'a/b', 'pos', 'Pos'), place), 'a': {'b': 2 * place}}


class Everything(CollidingKeys):
  """All of the above: nested parts, keys that collide, and images whose keys do, where they are
  wanted.
  """
  steps = 24
  _IMAGES = {'eye/left': FloatImage, 'eye.left': ChannelsFirst}

  def __init__(self, render_mode=None, images=True):
    super().__init__(render_mode)
    self._images = self._IMAGES if images else {}
    self.observation_space = spaces.Dict({
        **CollidingKeys.observation_space.spaces, 'deep': Nested.observation_space,
        **{key: kind.observation_space for key, kind in self._images.items()}})

  def observe(self):
    return {**super().observe(), 'deep': Nested.observe(self),
            **{key: kind.observe(self) for key, kind in self._images.items()}}

  @staticmethod
  def reward_function(observation, action, next_observation):
    assert sorted(next_observation) == [
        'Pos', 'a.b', 'a/b-2', 'a/b-3', 'a_b-4', 'deep/0/cell', 'deep/0/place', 'deep/0/table',
        'deep/1', 'deep/2', 'deep/3', 'pos-2']
    assert next_observation['deep/0/cell'].shape[-1] == 20
    assert tuple(next_observation['deep/2'].shape[-2:]) == (8, 8)
    assert next_observation['deep/3'].shape[-1] == 23
    return -abs(next_observation['Pos'][..., 0])


ALL = (Base, Cells, Wheels, Switches, Board, LargeBoard, FloatImage, ChannelsFirst, Nested, Grid,
       CollidingKeys, Everything)
gymnasium.register('ObservationKinds/All-v0', 'tests.environments.observation_kinds:Everything')
