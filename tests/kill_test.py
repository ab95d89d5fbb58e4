"""Runs are killed while they train, in little; `python -m tests.kills` is the long form, and says what is held to what."""

import pytest

from tests import kills

# What is killed is the same with each algorithm, and this one compiles least. That each goes on
# with the same numbers is held by the contracts.
_KILLS = {'pets_mujoco_processes': 1}


@pytest.fixture(scope='module')
def told(tmp_path_factory):
  """What was counted in each case."""
  folder = tmp_path_factory.mktemp('kills')
  # With this seed the first kill comes while a third checkpoint is written.
  return {name: kills.campaign(name, count, seed=6, folder=folder / name, env_steps=700)
          for name, count in _KILLS.items()}


@pytest.mark.parametrize('name', _KILLS)
def test_a_run_that_is_killed_and_resumed_is_the_run_that_never_was(told, name):
  case = told[name]
  assert case['kills'] == _KILLS[name] and case['runs that ended as if never stopped'] >= 1
  assert case['resumes after learning'] >= 1
  assert case['episodes compared with the whole run'] > 10
  assert sum(count for what, count in case.items() if what.startswith('SIG')) == _KILLS[name]


def test_what_is_half_written_under_a_final_name_is_noticed(tmp_path):
  for folder in ('checkpoints', 'episodes'):
    (tmp_path / folder).mkdir()
  (tmp_path / 'episodes' / '00000000-50.npz').write_bytes(b'PK')
  with pytest.raises(Exception, match='damaged'):
    kills.examine(tmp_path)


def test_what_is_left_half_written_is_noticed(tmp_path):
  for folder in ('checkpoints', 'checkpoints/checkpoint-30_temp', 'episodes'):
    (tmp_path / folder).mkdir()
  whole = ['checkpoints/checkpoint-10.index', 'checkpoints/checkpoint-10.data-00000-of-00001', 'checkpoints/checkpoint-10.sha256',
           'episodes/00000000-50.npz', 'metrics.jsonl']
  half = ['checkpoints/checkpoint-20.index', 'checkpoints/checkpoint-20.sha256.partial', 'episodes/00000001-50.npz.partial',
          'metrics.jsonl.partial']
  for name in whole + half:
    (tmp_path / name).touch()
  assert sorted(kills.half_written(tmp_path)) == sorted([*half, 'checkpoints/checkpoint-30_temp'])


def test_an_episode_that_is_gone_is_noticed():
  before = kills.Remains(100, {'00000000-50.npz': 'a', '00000001-50.npz': 'b'}, 1, 'nothing')
  for safe in ({'00000000-50.npz': 'a'}, {'00000000-50.npz': 'a', '00000001-50.npz': 'other'}):
    with pytest.raises(AssertionError):
      kills.check_kept(before, before._replace(safe=safe), {})
