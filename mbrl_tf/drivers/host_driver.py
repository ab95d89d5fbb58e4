"""Collects on one of several hosts, each with environments of its own, and counts what all of them took."""

import numpy as np

from mbrl_tf import types
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.drivers import observers as statistics


class HostDriver(episode_driver.EpisodeDriver):
  """An `EpisodeDriver` that takes this host's share of the env steps.

  What it draws follows from the run's seed, the host, and how many episodes this host has written, so that hosts explore each in
  its own way, and a run that goes on does not repeat itself.
  """

  def __init__(self, environment, store, placement, seed, observers=()):
    """Starts nothing.

    Args:
      environment: this host's, see `EpisodeDriver`.
      store: the `ShardedStore`, into which an observer writes.
      placement: with `host`, `hosts` and `gather`.
      seed: of the run.
      observers: see `EpisodeDriver`.
    """
    super().__init__(environment, observers)
    self.host, self.hosts = placement.host, placement.hosts
    self._store, self._gather, self._seed = store, placement.gather, seed

  def collect(self, policy, env_steps, seed=None, on_step=None) -> types.Collected:
    """As `EpisodeDriver.collect`, of the share of `env_steps` that is this host's."""
    if seed is None:
      entropy = np.random.SeedSequence([self._seed, self.host, self._store.length_of_own_shard])
      seed = int(entropy.generate_state(1)[0] >> 1)
    return super().collect(policy, -(-env_steps // self.hosts), seed, on_step)

  def together(self, collected) -> types.Collected:
    rows = statistics.summaries(collected.episodes)
    faults = ('collect/simulator_restarts', 'collect/dropped_env_steps')
    told = self._gather([len(rows), collected.env_steps, collected.decisions, self._store.length_of_own_shard,
                         collected.metrics['collect/env_steps_per_second'], *(collected.metrics[name] for name in faults)])
    episodes, env_steps, decisions, lengths, rates = told.T[:5]
    padded = np.zeros([int(episodes.max()), rows.shape[1]])
    padded[:len(rows)] = rows
    everyone = np.concatenate([own[:int(count)] for own, count in zip(self._gather(padded), episodes)])
    self._store.refresh(lengths.astype(int))
    metrics = statistics.collection_statistics(everyone, int(env_steps.sum()), float((env_steps / rates).max()))
    metrics.update(zip(faults, told[:, 5:].sum(0).tolist()))
    return types.Collected(collected.episodes, int(env_steps.sum()), int(decisions.sum()), metrics)
