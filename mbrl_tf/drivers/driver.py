"""Collects whole episodes from parallel environments with one batched policy."""

import time

from absl import logging
import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.drivers import observers as statistics

# decisions in the buffers at most at first; they double when an episode is longer
_FIRST_ROWS = 1000
_LONG_ROWS = 5000  # decisions of an episode that makes one wonder whether it ends


class EpisodeDriver:
  """Runs a `TFPolicy` in N environments at once, and returns whole episodes only.

  Environment i is row i of the policy's batch. The policy's `action` is compiled once per policy. The policy state is
  carried from step to step; `TFPolicy` itself resets the rows whose environment is at the beginning of an episode. Where an
  environment was restarted, the part of an episode before that is dropped, and counts nowhere but in the metrics.

  Attributes:
    environment: the batched `PyEnvironment`.
    spec: its `types.EnvironmentSpec`.
    host, hosts: which of how many hosts collects; see `HostDriver`.
  """
  host, hosts = 0, 1

  def __init__(self, environment, observers=()):
    """Starts nothing.

    Args:
      environment: what `environments.catalog.make` returns.
      observers: callables; each is given each `types.Episode` as soon as it ends.
    """
    self.environment = environment
    self.spec = environment.spec
    self._observers = tuple(observers)
    self._compiled = {}  # id of a policy to (the policy, its compiled action)

  def collect(self, policy, env_steps: int, seed=None, on_step=None) -> types.Collected:
    """Takes at least `env_steps` simulator steps.

    Every environment starts a fresh episode. One that ends is followed by another only while fewer than `env_steps`
    were taken by all environments together; then the running ones are completed. So with episodes of one length L
    the number of steps is exact where `env_steps` is a multiple of N * L. Simulator steps are those that were taken: an
    action is not repeated beyond the end of an episode.

    Args:
      policy: a `TFPolicy`. Where it has `member_of_env(N) -> int [N]`, that is written into the episodes' `member`.
      env_steps: simulator steps, action repeat multiplied in.
      seed: where given, step t of the policy is seeded with `[seed, t]`; otherwise the policy's own generator decides.
      on_step: called without arguments whenever the environments show a new observation, the first one included.

    Returns:
      The episodes in the order in which they ended.

    Raises:
      UserError: where `env_steps` is not positive.
    """
    if env_steps < 1:
      raise errors.UserError(f'Collecting needs at least one step. Received: env_steps={env_steps}')
    size = self.environment.batch_size
    return self._run(policy, seed, lambda ended, taken: np.full(size, taken < env_steps), on_step)

  def collect_episodes(self, policy, count: int, seed=None, on_step=None) -> types.Collected:
    """Takes `count` episodes, as evenly spread over the environments as possible.

    How many an environment takes does not depend on how long they last: otherwise short episodes, which in many tasks
    are the bad ones, would be counted more often.

    Args:
      policy: as in `collect`.
      count: number of episodes.
      seed, on_step: as in `collect`.

    Returns:
      As `collect`.

    Raises:
      UserError: where `count` is not positive.
    """
    if count < 1:
      raise errors.UserError(f'Collecting needs at least one episode. Received: count={count}')
    size = self.environment.batch_size
    quota = count // size + (np.arange(size) < count % size)
    return self._run(policy, seed, lambda ended, taken: ended < quota, on_step)

  def together(self, collected: types.Collected) -> types.Collected:
    """What all hosts collected, given what this one did, in counts and metrics; the episodes are this host's."""
    return collected

  def _run(self, policy, seed, wants_more, on_step=None):
    """Runs episodes; `wants_more(episodes ended [N], env steps) -> bool [N]` says which environments may start another."""
    begin = time.monotonic()
    act = self._compile(policy)
    size = self.environment.batch_size
    recorder = _Recorder(self.spec, size, _members(policy, size))
    policy_state = policy.get_initial_state(size)
    restarts = self.environment.restarts
    time_step = self.environment.reset()
    episodes, ended, step = [], np.zeros(size, int), 0
    running = wants_more(ended, 0)
    while running.any():
      if on_step:
        on_step()
      action, policy_state = act(time_step, policy_state, seed, step)
      following = self.environment.step(action)
      # After its last step an environment is reset by the next one, which therefore is no transition.
      begins = time_step.step_type == ts.StepType.LAST
      failed = ~begins & (following.step_type == ts.StepType.FIRST)
      recorder.record(time_step.observation, action, following, self.environment.env_steps, running & ~begins & ~failed)
      recorder.drop(failed)
      ends = running & ~begins & (following.step_type == ts.StepType.LAST)
      for env in np.flatnonzero(ends):
        episodes.append(self._observed(recorder.finish(env, following.observation)))
      ended += ends
      running &= ~(ends | begins | failed) | wants_more(ended, recorder.env_steps)
      time_step = following
      step += 1
    if on_step:
      on_step()
    metrics = statistics.collection_statistics(
        statistics.summaries(episodes), recorder.env_steps, time.monotonic() - begin)
    metrics['collect/simulator_restarts'] = float(self.environment.restarts - restarts)
    metrics['collect/dropped_env_steps'] = float(recorder.dropped_env_steps)
    return types.Collected(tuple(episodes), recorder.env_steps, recorder.decisions, metrics)

  def _observed(self, episode):
    """Shows the episode to the observers and returns it."""
    for observer in self._observers:
      observer(episode)
    return episode

  def _compile(self, policy):
    """Returns `(time_step, policy_state, seed, step) -> (action as numpy, policy_state)`."""
    if id(policy) not in self._compiled:

      @tf.function(autograph=False)  # tf-agents branches on Python values only; conversion would take seconds
      def action(observation, status, policy_state, seed):
        step_type, reward, discount = tf.unstack(status)
        time_step = ts.TimeStep(tf.cast(step_type, tf.int32), reward, discount, observation)
        step = policy.action(time_step, policy_state, seed)
        return step.action, step.state

      # The policy is kept beside its function, so that its id cannot pass to another one.
      self._compiled[id(policy)] = (policy, action)
    compiled = self._compiled[id(policy)][1]

    def act(time_step, policy_state, seed, step):
      # Each argument of a compiled function costs some 0.2 ms at every call, hence three of them in one array.
      status = tf.constant(np.stack([time_step.step_type, time_step.reward, time_step.discount]), tf.float32)
      observation = tf.nest.map_structure(tf.constant, time_step.observation)
      step_seed = None if seed is None else tf.constant([seed, step], tf.int32)
      chosen, policy_state = compiled(observation, status, policy_state, step_seed)
      return chosen.numpy(), policy_state

    return act


