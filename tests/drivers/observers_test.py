"""Statistics against numbers worked by hand."""

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.drivers import observers


def test_statistics_by_hand():
  def episode(rewards):
    size = len(rewards)
    return types.Episode(np.zeros((size + 1, 1)), np.zeros((size, 1)), np.array(rewards, np.float32), np.zeros(size, bool))

  collected = types.Collected((episode([1, 2]), episode([5]), episode([3, 1, 3])), 24, 6, 2.)
  assert observers.collection_statistics(collected) == pytest.approx({
      'collect/return_mean': 5, 'collect/return_min': 3, 'collect/return_max': 7, 'collect/return_std': (8 / 3) ** 0.5,
      'collect/episode_length_mean': 2, 'collect/env_steps_per_second': 12, 'collect/seconds': 2})
