"""The benchmark of the replay's memory, in little: what it tells, and that it takes what an earlier run wrote."""

import json
import sys

import numpy as np
import pytest

from benchmarks import replay_memory
from mbrl_tf.data import episodes
from tests.algorithms.dreamer import small


def test_batches_are_drawn_and_learned_from(tmp_path):
  config = small.config(replay__batch_size=2, replay__batch_length=5, replay__cache_mib=1, environment__image_size=16,
                        environment__action_repeat=2)
  told = replay_memory.measure(tmp_path, config, episodes=3, decisions=20, batches=4, learn=1)
  assert (told['rows'], told['env_steps'], told['batches'], told['gradient_steps']) == (63, 120, 4, 1)
  assert told['images_mib'] == pytest.approx(63 * 16 * 16 * 3 / 2**20)
  assert 0 < told['store_mib'] < 1 and told['seconds_per_batch'] > 0 and np.isfinite(told['model_loss_last'])
  assert told['peak_mib_writing'] <= told['peak_mib_drawing'] <= told['peak_mib_learning']


def test_the_command_prints_one_object_and_writes_what_is_missing(tmp_path, monkeypatch, capsys):
  for count in (1, 3):
    monkeypatch.setattr(sys, 'argv', [
        'replay_memory', f'--folder={tmp_path}', f'--episodes={count}', '--decisions=20', '--batches=1', '--cache_mib=7'])
    replay_memory.main()
    told = json.loads(capsys.readouterr().out)
    assert told['rows'] == 21 * count and told['cache_mib'] == 7 and 'gradient_steps' not in told
  shown = [episodes.EpisodeStore(tmp_path).load(index).observation['image'] for index in range(3)]
  assert all(image.shape == (21, 64, 64, 3) for image in shown) and (shown[0] != shown[1]).any()
