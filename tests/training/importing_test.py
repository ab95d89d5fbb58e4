"""Episodes from elsewhere are a run's from its beginning: all that are good, or none where it was stopped."""

import json
import os

import numpy as np
import pytest

from mbrl_tf import errors, types
from mbrl_tf.data import episodes, files, plain
from mbrl_tf.environments import simulators, native as native_lib
from mbrl_tf.training import importing, run_directory
from tests import fakes
from tests.training import loop_test


class Native:
  """Reads episodes of `fakes.CountingEnvironment`, whose own arrays are what is stored."""

  def read(self, episode):
    if episode.reward[0] < 0:
      raise errors.UserError('Rewards are positive. Received: reward=-1')
    return types.Episode(episode.observation['observation'], episode.action['action'],
                         episode.reward, episode.terminated)


def own(number, decisions=3, reward=1.0):
  """An episode that has a number in it."""
  return types.NativeEpisode(
      {'observation': np.full([decisions + 1, 3], number, np.float32)},
      {'action': np.full([decisions, 2], 0.25 * number, np.float32)},
      np.full([decisions], reward, np.float32), np.arange(decisions) == decisions - 1)


def found(*found_episodes):
  return [(f'episode {index}', lambda episode=episode: episode)
          for index, episode in enumerate(found_episodes)]


def begun(path):
  """A folder that is a run."""
  directory = run_directory.RunDirectory(path)
  path.mkdir(exist_ok=True)
  directory.write_config(fakes.CountingConfig())
  return directory


def add(directory, *found_episodes):
  return importing.add(directory, found(*found_episodes), Native(), ['here'])


def numbers(directory):
  store = episodes.EpisodeStore(directory.episodes)
  return [int(episode.observation[0, 0]) for _, episode in store.episodes()]


def test_what_is_good_is_imported_and_each_other_told_of(tmp_path):
  directory = begun(tmp_path / 'run')
  outcome = add(directory, own(1), own(2, reward=-1.0), own(3, decisions=5))
  assert outcome == importing.Outcome(
      2, 8, 0, {'episode 1': 'Rewards are positive. Received: reward=-1'}, 2)
  assert numbers(directory) == [1, 3] and directory.imported().episodes == 2
  # What came before is passed over; what is new comes after it.
  assert add(directory, own(3, decisions=5), own(4))._asdict() == {
      'episodes': 1, 'decisions': 3, 'known': 1, 'refused': {}, 'total': 3}
  assert numbers(directory) == [1, 3, 4]
  assert [source['decisions'] for source in directory.imported().sources] == [8, 3]


def test_where_nothing_is_good_nothing_is_written(tmp_path):
  directory = run_directory.RunDirectory(tmp_path)
  begins = []
  outcome = importing.add(directory, found(own(1, reward=-1.0)), Native(), ['here'],
                          lambda: begins.append(1))
  assert (outcome.episodes, len(outcome.refused), begins) == (0, 1, [])
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('at', [1, 2, 3])
def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch, at):
  directory = begun(tmp_path)
  add(directory, own(1))
  before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
  write, calls = files.write_atomically, []

  def full(path, content):
    calls.append(path)
    if len(calls) == at:
      raise errors.StorageError('No space left on device')
    write(path, content)

  monkeypatch.setattr(files, 'write_atomically', full)
  with pytest.raises(errors.StorageError):
    add(directory, own(2), own(3))
  assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_what_a_killed_import_left_is_none_of_the_run(tmp_path):
  directory = begun(tmp_path)
  add(directory, own(1), own(2))
  # as it is where the process was killed before imported.json was written
  episodes.EpisodeStore(directory.episodes).append(Native().read(own(7)))
  (directory.episodes / '00000003-3.npz.partial').write_bytes(b'half')
  outcome = add(directory, own(3))
  assert numbers(directory) == [1, 2, 3] and outcome.total == 3


@pytest.mark.parametrize('content', [
    '', '[]', '{"episodes": 1}', '{"episodes": 2, "sources": [{"sha256": ["a"]}]}',
    '{"episodes": 1, "sources": [{}]}'])
def test_damage_to_what_is_known_of_imports_is_told(tmp_path, content):
  directory = begun(tmp_path)
  directory.imported_file.write_text(content)
  with pytest.raises(errors.UserError, match='imported.json cannot be read.*Received: run_dir='):
    directory.imported()


def test_a_run_that_has_learned_takes_no_more(tmp_path):
  loop_test.run(tmp_path, env_steps=20)
  with pytest.raises(errors.UserError, match='learned already.*another --run_dir'):
    importing.require_unlearned(run_directory.RunDirectory(tmp_path))


