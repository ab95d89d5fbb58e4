"""N simulators behind one interface: in this process, or in spawned worker processes.

Both kinds reset a simulator alone in the step after its episode ended, and ignore the action given to it then.
"""

import os
import signal
import traceback

import gymnasium
import numpy as np
from gymnasium.vector import async_vector_env

from mbrl_tf import errors


class InProcess:
  """Steps simulators one after the other: no copies between processes, which costs more than a cheap simulator."""

  def __init__(self, recipes):
    self._envs = [recipe() for recipe in recipes]
    self._ended = np.zeros(len(self._envs), bool)

  def reset(self):
    """Begins a new episode everywhere. Returns observations `[N, ...]` or a dict of them."""
    self._ended[:] = False
    return _stack([env.reset()[0] for env in self._envs])

  def step(self, actions):
    """Takes one decision everywhere.

    Args:
      actions: `[N, A]` float32 or `[N]` int64, within the spec.

    Returns:
      observations `[N, ...]` or a dict, rewards float32 `[N]`, terminated bool `[N]`, truncated bool `[N]`,
      env_steps int64 `[N]`: simulator steps taken, 0 where an episode began.

    Raises:
      SimulatorError: a simulator raised, or returned what is outside its spec.
    """
    results = [env.step(action) if not ended else self._begin(env)
               for env, action, ended in zip(self._envs, actions, self._ended)]
    observations, rewards, terminated, truncated, infos = zip(*results)
    terminated, truncated = np.array(terminated, bool), np.array(truncated, bool)
    self._ended = terminated | truncated
    env_steps = np.array([info['env_steps'] for info in infos], np.int64)
    return _stack(observations), np.array(rewards, np.float32), terminated, truncated, env_steps

  def set_episode_counters(self, counters):
    """Sets the number of the next episode of each simulator."""
    for env, counter in zip(self._envs, counters):
      env.episode_counter = int(counter)

  def render(self):
    """Returns one frame uint8 [height, width, 3] for each simulator."""
    return [env.render() for env in self._envs]

  def close(self):
    for env in self._envs:
      env.close()

  @staticmethod
  def _begin(env):
    observation, info = env.reset()
    return observation, 0.0, False, False, info


class Processes:
  """Steps simulators in one spawned process each, with observations in shared memory.

  Spawned, because a process that has rendered or run TensorFlow cannot be forked safely; and never importing TensorFlow,
  because software rendering and TensorFlow in one process crash. Gymnasium's reset at the next step is just what tf-agents
  expects, and `wrappers.SeedEpisodes` seeds it; with its autoreset disabled one simulator could not be reset while the
  others step.
  """

  def __init__(self, recipes):
    """Starts the workers; a SimulatorError or UserError if one cannot build its simulator."""
    self._vector = async_vector_env.AsyncVectorEnv.__new__(async_vector_env.AsyncVectorEnv)
    self._ask('start', lambda: self._vector.__init__(
        recipes, context='spawn', shared_memory=True, worker=_worker,
        autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP))

  def reset(self):
    """As `InProcess.reset`."""
    return self._ask('reset', self._vector.reset)[0]

  def step(self, actions):
    """As `InProcess.step`."""
    observations, rewards, terminated, truncated, info = self._ask('step', self._vector.step, actions)
    return observations, rewards.astype(np.float32), terminated, truncated, np.asarray(info['env_steps'], np.int64)

  def set_episode_counters(self, counters):
    """As `InProcess.set_episode_counters`."""
    self._ask('set_attr', self._vector.set_attr, 'episode_counter', [int(counter) for counter in counters])

  def render(self):
    """As `InProcess.render`."""
    return list(self._ask('render', self._vector.call, 'render'))

  def close(self):
    self._end_workers()

  @property
  def processes(self):
    """The worker processes."""
    return self._vector.processes

  def _ask(self, method, function, *args):
    try:
      return function(*args)
    except (EOFError, OSError, gymnasium.error.ClosedEnvironmentError) as error:
      self._end_workers()
      raise self._death(method) from error
    except BaseException:
      self._end_workers()
      raise

  def _death(self, method):
    codes = [process.exitcode for process in getattr(self._vector, 'processes', [])]
    return errors.SimulatorError(
        f'A simulator process died during {method}(). Its own output, if any, stands above. '
        'Negative exit codes are signals; -9 is what the kernel sends when memory runs out. '
        f'Received: exit_codes={codes}')

  def _end_workers(self):
    """Ends all workers, whatever state they are in: asks them first, so that simulators close, then terminates."""
    vector = self._vector
    for pipe in getattr(vector, 'parent_pipes', []):
      try:
        if pipe is not None and not pipe.closed:
          pipe.send(('close', None))
      except OSError:
        pass  # This worker is dead already.
    for process in getattr(vector, 'processes', []):
      process.join(timeout=2)
      if process.is_alive():
        process.terminate()
        process.join(timeout=2)
      if process.is_alive():
        process.kill()
        process.join()
    vector.closed = True  # Or gymnasium would try to close it once more when it is collected.


def _worker(index, recipe, pipe, parent_pipe, *args):
  """Gymnasium's worker, but a simulator that cannot be built is told to the parent instead of to stderr alone."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it checkpoints, then closes.
  os.environ['CUDA_VISIBLE_DEVICES'] = ''  # The GPU's memory is the learner's.
  error_queue = args[1]
  try:
    env = recipe()
  except Exception as error:
    known = isinstance(error, (errors.UserError, errors.SimulatorError))
    told = error if known else errors.SimulatorError(f'A worker could not build its simulator.\n{traceback.format_exc()}')
    error_queue.put((index, type(told), str(told), ''))
    pipe.send((None, False))
    return
  try:
    async_vector_env._async_worker(index, lambda: env, pipe, parent_pipe, *args)
  except (OSError, EOFError):
    pass  # The parent is gone, so there is nobody to tell and nothing left to do.


def _stack(observations):
  if isinstance(observations[0], dict):
    return {key: np.stack([observation[key] for observation in observations]) for key in observations[0]}
  return np.stack(observations)
