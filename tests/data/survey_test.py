"""What is known of all episodes: each is looked at once, in order."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.data import episodes, survey


def episode(rewards, terminated=False):
  length = len(rewards)
  ends = np.zeros(length, bool)
  ends[-1] = terminated
  return types.Episode(np.zeros((length + 1, 2), 'f'), np.zeros((length, 1), 'f'),
                       np.array(rewards, np.float64), ends)


def update(tested, store, is_random, looked):
  tested.update(store, is_random, lambda found: looked.append(found.reward.tolist()))


def test_each_episode_is_looked_at_once_in_order(tmp_path):
  store, tested, looked = episodes.EpisodeStore(tmp_path), survey.Survey(), []
  for rewards in ([1.0, 2.0], [3.0]):
    store.append(episode(rewards))
  update(tested, store, True, looked)
  store.append(episode([-4.0, 0.0]))
  for _ in range(2):
    update(tested, store, False, looked)
  assert looked == [[1.0, 2.0], [3.0], [-4.0, 0.0]]
  np.testing.assert_array_equal(tested.reward_range, [-4, 3])


def test_rewards_differ_and_episodes_terminate_once_one_does(tmp_path):
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  told = []
  for rewards, terminated in (([0.0] * 3, False), ([0.0], True), ([0.0, 0.6], False)):
    store.append(episode(rewards, terminated))
    update(tested, store, True, [])
    told.append((tested.rewards_differ, bool(tested.terminates)))
  assert told == [(False, False), (False, True), (True, True)]
  assert not survey.Survey().rewards_differ


def test_the_longest_episode_that_was_truncated_is_known(tmp_path):
  store, tested, told = episodes.EpisodeStore(tmp_path), survey.Survey(), []
  for length, terminated in ((9, True), (3, False), (5, False), (4, False), (8, True)):
    store.append(episode([1.0] * length, terminated))
    update(tested, store, True, [])
    told.append(int(tested.truncated_after))
  assert told == [0, 3, 5, 5, 5]


@pytest.mark.filterwarnings('ignore:Skipped')
def test_what_cannot_be_read_is_left_out(tmp_path):
  store, tested, looked = episodes.EpisodeStore(tmp_path), survey.Survey(), []
  for reward in (1.0, 2.0, 3.0):
    store.append(episode([reward]))
  path = sorted(tmp_path.glob('*.npz'))[1]
  path.write_bytes(path.read_bytes()[:60])
  update(tested, store, True, looked)
  update(tested, store, True, looked)
  assert looked == [[1.0], [3.0]]


def test_poor_episodes_are_those_that_fell_back_towards_random_ones(tmp_path):
  """Random ones return 10 on average: a tenth of the way to the best so far is the limit."""
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  for value in (5.0, 15.0):
    store.append(episode([value]))
  update(tested, store, True, [])
  counts = []
  for value in (10.4, 10.6, 110.0, 19.0, 21.0,
                -50.0):  # limits: 10.5, 10.5, 10.5, and 20 from then on
    store.append(episode([value / 2, value / 2]))
    update(tested, store, False, [])
    counts.append(int(tested.poor_episodes))
  assert counts == [1, 1, 1, 2, 2, 3]


def test_rewards_are_rare_where_under_one_decision_in_fifty_brings_more_than_the_least(tmp_path):
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  told = []
  for rewards in ([0.0] * 99 + [1.0], [0.0] * 98 + [0.5, 1.0], [0.0] * 97 + [0.2] * 3):
    store.append(episode(rewards))
    update(tested, store, True, [])
    told.append((int(tested.paid_decisions), tested.rewards_are_rare))
  assert told == [(1, True), (3, True), (6, False)]


@pytest.mark.parametrize('reward, is_rare', [(1.0, False), (-1.0, True)])
def test_a_termination_counts_as_a_reward_of_zero(reward, is_rare, tmp_path):
  """A pole that is paid for each step until it falls, and a car that pays for each until it is
  there: there is something to learn of equal rewards once an episode terminates."""
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  told = []
  for terminated in (False, True):
    store.append(episode([reward] * 100, terminated))
    update(tested, store, True, [])
    told.append(tested.rewards_differ)
  assert told == [False, True]
  assert tested.rewards_are_rare == is_rare
  assert int(tested.paid_decisions) == (1 if is_rare else 200)


def test_what_was_the_least_reward_counts_as_paid_once_there_is_a_smaller_one(tmp_path):
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  for rewards, paid in (([0.0] * 90 + [1.0] * 10, 10), ([0.0] * 9 + [-1.0], 109)):
    store.append(episode(rewards))
    update(tested, store, True, [])
    assert int(tested.paid_decisions) == paid
  assert not tested.rewards_are_rare


def test_a_checkpoint_holds_it_all(tmp_path):
  store, tested = episodes.EpisodeStore(tmp_path / 'episodes'), survey.Survey()
  for rewards in ([1.0, 2.0], [7.0]):
    store.append(episode(rewards, True))
    update(tested, store, len(rewards) == 2, [])
  path = tf.train.Checkpoint(tested).write(str(tmp_path / 'checkpoint'))
  restored, looked = survey.Survey(), []
  tf.train.Checkpoint(restored).read(path).assert_consumed()
  store.append(episode([3.0]))
  for each in (tested, restored):
    update(each, store, False, looked)
  assert looked == [[3.0]] * 2
  for one, two in zip(tested.variables, restored.variables):
    np.testing.assert_array_equal(one, two)


def test_random_actions_go_on_at_first_and_while_all_rewards_are_equal(tmp_path):
  store, tested = episodes.EpisodeStore(tmp_path), survey.Survey()
  asked = lambda: [tested.asks_for_random_actions(steps, 10, 30) for steps in (0, 9, 10, 29, 30)]
  store.append(episode([0.0, 0.0]))
  update(tested, store, True, [])
  assert asked() == [True, True, True, True, False]
  store.append(episode([0.0, 0.1]))
  update(tested, store, True, [])
  assert asked() == [True, True, False, False, False]
