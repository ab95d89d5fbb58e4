"""The view shows the newest transitions of the store, in order, whatever the batches in which they came."""

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.data import episodes
from mbrl_tf.data import transitions


def numbered_episode(start, decisions):
  """Observations start, start + 1, ...; action and reward of step t are the observation's number."""
  numbers = np.arange(start, start + decisions + 1, dtype=np.float32)
  terminated = np.zeros(decisions, bool)
  terminated[-1] = True
  return types.Episode(
      np.stack([numbers, -numbers], axis=1), numbers[:-1, None], numbers[:-1].astype(np.float64), terminated)


def test_transitions_of_two_episodes_by_hand(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(numbered_episode(0, 2))
  store.append(numbered_episode(10, 3))
  shown = transitions.TransitionView(store, 100).transitions()
  np.testing.assert_array_equal(shown.observation[:, 0], [0, 1, 10, 11, 12])
  np.testing.assert_array_equal(shown.next_observation[:, 0], [1, 2, 11, 12, 13])
  np.testing.assert_array_equal(shown.next_observation[:, 1], [-1, -2, -11, -12, -13])
  np.testing.assert_array_equal(shown.action[:, 0], [0, 1, 10, 11, 12])
  np.testing.assert_array_equal(shown.reward, [0, 1, 10, 11, 12])
  np.testing.assert_array_equal(shown.terminated, [False, True, False, False, True])
  assert shown.reward.dtype == np.float32 and shown.terminated.dtype == bool


def test_observations_are_float64_whatever_they_were_stored_in(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  fine = numbered_episode(0, 2)._replace(observation=1e6 + 1e-7 * np.arange(6.0).reshape(3, 2))
  store.append(numbered_episode(0, 2))
  store.append(fine)
  view = transitions.TransitionView(store, 100)
  assert view.initial_observations().dtype == np.float64
  np.testing.assert_array_equal(view.transitions().observation[2:], fine.observation[:-1])
  np.testing.assert_array_equal(view.transitions().next_observation[:2, 0], [1, 2])


@pytest.mark.parametrize('capacity', [1, 3, 7, 20, 1000])
def test_only_the_newest_stay_whatever_the_episode_lengths(tmp_path, capacity):
  store = episodes.EpisodeStore(tmp_path)
  view = transitions.TransitionView(store, capacity)
  expected, generator = [], np.random.default_rng(capacity)
  for index in range(30):
    decisions = int(generator.integers(1, 12))
    store.append(numbered_episode(100 * index, decisions))
    expected += list(range(100 * index, 100 * index + decisions))
    if index % 3 == 0:
      np.testing.assert_array_equal(view.transitions().reward, expected[-capacity:])
  shown = view.transitions()
  np.testing.assert_array_equal(shown.reward, expected[-capacity:])
  np.testing.assert_array_equal(shown.next_observation[:, 0], shown.observation[:, 0] + 1)
  assert len(view) == min(capacity, len(expected))


def test_each_file_is_read_once(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  view = transitions.TransitionView(store, 100)
  store.append(numbered_episode(0, 2))
  view.transitions()
  next(tmp_path.iterdir()).unlink()
  store.append(numbered_episode(10, 1))
  np.testing.assert_array_equal(view.transitions().reward, [0, 1, 10])


def test_a_truncated_store_is_read_anew(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  view = transitions.TransitionView(store, 100)
  store.append(numbered_episode(0, 2))
  store.append(numbered_episode(10, 2))
  view.transitions()
  store.truncate(1)
  store.append(numbered_episode(20, 2))
  np.testing.assert_array_equal(view.transitions().reward, [0, 1, 20, 21])
  np.testing.assert_array_equal(view.initial_observations()[:, 0], [20, 0])


def test_initial_observations_newest_first(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for index in range(3):
    store.append(numbered_episode(10 * index, 2))
  view = transitions.TransitionView(store, 2)
  np.testing.assert_array_equal(view.initial_observations()[:, 0], [20, 10, 0])
  np.testing.assert_array_equal(view.initial_observations(limit=2)[:, 0], [20, 10])


def test_discrete_actions_stay_integers(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(numbered_episode(0, 2)._replace(action=np.array([1, 0], np.int64)))
  action = transitions.TransitionView(store, 5).transitions().action
  assert action.dtype == np.int64
  np.testing.assert_array_equal(action, [1, 0])


def test_what_is_not_a_vector_is_refused(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(types.Episode({'image': np.zeros((2, 4, 4, 3), np.uint8)}, np.zeros((1, 1)), np.zeros(1), np.zeros(1, bool)))
  with pytest.raises(errors.UserError, match='Received: observation shape='):
    transitions.TransitionView(store, 5).transitions()


def test_an_empty_store_says_so(tmp_path):
  view = transitions.TransitionView(episodes.EpisodeStore(tmp_path), 5)
  assert len(view) == 0
  with pytest.raises(errors.UserError, match='before the first episode'):
    view.transitions()
  with pytest.raises(errors.UserError, match='capacity=0'):
    transitions.TransitionView(None, 0)


def test_an_episode_of_another_task_is_told(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  view = transitions.TransitionView(store, 100)
  store.append(numbered_episode(0, 2))
  view.transitions()
  other = numbered_episode(10, 2)
  store.append(other._replace(observation=np.concatenate([other.observation, other.observation], 1)))
  told = r'Those before have .*float64\[2\].*Received: episode=1 with .*float64\[4\]'
  with pytest.raises(errors.UserError, match=told):
    view.transitions()
