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
