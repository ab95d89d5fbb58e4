"""One thing to time, and what is timed of every algorithm."""

from typing import Any, Callable, Dict, NamedTuple, Optional

import numpy as np

from mbrl_tf.drivers import driver as episode_driver


class Benchmark(NamedTuple):
  """One thing to time.

  Attributes:
    run: does it once, and returns when it is finished.
    units: how many of `unit` one run is.
    unit: what the rate counts.
    flop: of one run; None where it is no matter of floating-point operations.
    sizes: what tells how large the work is.
  """
  run: Callable[[], Any]
  units: float
  unit: str
  flop: Optional[float]
  sizes: Dict[str, Any]


def collect(run, config, policy) -> Benchmark:
  """Real steps with a policy, as many as an iteration collects, and their episodes on disk."""
  steps = config.collect.env_steps_per_iteration
  driver = episode_driver.EpisodeDriver(run.environment, observers=(run.store.append,))
  taken = driver.collect(policy, steps).env_steps  # whole episodes: it may be more than was asked for
  return Benchmark(lambda: driver.collect(policy, steps), taken, 'env steps', None, {
      'environment': config.environment.name, 'observation': config.environment.observation,
      'num_envs': config.environment.num_envs, 'action_repeat': config.environment.action_repeat, 'env_steps': taken})


def kernel_flop(model):
  """Operations of one forward pass through all dense kernels of a model for one row of input: 2 for each entry."""
  return 2 * sum(int(np.prod(kernel.shape[-2:])) for kernel in model)
