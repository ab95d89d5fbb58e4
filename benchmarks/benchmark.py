"""One thing to time, and what is timed of every algorithm."""

from typing import Any, Callable, Dict, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.data import sequences as sequences_lib
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
      'num_envs': config.environment.num_envs,
      'action_repeat': config.environment.env_steps_per_decision, 'env_steps': taken})


def sequences(run, config, policy, length) -> Benchmark:
  """Batches of sequences of `length` rows from disk; after the first most are in memory."""
  replay, count = config.replay, 10
  view = sequences_lib.SequenceView(run.store, replay.capacity, replay.cache_mib * 2**20)
  collect(run, config, policy)
  batches = lambda: view.batches(count, replay.batch_size, length, 0)
  draw = lambda: [batch.reward.numpy() for batch in batches()]
  return Benchmark(draw, count, 'batches', None, {
      'batch_size': replay.batch_size, 'batch_length': length,
      'observation': config.environment.observation})


def noise(spec, rows, length):
  """A batch of sequences that says nothing, `types.Sequences` of `[rows, length, ...]`."""
  generator = np.random.default_rng(0)

  def draw(array):
    shape = (rows, length, *array.shape)
    return (generator.integers(0, 256, shape).astype(np.uint8) if array.dtype == 'uint8'
            else generator.uniform(-1, 1, shape).astype(np.float32))

  observation, shape = spec.observation, (rows, length)
  if isinstance(observation, dict):
    observation = {key: draw(array) for key, array in observation.items()}
  else:
    observation = draw(observation)
  action = spec.action.sample(generator, shape)
  reward = generator.uniform(size=shape).astype(np.float32)
  batch = types.Sequences(
      observation, action, reward, np.zeros(shape, bool), np.zeros(shape, bool))
  return tf.nest.map_structure(tf.constant, batch)


def kernel_flop(model):
  """Operations of one forward pass through all dense kernels of a model for one row of input: 2 for each entry."""
  return 2 * sum(int(np.prod(kernel.shape[-2:])) for kernel in model)
