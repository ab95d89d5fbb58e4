"""The store keeps whole episodes, in order, through restarts and damage."""

import time

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.data import episodes, files


def make_episode(decisions=4, seed=0, member=-1, image=False):
  generator = np.random.default_rng(seed)
  observation = generator.normal(size=(decisions + 1, 3)).astype(np.float32)
  if image:
    observation = {'state': observation, 'image': generator.integers(0, 255, (decisions + 1, 8, 8, 3)).astype(np.uint8)}
  terminated = np.zeros(decisions, bool)
  terminated[-1] = True
  return types.Episode(
      observation, generator.normal(size=(decisions, 2)).astype(np.float32),
      generator.normal(size=decisions).astype(np.float32), terminated, member)


@pytest.mark.parametrize('image', [False, True])
def test_an_episode_comes_back_as_it_was_after_a_restart(tmp_path, image):
  episode = make_episode(member=3, image=image)
  assert episodes.EpisodeStore(tmp_path).append(episode) == 0

  store = episodes.EpisodeStore(tmp_path)

  assert len(store) == 1
  loaded = store.load(0)
  if image:
    assert list(loaded.observation) == ['state', 'image']
    np.testing.assert_array_equal(loaded.observation['image'], episode.observation['image'])
    assert loaded.observation['image'].dtype == np.uint8
  else:
    np.testing.assert_array_equal(loaded.observation, episode.observation)
  for name in ('action', 'reward', 'terminated'):
    np.testing.assert_array_equal(getattr(loaded, name), getattr(episode, name))
    assert getattr(loaded, name).dtype == getattr(episode, name).dtype
  assert loaded.member == 3


def test_order(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for decisions in (4, 2, 7):
    store.append(make_episode(decisions))
  assert [len(episode.reward) for _, episode in store.episodes()] == [4, 2, 7]
  assert [index for index, _ in store.episodes(first=1)] == [1, 2]


def test_truncate_drops_the_newest_and_appending_continues_there(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for decisions in (4, 2, 7):
    store.append(make_episode(decisions))
  store.truncate(1)
  assert store.append(make_episode(9)) == 1
  assert [len(episode.reward) for _, episode in episodes.EpisodeStore(tmp_path).episodes()] == [4, 9]


def test_a_damaged_file_is_skipped_with_a_warning_and_keeps_its_index(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for decisions in (4, 2, 7):
    store.append(make_episode(decisions))
  path = sorted(tmp_path.iterdir())[1]
  path.write_bytes(path.read_bytes()[:100])

  with pytest.warns(UserWarning, match='damaged'):
    assert [index for index, _ in store.episodes()] == [0, 2]
  with pytest.raises(errors.UserError, match='Received: path='):
    store.load(1)


def test_every_flipped_byte_of_the_data_is_noticed_or_harmless(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  episode = make_episode()
  store.append(episode)
  path = next(tmp_path.iterdir())
  content = bytearray(path.read_bytes())
  for position in range(0, len(content), 7):
    damaged = bytearray(content)
    damaged[position] ^= 255
    path.write_bytes(damaged)
    try:
      loaded = store.load(0)
    except errors.UserError:
      continue
    np.testing.assert_array_equal(loaded.reward, episode.reward)


def test_what_a_killed_writer_left_is_removed(tmp_path):
  episodes.EpisodeStore(tmp_path).append(make_episode())
  (tmp_path / '00000001-4.npz.partial').write_bytes(b'half')
  store = episodes.EpisodeStore(tmp_path)
  assert len(store) == 1
  store.truncate(1)
  assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_file_is_skipped(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for _ in range(3):
    store.append(make_episode())
  sorted(tmp_path.iterdir())[0].unlink()
  store = episodes.EpisodeStore(tmp_path)
  with pytest.warns(UserWarning, match='gone'):
    assert [index for index, _ in store.episodes()] == [1, 2]


def test_pickled_objects_are_not_read(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(make_episode())
  path = next(tmp_path.iterdir())
  with open(path, 'wb') as file:
    np.savez(file, observation=np.array([{}], object), action=0, reward=0, terminated=0, member=0)
  with pytest.raises(errors.UserError, match='observation is no array of booleans or numbers, and nothing is unpickled'):
    store.load(0)


def test_lengths_that_do_not_fit_are_refused(tmp_path):
  episode = make_episode(4)
  with pytest.raises(errors.UserError, match=r'5 entries of observation.*Received: len\(observation\)=4'):
    episodes.EpisodeStore(tmp_path).append(episode._replace(observation=episode.observation[:-1]))
  assert not list(tmp_path.iterdir())


def test_twenty_episodes_are_written_quickly(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  episode = make_episode(200)
  seconds = []
  for _ in range(3):
    begin = time.monotonic()
    for _ in range(20):
      store.append(episode)
    seconds.append(time.monotonic() - begin)
  assert min(seconds) < 0.5  # measured: 0.03; generous for a machine that is busy


@pytest.mark.parametrize('decisions', [1, 23, 24, 25, 49, 50, 130])
def test_images_are_read_in_blocks(tmp_path, decisions):
  store = episodes.EpisodeStore(tmp_path)
  episode = make_episode(decisions, image=True)
  store.append(episode)
  store.append(episode._replace(observation=episode.observation['image']))
  rows = episodes.BLOCK_ROWS
  blocks = list(range(-(-(decisions + 1) // rows)))
  for index, image in ((0, lambda observation: observation['image']), (1, lambda observation: observation)):
    np.testing.assert_array_equal(image(store.load(index).observation), episode.observation['image'])
    assert not blocks or [len(image(read)) for read in store.load_images(index, blocks[:-1])] == [rows] * (len(blocks) - 1)
    for block, read in zip(blocks[::-1], store.load_images(index, blocks[::-1])):
      np.testing.assert_array_equal(image(read), episode.observation['image'][block * rows:(block + 1) * rows])
  vectors = store.load_vectors(0)
  assert list(vectors.observation) == ['state']
  np.testing.assert_array_equal(vectors.observation['state'], episode.observation['state'])
  np.testing.assert_array_equal(vectors.action, episode.action)
  assert store.load_vectors(1).observation is None


def test_decisions_are_known_without_reading(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  for decisions in (4, 2, 7):
    store.append(make_episode(decisions))
  sorted(tmp_path.iterdir())[1].unlink()
  for path in tmp_path.iterdir():
    path.write_bytes(b'')
  assert episodes.EpisodeStore(tmp_path).decisions() == {0: 4, 2: 7}


def test_a_name_that_tells_another_length_is_damage(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(make_episode(4))
  path = next(tmp_path.iterdir())
  path.rename(path.with_name('00000000-5.npz'))
  with pytest.raises(errors.UserError, match='it holds 4 decisions where its name says 5'):
    episodes.EpisodeStore(tmp_path).load(0)


def test_images_take_less_room_than_they_show(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  image = np.zeros((501, 64, 64, 3), np.uint8)
  image[:, ::2] = np.arange(501)[:, None, None, None] % 200
  store.append(make_episode(500)._replace(observation=image))
  assert next(tmp_path.iterdir()).stat().st_size < image.nbytes / 20


def test_the_memory_of_an_episode_that_cannot_be_written_is_given_back(tmp_path, monkeypatch):
  kept = []

  def fail(path, content):
    kept.append(content)
    raise errors.StorageError('full')

  monkeypatch.setattr(files, 'write_atomically', fail)
  with pytest.raises(errors.StorageError):
    episodes.EpisodeStore(tmp_path).append(make_episode(5))
  with pytest.raises(ValueError, match='released'):
    bytes(kept[0])
