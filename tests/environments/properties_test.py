"""The wrappers against plain loops, for bounds, limits and repeats that nobody chose."""

import gymnasium
from gymnasium import spaces
from hypothesis import given, settings, strategies
import numpy as np

from mbrl_tf import types
from mbrl_tf.environments import actions, wrappers

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
@given(low=strategies.lists(numbers, min_size=1, max_size=3),
       width=strategies.floats(0.125, 100, width=32), share=strategies.floats(0, 1),
       dtype=strategies.sampled_from(['f2', 'f4', 'f8']), power=strategies.integers(-4, 4))
def test_scaled_actions_lie_as_far_between_the_bounds_and_never_beyond(
    low, width, share, dtype, power):
  unit = 1.0 if dtype == 'f2' else 10.0**power
  low = (np.array(low) * unit).astype(dtype)
  space = spaces.Box(low, (low + width * unit).astype(dtype), dtype=np.dtype(dtype))
  recorder = Recorder(space)
  env = actions.ConvertActions(recorder, 'toy')
  assert env.action_spec == types.ActionSpec(low.size)
  for chosen in (2 * share - 1, -1, 1):
    env.step(np.full(low.shape, chosen, np.float32))
  between, first, last = recorder.actions
  assert between.dtype == space.dtype and all(space.contains(action) for action in recorder.actions)
  np.testing.assert_allclose(between, low + share * (space.high.astype(float) - low),
                             rtol=3e-3 if dtype == 'f2' else 1e-5, atol=2e-5 * unit * (width + 50))
  rounding = {'rtol': 1e-12, 'atol': 1e-13 * unit}
  np.testing.assert_allclose(first, space.low, **rounding)
  np.testing.assert_allclose(last, space.high, **rounding)


@often
@given(low=strategies.integers(-20, 20), count=strategies.integers(1, 12),
       dtype=strategies.sampled_from(['i1', 'i4', 'i8']))
def test_each_whole_number_is_met_by_an_equal_part_of_the_actions(low, count, dtype):
  space = spaces.Box(low, low + count - 1, [1], np.dtype(dtype))
  recorder = Recorder(space)
  env = actions.ConvertActions(recorder, 'toy')
  for chosen in (np.arange(20 * count) + 0.5) / (10 * count) - 1:
    env.step(np.array([chosen], np.float32))
  for chosen in (-1, 1):
    env.step(np.array([chosen], np.float32))
  assert all(action.dtype == space.dtype for action in recorder.actions)
  numbers = np.concatenate(recorder.actions)
  np.testing.assert_array_equal(numbers[:-2], np.repeat(low + np.arange(count), 20))
  assert numbers[-2:].tolist() == [low, low + count - 1]


@often
@given(start=strategies.integers(-5, 5), count=strategies.integers(1, 9), choice=strategies.integers(0, 8))
def test_shifted_actions_begin_at_zero(start, count, choice):
  recorder = Recorder(spaces.Discrete(count, start=start))
  env = actions.ConvertActions(recorder, 'toy')
  env.step(np.int64(choice % count))
  assert env.action_spec == types.ActionSpec(choices=(count,))
  assert recorder.actions == [start + choice % count]


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
