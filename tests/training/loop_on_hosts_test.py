"""What the loop does on several hosts, which are threads here: they agree before anything is dropped or saved."""

import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.data import shards
from mbrl_tf.training import checkpoint, loop, run_directory
from tests import fakes
from tests.data.episodes_test import make_episode


class Host:
  """A `Placement` of which `gather` waits for the other threads."""

  def __init__(self, host, told, barrier):
    self.host, self.hosts = host, len(told)
    self._told, self._barrier = told, barrier

  def gather(self, values):
    self._told[self.host] = np.asarray(values, np.float64)
    self._barrier.wait()
    result = np.stack(self._told)
    self._barrier.wait()
    return result


def on_hosts(function, hosts=2):
  """Returns what `function(placement)` returned or raised on each host."""
  told, barrier, results = [None] * hosts, threading.Barrier(hosts, timeout=60), [None] * hosts

  def act(host):
    try:
      results[host] = function(Host(host, told, barrier))
    except (errors.UserError, errors.HostError) as error:
      results[host] = error

  threads = [threading.Thread(target=act, args=(host,)) for host in range(hosts)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return results


def state():
  module = tf.Module()
  module.variable = tf.Variable([1., 2.])
  return types.SimpleNamespace(state=module)


@pytest.fixture
def path(tmp_path):
  """A run of two hosts with checkpoints at 40 and 80 env steps, and one more episode of each host after them."""
  run_directory.RunDirectory(tmp_path).write_config(fakes.CountingConfig())
  stores = [shards.ShardedStore(tmp_path / 'episodes', host, 2) for host in range(2)]
  checkpointer = checkpoint.Checkpointer(tmp_path / 'checkpoints', state().state)
  for count, env_steps in ((1, 40), (2, 80), (3, None)):
    for store in stores:
      store.append(make_episode(4))
    if env_steps:
      for store in stores:
        store.refresh([count, count])
      checkpointer.progress.env_steps.assign(env_steps)
      checkpointer.progress.history.assign(stores[0].history)
      checkpointer.progress.episode_counters.assign([3, 4, 5, 6])
      checkpointer.save()
  return tmp_path


def restored(path, placement, folder=None, **changes):
  """Restores as one of the hosts; returns its store and environment."""
  config = fakes.CountingConfig()
  for name, value in changes.items():
    setattr(config.part, name, value)
  directory = run_directory.RunDirectory(folder or path, placement.host)
  store = shards.ShardedStore(path / 'episodes', placement.host, placement.hosts)
  environment = fakes.CountingEnvironment([[5], [5]])
  with directory:
    placement.gather([0])  # the chief's lock is there
    loop.restore(state(), config, directory, store, environment, placement)
  return store, environment


def files(path):
  return sorted(str(file.relative_to(path)) for file in (path / 'episodes').rglob('*.npz'))


def test_all_go_on_from_the_same_checkpoint_and_drop_what_is_newer(path):
  found = on_hosts(lambda placement: restored(path, placement))
  assert [len(store) for store, _ in found] == [4, 4] and len(files(path)) == 4
  assert [environment.episode_counters.tolist() for _, environment in found] == [[3, 4], [5, 6]]


def test_a_host_that_reads_an_older_checkpoint_costs_no_episode(path, monkeypatch):
  before, read = files(path), checkpoint.Checkpointer._complete
  monkeypatch.setattr(checkpoint.Checkpointer, '_complete',
                      lambda self: read(self)[:1] if threading.current_thread().name.endswith('host-1') else read(self))

  def restore(placement):
    threading.current_thread().name = f'host-{placement.host}'
    return restored(path, placement)

  for error in on_hosts(restore):
    assert 'Host 1 has another checkpoint (40 env steps) than host 0' in str(error)
  assert files(path) == before


def test_run_directories_that_are_not_shared_are_told_before_anything_is_dropped(path, tmp_path_factory, monkeypatch):
  monkeypatch.setattr(loop, '_PATIENCE_SECONDS', 0.1)
  before, other = files(path), tmp_path_factory.mktemp('other')
  for error in on_hosts(lambda placement: restored(path, placement, other if placement.host else None)):
    assert 'Host 1 has another run directory than host 0' in str(error) and isinstance(error, errors.UserError)
  assert files(path) == before


def test_another_config_is_told(path):
  for error in on_hosts(lambda placement: restored(path, placement, rate=0.1 * (1 + placement.host))):
    assert 'Host 1 has another config than host 0' in str(error)


def test_hosts_that_learned_something_else_are_told_and_nothing_is_saved():
  def agree(placement, differs):
    algorithm = state()
    if differs and placement.host == 1:
      algorithm.state.variable.assign([1., 2.0000002])
    return loop._Hosts.agree(placement, placement.host == 1, fakes.CountingEnvironment([[5]]), algorithm)

  for hosts in on_hosts(lambda placement: agree(placement, False)):
    assert hosts.stopping and hosts.episode_counters.tolist() == [0, 0]
  for error in on_hosts(lambda placement: agree(placement, True)):
    assert isinstance(error, errors.HostError) and 'Host 1 has learned other variables than host 0' in str(error)


def test_episodes_of_a_host_that_is_gone_are_counted_on(path):
  checkpointer = checkpoint.Checkpointer(path / 'checkpoints', state().state)
  assert checkpointer.restore()
  clock = types.SimpleNamespace(seconds=lambda: 1.)
  store = shards.ShardedStore(path / 'episodes')
  store.truncate_shards(checkpointer.progress.history.numpy())
  loop._save(checkpointer, store, loop._Hosts(False, np.array([8, 9])), 90, clock, {})
  again = checkpoint.Checkpointer(path / 'checkpoints', state().state)
  assert again.restore() and again.progress.episode_counters.numpy().tolist() == [8, 9, 5, 6]