def trained(path, **arguments):
  """Trains where episodes were imported; returns what was recorded."""
  add(begun(path), own(1), own(2))
  loop_test.run(path, env_steps=110, **arguments)
  return loop_test.record(path)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """The record of a run that was never stopped."""
  return trained(tmp_path_factory.mktemp('runs') / 'whole')


def test_a_run_with_imported_episodes_goes_on_as_if_it_was_never_stopped(tmp_path, whole):
  path = tmp_path / 'stopped'
  trained(path, stop_at=50)
  loop_test.run(path, env_steps=110)
  assert loop_test.record(path) == whole
  # What is reported depends on every episode in the store.
  plain_run = tmp_path / 'plain'
  loop_test.run(plain_run, env_steps=20)
  assert loop_test.record(plain_run)[0]['counting/total'] != whole[0]['counting/total']
  assert numbers(run_directory.RunDirectory(path))[:2] == [1, 2]


def test_a_run_that_is_killed_before_its_first_checkpoint_keeps_what_was_imported(tmp_path, whole):
  path = tmp_path / 'killed'
  with pytest.raises(loop_test.Interrupted):
    trained(path, crash_at=10)
  assert len(numbers(run_directory.RunDirectory(path))) > 2
  loop_test.run(path, env_steps=110)
  assert loop_test.record(path) == whole


def test_a_plain_file_holds_what_was_written(tmp_path):
  written = types.NativeEpisode(
      {'0/place': np.arange(4.0), 'observation': np.ones([4, 2], np.uint8)},
      {'action': np.zeros([3], np.int64)}, np.ones(3, np.float32), np.array([0, 0, 1], bool),
      np.zeros(3, bool), 2)
  plain.write(tmp_path / 'episode.npz', written)
  with np.load(tmp_path / 'episode.npz') as stored:
    assert sorted(stored.files) == ['action', 'action_repeat', 'observation', 'observation/0/place',
                                    'reward', 'terminated', 'truncated']
  read = plain.read(tmp_path / 'episode.npz')
  assert read.action_repeat == 2 and read.observation.keys() == written.observation.keys()
  np.testing.assert_array_equal(read.observation['0/place'], np.arange(4.0))
  np.testing.assert_array_equal(read.terminated, [False, False, True])


@pytest.mark.parametrize('arrays, said', [
    ({'observation': 0, 'action': 0, 'reward': 0, 'done': 0}, "no array in a file of an episode of this name.*'done'"),
    ({'observation': 0, 'action': 0, 'reward': 0}, 'needs terminated as well'),
    ({'reward': 0, 'terminated': 0}, 'needs observation, action as well'),
    ({'observation': 0, 'action': 0, 'reward': 0, 'terminated': 0, 'action_repeat': [1]}, 'one whole number'),
    ({'observation': np.array([None]), 'action': 0, 'reward': 0, 'terminated': 0}, 'no .npz of numbers')])
def test_a_file_that_is_no_episode_is_told_in_a_sentence(tmp_path, arrays, said):
  np.savez(tmp_path / 'bad.npz', **arrays)
  with pytest.raises(errors.UserError, match=f'(?s){said}'):
    plain.read(tmp_path / 'bad.npz')


def test_what_is_no_archive_is_told_in_a_sentence(tmp_path):
  for content in (b'', b'PK\x03\x04', json.dumps({}).encode(), os.urandom(500)):
    (tmp_path / 'bad.npz').write_bytes(content)
    with pytest.raises(errors.UserError, match='no .npz of numbers, or is damaged'):
      plain.read(tmp_path / 'bad.npz')


def test_stored_episodes_of_all_hosts_are_found(tmp_path):
  for folder, count in (('', 2), ('shard-1', 1)):
    store = episodes.EpisodeStore(tmp_path / folder)
    for number in range(count):
      store.append(Native().read(own(number)))
  names = [name for name, _ in importing.stored(tmp_path)]
  assert len(names) == 3 and 'shard-1' in names[-1]


def test_a_task_reads_what_it_wrote_itself(tmp_path):
  env = simulators.Recipe('gym:Pendulum-v1', {})()
  converts = native_lib.Native(env, 'gym:Pendulum-v1', 1)
  episode = types.Episode(np.random.default_rng(0).normal(size=[4, 3]).astype(np.float32),
                          np.float32([[-1], [0.5], [1]]), np.float32([1, 2, 3]), np.zeros(3, bool))
  plain.write(tmp_path / 'episode.npz', converts.write(episode))
  directory = begun(tmp_path / 'run')
  outcome = importing.add(directory, [('episode', lambda: plain.read(tmp_path / 'episode.npz'))],
                          converts, ['episode.npz'])
  assert outcome.episodes == 1
  stored = episodes.EpisodeStore(directory.episodes).load(0)
  np.testing.assert_array_equal(stored.observation, episode.observation)
  np.testing.assert_allclose(stored.action, episode.action, atol=1e-7)
