"""Statistics against numbers worked by hand."""

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.drivers import observers


def test_statistics_by_hand():
  def episode(rewards, member, terminated):
    size = len(rewards)
    return types.Episode(np.zeros((size + 1, 1)), np.zeros((size, 1)), np.array(rewards, np.float32),
                         np.arange(size) == size - 1 if terminated else np.zeros(size, bool), member)

  episodes = [episode([1, 2], 0, True), episode([5], 2, False), episode([3, 1, 3], 0, False)]
  assert observers.collection_statistics(observers.summaries(episodes), env_steps=24, seconds=2.) == pytest.approx({
      'collect/return_mean': 5, 'collect/return_min': 3, 'collect/return_max': 7, 'collect/return_std': (8 / 3) ** 0.5,
      'collect/episodes': 3, 'collect/episode_length_mean': 2, 'collect/terminated_fraction': 1 / 3,
      'collect/reward_min': 1, 'collect/reward_max': 5,
      'collect/env_steps_per_second': 12, 'collect/return_mean_member_0': 5, 'collect/return_mean_member_2': 5})