class _Recorder:
  """The running episode of each environment.

  Rows are written at each environment's own position, so memory is bounded by the longest episode.

  Attributes:
    decisions: recorded so far, in all environments.
    env_steps: simulator steps of these decisions; fewer than the action repeat in one within which its episode ended.
    dropped_env_steps: those that were recorded, and dropped with their episode.
  """

  def __init__(self, spec, size, members):
    self._rows = np.arange(size)
    self._position = np.zeros(size, int)
    self._env_steps = np.zeros(size, int)  # of the running episodes
    self._members = members
    self._is_dict = not isinstance(spec.observation, types.ArraySpec)
    # One row more than the longest episode has: an idle environment writes to a row that nobody
    # reads. No more than may be needed, for a limit may be far beyond what is played.
    self._name, self._knows_no_limit = spec.name, not spec.time_limit
    longest = spec.decisions or _FIRST_ROWS
    shape = (min(longest, _FIRST_ROWS) + 1, size)
    specs = dict(spec.observation) if self._is_dict else {'observation': spec.observation}
    self._observation = {key: np.empty(shape + tuple(array.shape), array.dtype) for key, array in specs.items()}
    self._action = np.empty(shape + tuple(spec.action.shape), spec.action.dtype)
    self._reward = np.empty(shape, np.float32)
    self._terminated = np.empty(shape, bool)
    self.decisions = 0
    self.env_steps = 0
    self.dropped_env_steps = 0

  def record(self, observation, action, following, env_steps, active):
    """Writes one transition of each environment, of `env_steps` (int [N]); `active` (bool [N]) says which of them count."""
    at = (self._position, self._rows)
    for key, buffer in self._observation.items():
      buffer[at] = observation[key] if self._is_dict else observation
    self._action[at] = action
    self._reward[at] = following.reward
    self._terminated[at] = (following.step_type == ts.StepType.LAST) & (following.discount == 0)
    self._position[active] += 1
    self.decisions += int(active.sum())
    self.env_steps += int(env_steps[active].sum())
    self._env_steps[active] += env_steps[active]
    if self._position.max() >= len(self._reward):
      self._grow()

  def drop(self, failed):
    """Forgets the running episodes of the environments `failed` (bool [N])."""
    dropped = int(self._env_steps[failed].sum())
    self.dropped_env_steps += dropped
    self.env_steps -= dropped
    self.decisions -= int(self._position[failed].sum())
    self._position[failed] = 0
    self._env_steps[failed] = 0

  def finish(self, env, last_observation):
    """Returns the episode that just ended in environment `env`, and starts an empty one there."""
    end = self._position[env]
    observation = {}
    for key, buffer in self._observation.items():
      last = last_observation[key] if self._is_dict else last_observation
      observation[key] = np.concatenate([buffer[:end, env], np.asarray(last[env], buffer.dtype)[None]])
    self._position[env] = 0
    self._env_steps[env] = 0
    return types.Episode(
        observation if self._is_dict else observation['observation'], self._action[:end, env].copy(),
        self._reward[:end, env].copy(), self._terminated[:end, env].copy(), int(self._members[env]))

  def _grow(self):
    """Doubles the buffers: an episode reached their end, of which nobody may have known one."""
    rows = len(self._reward)
    if self._knows_no_limit and rows > _LONG_ROWS:
      logging.warning(
          'An episode of %s has not ended in %d decisions, and no time limit is known. If its '
          'episodes do not end by themselves, give environment.time_limit in env steps. '
          'Received: time_limit=0', self._name, rows)
      self._knows_no_limit = False
    double = lambda buffer: np.concatenate([buffer, np.empty_like(buffer)])
    self._observation = {key: double(buffer) for key, buffer in self._observation.items()}
    self._action, self._reward, self._terminated = double(self._action), double(self._reward), double(self._terminated)


def _members(policy, size):
  """Returns which member acts in each environment, int [N]; -1 where the policy has no members."""
  member_of_env = getattr(policy, 'member_of_env', None)
  return np.full(size, -1) if member_of_env is None else np.asarray(member_of_env(size))
