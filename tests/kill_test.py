"""Runs are killed while they train, in little; `python -m tests.kills` is the long form, and says what is held to what."""

import os

import pytest

from tests import kills

_KILLS = int(os.environ.get('MBRL_TF_KILLS', '2'))  # of each case


@pytest.mark.parametrize('name', ['mbmpo_mujoco_processes', 'dreamer_toy'])
def test_a_run_that_is_killed_and_resumed_is_the_run_that_never_was(tmp_path, name):
  # With this seed the first kill comes while the second checkpoint is written.
  told = kills.campaign(name, _KILLS, seed=29, folder=tmp_path / 'runs')
  assert told['kills'] == _KILLS and told['runs that ended as if never stopped'] >= 1
  assert told['resumes after learning'] >= 1
  assert told['episodes compared with the whole run'] > 10
  assert sum(count for what, count in told.items() if what.startswith('SIG')) == _KILLS


def test_what_is_half_written_under_a_final_name_is_noticed(tmp_path):
  for folder in ('checkpoints', 'episodes'):
    (tmp_path / folder).mkdir()
  (tmp_path / 'episodes' / '00000000-50.npz').write_bytes(b'PK')
  with pytest.raises(Exception, match='damaged'):
    kills.examine(tmp_path)


def test_an_episode_that_is_gone_is_noticed():
  before = kills.Remains(100, {'00000000-50.npz': 'a', '00000001-50.npz': 'b'}, 1, 'nothing')
  for safe in ({'00000000-50.npz': 'a'}, {'00000000-50.npz': 'a', '00000001-50.npz': 'other'}):
    with pytest.raises(AssertionError):
      kills.check_kept(before, before._replace(safe=safe), {})
