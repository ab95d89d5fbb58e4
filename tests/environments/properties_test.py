"""The wrappers against plain loops, for bounds, limits and repeats that nobody chose."""

import gymnasium
from gymnasium import spaces
from hypothesis import given, settings, strategies
import numpy as np

from mbrl_tf.environments import wrappers

often = settings(max_examples=60, derandomize=True, deadline=None)
numbers = strategies.floats(-50, 50, width=32)


class Recorder(gymnasium.Env):
  """Observes and rewards the number of its step; terminates at one of them; remembers the actions."""
  observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)

  def __init__(self, action_space=None, terminate_at=0):
    self.action_space = action_space or spaces.Box(-1, 1, (1,), np.float32)
    self.actions, self._steps, self._terminate_at = [], 0, terminate_at

  def reset(self, *, seed=None, options=None):
    self._steps = 0
    return np.zeros(1, np.float32), {}

  def step(self, action):
    self._steps += 1
    self.actions.append(np.array(action))
    return np.full(1, self._steps, np.float32), float(self._steps), self._steps == self._terminate_at, False, {}


@often
@given(low=strategies.lists(numbers, min_size=1, max_size=3), width=strategies.floats(0.125, 100, width=32), share=strategies.floats(0, 1))
def test_scaled_actions_lie_as_far_between_the_bounds(low, width, share):
  low = np.array(low, np.float32)
  recorder = Recorder(spaces.Box(low, low + np.float32(width), dtype=np.float32))
  env = wrappers.ScaleActions(recorder, 'toy')
  assert env.action_space == spaces.Box(-1., 1., low.shape, np.float32)
  env.step(np.full(low.shape, 2 * share - 1, np.float32))
  np.testing.assert_allclose(recorder.actions[0], low + share * np.float32(width), rtol=1e-5, atol=1e-4)


@often
@given(start=strategies.integers(-5, 5), count=strategies.integers(1, 9), choice=strategies.integers(0, 8))
def test_shifted_actions_begin_at_zero(start, count, choice):
  recorder = Recorder(spaces.Discrete(count, start=start))
  env = wrappers.ShiftActions(recorder)
  env.step(np.int64(choice % count))
  assert env.action_space == spaces.Discrete(count) and recorder.actions == [start + choice % count]


@often
@given(limit=strategies.integers(1, 30), repeat=strategies.integers(1, 7), terminate_at=strategies.integers(0, 40), episodes=strategies.integers(1, 3))
def test_limit_and_repeat_count_env_steps(limit, repeat, terminate_at, episodes):
  recorder = Recorder(terminate_at=terminate_at)
  env = wrappers.RepeatActions(wrappers.LimitTime(recorder, limit), repeat)
  end = min(limit, terminate_at or limit)
  for _ in range(episodes):
    assert env.reset()[1] == {'env_steps': 0}
    recorder.actions.clear()
    step, ended, decisions = 0, False, 0
    while not ended:
      decisions += 1
      observation, reward, terminated, truncated, info = env.step(np.array([decisions], np.float32))
      taken = min(repeat, end - step)
      assert info == {'env_steps': taken} and reward == sum(range(step + 1, step + taken + 1))
      step += taken
      ended = terminated or truncated
      assert observation[0] == step and ended == (step == end)
    assert (terminated, truncated) == (step == terminate_at, step == limit)
    assert decisions == -(-end // repeat) and [int(action[0]) for action in recorder.actions] == [t // repeat + 1 for t in range(end)]
