"""Parts of episodes, spread over all places where one may begin."""

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.data import windows


def episode(length):
  return types.Episode(np.zeros((length + 1, 2)), np.zeros((length, 1)), np.zeros(length),
                       np.zeros(length, bool))


@pytest.mark.parametrize('seen, length', [(1, 15), (3, 15), (5, 3)])
def test_every_part_lies_within_its_episode_and_both_ends_are_reached(seen, length):
  episodes = [episode(n) for n in (30, 4, 22)]
  parts, predicted = windows.spread(episodes, 40, seen, (length,))
  # `seen` observations, and as many decisions after the last of them as are predicted.
  places = [(e, start)
            for e in episodes
            for start in range(len(e.reward))
            if start + seen - 1 + length <= len(e.reward)]
  assert predicted == length and len(parts) == 40
  numbers = [
      next(i
           for i, (e, s) in enumerate(places)
           if e is part and s == start)
      for part, start in parts
  ]
  assert numbers == sorted(numbers) and numbers[0] == 0 and numbers[-1] == len(places) - 1
  assert max(np.diff(numbers)) <= np.ceil(len(places) / 39) + 1


def test_the_first_length_that_any_episode_has_is_taken():
  long, short = episode(15), episode(3)
  assert windows.spread([short, long], 4, 1, (15, 3)) == ([(long, 0)] * 4, 15)
  assert windows.spread([short, long], 4, 2, (15, 3))[1] == 3
  assert windows.spread([short], 3, 1, (15, 3)) == ([(short, 0)] * 3, 3)
  assert windows.spread([short], 3, 2, (15, 3)) == ([], 0) and windows.spread([], 3, 1,
                                                                              (15, 3)) == ([], 0)


def counted(length, terminates=False):
  """An episode whose numbers tell where they stand."""
  terminated = np.arange(1, length + 1) == (length if terminates else -1)
  return types.Episode({'x': np.arange(length + 1.)}, 10 + np.arange(length), np.ones(length),
                       terminated)


def test_parts_are_those_of_which_all_is_known():
  cut_off, ended = counted(6), counted(4, terminates=True)
  places = windows.known([cut_off, ended], 100, 2, 4)
  # Decisions begin at the second observation; of an episode that terminates, one is enough.
  assert places == [(cut_off, 0), (cut_off, 1), (ended, 0), (ended, 1), (ended, 2)]
  assert windows.known([cut_off, ended], 2, 2, 4) == [(cut_off, 0), (ended, 2)]
  assert windows.known([cut_off], 9, 2, 6) == [] and windows.known([], 9, 2, 6) == []
  assert windows.reach([cut_off, ended], 2) == 5 and windows.reach([], 1) == 0


def test_a_part_ends_with_its_episode():
  cut_off, ended = counted(6), counted(4, terminates=True)
  found = windows.cut([(cut_off, 1), (ended, 0), (ended, 2)], 2, 4)
  np.testing.assert_array_equal(
      found.observation['x'], [[1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 4], [2, 3, 4, 4, 4, 4]])
  np.testing.assert_array_equal(
      found.action, [[12, 13, 14, 15], [11, 12, 13, 13], [13, 13, 13, 13]])
  np.testing.assert_array_equal(found.mask, [[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]])
  np.testing.assert_array_equal(found.reward, found.mask)
  np.testing.assert_array_equal(found.terminated, [False, True, True])
  np.testing.assert_array_equal(found.is_first, [[0, 0], [1, 0], [0, 0]])
  # The action before each observation shown, which the first of an episode does not have.
  np.testing.assert_array_equal(found.led[[0, 2]], [[10, 11], [11, 12]])
  assert found.led[1, 1] == 10
