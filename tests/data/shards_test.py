"""Shards of several hosts: written by one each, shown in the same order to all, and read on when their host is gone."""

import threading
import time

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.data import episodes, shards, transitions
from tests.data.episodes_test import make_episode


def stores(folder, hosts=2):
  return [shards.ShardedStore(folder, host, hosts) for host in range(hosts)]


def lasting(store):
  """The lengths of the episodes that a store shows, by which tests know them."""
  return [len(episode.reward) for _, episode in store.episodes()]


def append(store, *decisions):
  for number in decisions:
    store.append(make_episode(number, seed=number))


def test_all_hosts_see_the_same_order_and_nothing_before_a_refresh(tmp_path):
  first, second = stores(tmp_path)
  append(second, 3, 4)
  append(first, 5)
  assert lasting(first) == lasting(second) == [] and second.length_of_own_shard == 2
  for store in (first, second):
    store.refresh([1, 2])
  append(first, 6)
  append(second, 7)
  for store in (first, second):
    store.refresh([2, 3])
    assert lasting(store) == [5, 3, 4, 6, 7] and len(store) == 5
    assert [len(store.load(index).reward) for index in range(5)] == [5, 3, 4, 6, 7]
    assert list(store.decisions().values()) == [5, 3, 4, 6, 7]
  assert len(transitions.TransitionView(first, 100)) == 25


def test_a_run_goes_on_in_any_number_of_hosts_and_keeps_the_order_of_its_episodes(tmp_path):
  three = stores(tmp_path, hosts=3)
  for lengths, decisions in (([1, 1, 1], [(3,), (4,), (5,)]), ([2, 1, 2], [(6,), (), (7,)])):
    for store, numbers in zip(three, decisions):
      append(store, *numbers)
    for store in three:
      store.refresh(lengths)
  append(three[1], 99)  # after the last checkpoint
  alone = shards.open_store(tmp_path)
  alone.truncate_shards(three[0].history)
  assert lasting(alone) == lasting(three[2]) == [3, 4, 5, 6, 7] and alone.lengths.tolist() == [2, 1, 2]
  append(alone, 8)
  alone.refresh([3])
  again = stores(tmp_path)
  for store in again:
    store.truncate_shards(alone.history)
  append(again[1], 9)
  for store in again:
    store.refresh([3, 2])
    assert lasting(store) == [3, 4, 5, 6, 7, 8, 9]
  # What is newest is what was collected last, whichever host did it, and whether the run was stopped or not.
  np.testing.assert_array_equal(transitions.TransitionView(again[0], 17).transitions().reward,
                                np.concatenate([again[0].load(index).reward for index in (5, 6)]))


def test_hosts_that_join_a_run_of_one_read_all_that_it_has(tmp_path):
  alone = episodes.EpisodeStore(tmp_path)
  append(alone, 3, 4)
  for store in stores(tmp_path):
    store.truncate_shards(alone.history)
    assert lasting(store) == [3, 4] and store.history.tolist()[-1] == [2, 0]


def test_a_shard_whose_folder_is_gone_is_skipped(tmp_path):
  append(episodes.EpisodeStore(tmp_path), 3, 4)
  store = shards.ShardedStore(tmp_path)
  store.truncate_shards([[1, 1], [2, 1]])
  with pytest.warns(UserWarning):
    assert lasting(store) == [3, 4]


def test_what_is_newer_than_a_checkpoint_is_dropped_by_the_host_whose_shard_it_is(tmp_path):
  first, second = stores(tmp_path)
  append(first, 3, 4)
  append(second, 5, 6)
  truncations = first.truncations
  first.truncate_shards([[1, 1]])
  assert first.truncations > truncations
  assert len(list(tmp_path.glob('*.npz'))) == 1 and len(list((tmp_path / 'shard-1').glob('*.npz'))) == 2
  second.truncate_shards([[1, 1]])
  assert len(list((tmp_path / 'shard-1').glob('*.npz'))) == 1
  assert lasting(first) == lasting(second) == [3, 5]
  append(second, 7)
  first.refresh([1, 2])
  assert lasting(first) == [3, 5, 7]


def test_a_run_of_one_host_is_a_store_of_its_own(tmp_path):
  append(episodes.EpisodeStore(tmp_path), 3)
  store = shards.open_store(tmp_path)
  assert isinstance(store, episodes.EpisodeStore) and store.history.tolist() == [[1]] and store.length_of_own_shard == 1
  store.truncate_shards([[0]])
  assert len(store) == 0


def test_another_host_s_file_may_come_late_but_not_never(tmp_path, monkeypatch):
  first, second = stores(tmp_path)
  late = threading.Thread(target=lambda: (time.sleep(0.5), append(second, 4)))
  late.start()
  first.refresh([0, 1])
  late.join()
  assert lasting(first) == [4]
  monkeypatch.setattr(shards, '_PATIENCE_SECONDS', 0.1)
  append(second, 5, 6)
  (tmp_path / 'shard-1' / '00000001-5.npz').unlink()  # the last one is there, and one before it is not
  with pytest.raises(errors.StorageError, match='Of the 2 newest episodes of shard 1.* 1 are seen here.*Received: folder='):
    first.refresh([0, 3])


def test_an_index_out_of_range_is_told(tmp_path):
  store = stores(tmp_path)[0]
  with pytest.raises(errors.UserError, match='Received: index=0'):
    store.load(0)


def test_images_are_read_through(tmp_path):
  first, second = stores(tmp_path)
  second.append(make_episode(30, image=True))
  first.refresh([0, 1])
  whole = second._shards[1].load(0)
  np.testing.assert_array_equal(first.load_images(0, [1])[0]['image'], whole.observation['image'][25:])
  assert 'image' not in first.load_vectors(0).observation
