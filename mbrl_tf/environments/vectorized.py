"""N simulators shown to tf-agents as one batched `PyEnvironment`."""

import weakref

import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors

_STEPS_THAT_TELL = 2  # whether a simulator is seeded
_RENDER_FPS = 20  # of simulators whose metadata does not tell


class VectorizedEnvironment(py_environment.PyEnvironment):
  """N simulators of one task, stepped together.

  Time steps carry a leading `[N]`. The discount is 0 where an episode terminated and 1 everywhere else, so truncation
  never zeroes it; the learner multiplies gamma in. In the step after `LAST`, that simulator alone begins a new episode:
  its action is ignored, and its reward is 0. `FIRST` without a `LAST` before: that simulator failed and was restarted, and
  there is no more of its episode. Usable in a `with` statement; workers also end with the interpreter.

  Attributes:
    spec: the `types.EnvironmentSpec`.
    simulators: what steps them, `parallel.InProcess` or `parallel.Processes`.
    frames_per_second: of decisions, at which rendered frames play in real time.
    env_steps: int64 `[N]`, simulator steps taken in the last `step` (0 where an episode began; fewer than the action
      repeat where an episode ended).
  """

  def __init__(self, spec, simulators, num_envs, render_mode=None, render_fps=None):
    """Takes ownership of `simulators`, made for this `render_mode`.

    Args:
      spec: of the task.
      simulators: `parallel.InProcess` or `parallel.Processes`.
      num_envs: how many there are.
      render_mode: None or `rgb_array`.
      render_fps: simulator steps in a second of the simulator's own time; None where it does not tell.
    """
    super().__init__()
    self.spec = spec
    self.frames_per_second = (render_fps or _RENDER_FPS) / spec.action_repeat
    self.env_steps = np.zeros(num_envs, np.int64)
    self.simulators = simulators
    self._num_envs = num_envs
    self._render_mode = render_mode
    self._tensor_specs = _observation_specs(spec.observation), _action_spec(spec.action)
    # Runs at the first of close(), garbage collection and interpreter exit.
    self._finalizer = weakref.finalize(self, simulators.close)

  @property
  def batched(self):
    return True

  @property
  def batch_size(self):
    return self._num_envs

  @property
  def episode_counters(self):
    """int64 `[N]`: the number of the next episode of each simulator, which with the seed decides how it begins."""
    return self.simulators.episode_counters.copy()

  @episode_counters.setter
  def episode_counters(self, counters):
    counters = np.asarray(counters)
    if counters.shape != (self._num_envs,) or counters.dtype.kind not in 'iu' or (counters < 0).any():
      raise errors.UserError(
          f'Episode counters must be {self._num_envs} integers that are not negative, one for each simulator. '
          f'Received: episode_counters={counters}')
    self.simulators.episode_counters = counters.astype(np.int64)

  @property
  def restarts(self):
    """How often a simulator was restarted since this environment was made."""
    return int(self.simulators.restarts.sum())

  def observation_spec(self):
    return self._tensor_specs[0]

  def action_spec(self):
    return self._tensor_specs[1]

  def render(self, mode='rgb_array'):
    """Returns one frame uint8 [height, width, 3] for each simulator.

    Raises:
      UserError: the environment was not made with this render mode.
    """
    if mode != self._render_mode:
      raise errors.UserError(
          "Frames are there where an environment was made with render_mode='rgb_array', and in that mode alone. "
          f'Received: mode={mode!r}, render_mode={self._render_mode!r}')
    return self.simulators.render()

  def repeats_itself(self) -> bool:
    """Whether episodes of the same number begin alike: takes the first steps of two of them
    everywhere, and leaves no trace.

    A simulator that ignores its seed does not, nor does one with noise that is not seeded; noise
    that comes later is not seen.
    """
    counters, restarts = self.episode_counters, self.restarts
    action = np.zeros((self._num_envs,) + self.spec.action.shape, self.spec.action.dtype)
    seen = []
    for _ in range(2):
      self.episode_counters = counters
      seen.append([self.reset().observation,
                   *(self.step(action).observation for _ in range(_STEPS_THAT_TELL))])
    self.episode_counters = counters
    # one that failed tells nothing
    return self.restarts != restarts or all(map(np.array_equal, *map(tf.nest.flatten, seen)))

  def close(self):
    """Ends all workers; may be called more than once."""
    self._finalizer()

  def _reset(self):
    self._require_open()
    observation = self.simulators.reset()
    self.env_steps = np.zeros(self._num_envs, np.int64)
    return ts.TimeStep(
        step_type=np.full(self._num_envs, ts.StepType.FIRST, np.int32),
        reward=np.zeros(self._num_envs, np.float32),
        discount=np.ones(self._num_envs, np.float32),
        observation=observation)

  def _step(self, action):
    self._require_open()
    action = self._checked_action(action)
    step = self.simulators.step(action)
    self.env_steps = step.env_steps
    last = step.terminated | step.truncated
    step_type = np.where(last, ts.StepType.LAST, np.where(step.begins, ts.StepType.FIRST, ts.StepType.MID))
    return ts.TimeStep(
        step_type=step_type.astype(np.int32),
        reward=step.reward,
        discount=1.0 - step.terminated.astype(np.float32),
        observation=step.observation)

  def _checked_action(self, action):
    """Returns `action` as `types.ActionSpec` says, `[N, ...]`, with its numbers clipped."""
    action = np.asarray(action)
    expected = (self._num_envs,) + self.spec.action.shape
    if action.shape != expected:
      raise errors.UserError(f'Actions for {self.spec.name} must have the shape {list(expected)}. Received: action={action}')
    if not np.isfinite(action).all():  # no mistake of the user's: learning diverged
      raise FloatingPointError(f'The policy acts with numbers that are not finite. Received: action={action}')
    spec = self.spec.action
    if spec.choices:
      choices = action[:, spec.numbers:] if spec.shape else action[:, None]
      is_whole = (choices == np.floor(choices)).all() if spec.numbers else action.dtype.kind in 'iu'
      if not is_whole or (choices < 0).any() or (choices >= spec.choices).any():
        most = ', '.join(str(count - 1) for count in spec.choices)
        raise errors.UserError(
            f'Choices in actions for {self.spec.name} must be integers from 0 to {most}. '
            f'Received: action={action}')
    if spec.numbers:
      action = np.clip(action, *spec.bounds)
    return action.astype(spec.dtype)

  def _require_open(self):
    if not self._finalizer.alive:
      raise errors.SimulatorError(f'This environment was closed. Received: environment={self.spec.name!r}')


def _observation_specs(spec):
  if isinstance(spec, dict):
    return {key: array_spec.ArraySpec(part.shape, np.dtype(part.dtype), key) for key, part in spec.items()}
  return array_spec.ArraySpec(spec.shape, np.dtype(spec.dtype), 'observation')


def _action_spec(spec):
  return array_spec.BoundedArraySpec(spec.shape, np.dtype(spec.dtype), *spec.bounds, 'action')
