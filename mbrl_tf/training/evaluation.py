"""Episodes of a policy that learning does not see."""

import hashlib
import json
from typing import Any, Callable, Dict, List, NamedTuple

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.drivers import observers


class Evaluation(NamedTuple):
  """Episodes, the metrics of them, and what the first environment looked like."""
  metrics: Dict[str, float]   # `evaluate/return_mean`, `_min`, `_max`, `_std`, `evaluate/episode_length_mean`, `.../simulator_restarts`
  episodes: tuple
  frames: List[np.ndarray]    # uint8 [height, width, 3]; empty where none were asked for
  frames_per_second: float = 0.0   # at which the frames play in real time; 0 where there are none


class Evaluator:
  """Evaluates in environments of its own, with randomness of its own.

  What an evaluation does is decided by the run's seed and `env_steps` alone: neither does it disturb training, nor
  does it matter which evaluations came before.
  """

  def __init__(self, make_environment: Callable, episodes: int, seed: int, video: bool = False, num_envs: int = 16):
    """Makes the environments at the first evaluation.

    Args:
      make_environment: `(num_envs, seed, render_mode) -> environment`; see `environments.catalog.make`.
      episodes: in each evaluation.
      seed: of the run.
      video: whether to render one more episode.
      num_envs: environments in parallel at most.
    """
    self._make_environment = make_environment
    self._episodes = episodes
    self._seed = seed
    self._video = video
    self._num_envs = num_envs
    self._drivers: Dict[int, Any] = {}

  def evaluate(self, policy, env_steps: int) -> Evaluation:
    """Runs the episodes.

    Args:
      policy: a `TFPolicy` that honours `seed`.
      env_steps: that training has taken.
    """
    collected = self._collect(policy, env_steps, self._episodes, render=False)
    metrics = observers.return_statistics(observers.summaries(collected.episodes)[:, 0], 'evaluate')
    metrics['evaluate/episode_length_mean'] = collected.decisions / len(collected.episodes)
    metrics['evaluate/simulator_restarts'] = collected.metrics['collect/simulator_restarts']
    frames, frames_per_second = self.film(policy, env_steps) if self._video else ([], 0.0)
    return Evaluation(metrics, collected.episodes, frames, frames_per_second)

  def film(self, policy, env_steps: int):
    """Runs one more episode; returns its frames `[T + 1]`, and at how many in a second they play
    in real time.

    Raises:
      UserError, SimulatorError: as `require_frames`.
    """
    frames = []
    self._collect(policy, env_steps, 1, render=True, on_step=lambda driver: frames.append(_checked(driver.environment.render()[0])))
    return frames, self._drivers[True].environment.frames_per_second

  def require_frames(self):
    """Draws one frame where videos are asked for, so that training does not go on until the first evaluation to learn that none can be.

    Raises:
      UserError: this machine or the environment cannot render.
      SimulatorError: what it renders is no frame.
    """
    if self._video:
      environment = self._driver(1, render=True).environment
      environment.reset()
      _checked(environment.render()[0])

  def close(self):
    """Ends the environments."""
    for driver in self._drivers.values():
      driver.environment.close()
    self._drivers = {}

  def _collect(self, policy, env_steps, episodes, render, on_step=None) -> types.Collected:
    """Runs `episodes` episodes in the environments that render, or in those that do not."""
    driver = self._driver(episodes, render)
    # An evaluation has fewer episodes than there were env steps since the one before, so none begins like another.
    driver.environment.episode_counters = np.full(driver.environment.batch_size, env_steps)
    return driver.collect_episodes(
        policy, episodes, derive_seed(self._seed, 'evaluate', env_steps), on_step and (lambda: on_step(driver)))

  def _driver(self, episodes, render):
    """Returns the driver of the environments that render, or of those that do not, which are made where there are none yet."""
    if render not in self._drivers:
      seed = derive_seed(self._seed, 'evaluate')
      environment = self._make_environment(1 if render else min(episodes, self._num_envs), seed, 'rgb_array' if render else None)
      self._drivers[render] = episode_driver.EpisodeDriver(environment)
    return self._drivers[render]


def _checked(frame):
  """Returns a frame of a video, or raises a `SimulatorError` where it is none."""
  array = np.asarray(frame)
  if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
    raise errors.SimulatorError(
        "A simulator that is built with render_mode='rgb_array' must return uint8 [height, width, 3] of its render(); without videos "
        f'(run.evaluate_videos=False) it need not. Received: frame={array.dtype}{list(array.shape)}')
  return array


def derive_seed(*parts) -> int:
  """Returns a seed in [0, 2**31) that depends on all parts; equal on every machine."""
  digest = hashlib.sha256(json.dumps(parts).encode()).digest()
  return int.from_bytes(digest[:4], 'little') >> 1
