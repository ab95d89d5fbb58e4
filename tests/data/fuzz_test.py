"""Damaged files of episodes: the right data or an error that says so, never other data."""

import io
import struct
import tracemalloc
import warnings
import zipfile

from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.data import archive, episodes
from tests.data import episodes_test

EPISODES = {0: episodes_test.make_episode(30, seed=1), 1: episodes_test.make_episode(30, seed=2, image=True), 2: episodes_test.make_episode(30, seed=3)}
MEMORY = 30 * 2**20  # far above what these episodes take, far below what damage may claim


def equal(one, other):
  flat = lambda episode: {**episodes.flatten(episode.observation), **episode._replace(observation=0)._asdict()}
  one, other = flat(one), flat(other)
  return one.keys() == other.keys() and all(
      np.asarray(one[name]).dtype == np.asarray(other[name]).dtype and np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """Three episodes of one length, and the content of their files."""
  store = episodes.EpisodeStore(tmp_path_factory.mktemp('written'))
  for episode in EPISODES.values():
    store.append(episode)
  return store, [path.read_bytes() for path in sorted(store.folder.iterdir())]


def require_right_or_refused(written, index, content):
  """Writes a file, and reads it in all ways; returns whether it was refused."""
  store, whole = written
  path = sorted(store.folder.iterdir())[index]
  path.write_bytes(content)
  tracemalloc.start()
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # zipfile warns of two members of one name
      assert equal(store.load(index), EPISODES[index])
  except errors.UserError as error:
    assert 'is damaged' in str(error) and f'Received: path={str(path)!r}' in str(error)
    return True
  finally:
    assert tracemalloc.get_traced_memory()[1] < MEMORY
    tracemalloc.stop()
    path.write_bytes(whole[index])
  return False


@pytest.mark.parametrize('index', EPISODES)
def test_cut_anywhere(written, index):
  content = written[1][index]
  for size in {*range(0, len(content), max(len(content) // 150, 1)), *range(len(content) - 30, len(content))}:
    assert require_right_or_refused(written, index, content[:size]), size


@settings(max_examples=400, derandomize=True, deadline=None)
@given(index=strategies.sampled_from(sorted(EPISODES)), flips=strategies.lists(strategies.tuples(
    strategies.floats(0, 1, exclude_max=True), strategies.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits(written, index, flips):
  content = bytearray(written[1][index])
  for place, bit in flips:
    content[int(place * len(content))] ^= 1 << bit
  require_right_or_refused(written, index, bytes(content))


def test_every_bit_of_the_table_of_contents(written):
  content = written[1][0]
  begin = content.index(b'PK\x01\x02')
  refused = sum(require_right_or_refused(written, 0, content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1:])
                for place in range(begin, len(content)) for bit in range(8))
  assert refused > (len(content) - begin) * 2  # most of the rest are dates and rights, which nothing reads


def test_every_bit_of_the_headers_of_long_arrays(tmp_path):
  """Arrays that are longer than what is read at once: their headers are understood before their checksums are compared."""
  store, episode = episodes.EpisodeStore(tmp_path), episodes_test.make_episode(500, seed=4)
  store.append(episode)
  path, = tmp_path.iterdir()
  content, headers = path.read_bytes(), 0
  begin = content.find(b'\x93NUMPY')
  while begin >= 0:
    headers += 1
    for place in range(begin, begin + 80):
      for bit in range(8):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1:])
        with pytest.raises(errors.UserError, match='is damaged'):
          store.load(0)
    begin = content.find(b'\x93NUMPY', begin + 1)
  assert headers >= 4


@settings(max_examples=100, derandomize=True, deadline=None)
@given(content=strategies.binary(max_size=300), head=strategies.sampled_from([b'', b'PK\x03\x04', b'PK\x05\x06' + bytes(18), b'\x93NUMPY']))
def test_any_bytes(written, content, head):
  assert require_right_or_refused(written, 0, head + content)


def test_swapped_between_names(written):
  for index, other in ((0, 1), (1, 0), (0, 2), (2, 0)):
    assert require_right_or_refused(written, index, written[1][other])


def npz(compression=zipfile.ZIP_STORED, **members):
  """An archive of these bytes; arrays are written as numpy does."""
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', compression) as file:
    for name, value in members.items():
      if not isinstance(value, bytes):
        content = io.BytesIO()
        np.save(content, value)
        value = content.getvalue()
      file.writestr(f'{name}.npy', value)
  return stream.getvalue()


def header(shape, descr="'<f4'"):
  text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
  return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode()


def parts(**changes):
  """The arrays of the first episode, with some replaced."""
  episode = EPISODES[0]
  return {'observation': episode.observation, 'action': episode.action,
          'reward': episode.reward, 'terminated': episode.terminated,
          'member': np.array(-1), 'index': np.array(0), **changes}


def test_these_parts_are_an_episode(written):
  assert not require_right_or_refused(written, 0, npz(**parts()))
  del (without := parts())['index']
  assert not require_right_or_refused(written, 0, npz(**without))  # as the first versions wrote it


@pytest.mark.parametrize('changes', [
    {'reward': header('(1000000000000,)')}, {'reward': header('(1000000, 1000000)') + bytes(400)}, {'reward': header('(-30,)')},
    {'reward': header('(30,)', "'|O'") + bytes(240)}, {'reward': header('(30,)', "[('a', '<f4')]") + bytes(120)},
    {'reward': header('(30,)', "'<U1000000'")}, {'reward': header("__import__('os').abort()")}, {'reward': b''}, {'reward': b'\x93NUMPY\x03\x00'},
    {'reward': EPISODES[0].reward[:, None]}, {'reward': EPISODES[0].reward[:-1]}, {'reward': EPISODES[0].terminated},
    {'terminated': EPISODES[0].reward}, {'terminated': np.ones(30, bool)}, {'action': EPISODES[0].action[:, :, None]}, {'action': EPISODES[0].action[1:]},
    {'observation': EPISODES[0].observation[1:]}, {'observation': np.array(3.)}, {'member': np.array([1, 2])}, {'member': np.array(0.5)},
    {'index': np.array(2)}, {'observation': np.array([{}] * 31, object)}], ids=range(22))
def test_arrays_that_are_not_what_an_episode_has(written, changes):
  assert require_right_or_refused(written, 0, npz(**parts(**changes)))


@pytest.mark.parametrize('compression', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_other_methods_compress_is_not_unpacked(written, compression):
  assert require_right_or_refused(written, 0, npz(compression, **parts()))


def test_a_bomb_unpacks_no_further_than_it_claims(written):
  """A member of 200 MB that shrinks to 200 KB: claimed honestly, claimed to be as large as an episode's rewards are, and larger."""
  honest = npz(zipfile.ZIP_DEFLATED, **parts(reward=header('(50000000,)') + bytes(200_000_000)))
  size = struct.pack('<L', 200_000_128)
  assert honest.count(size) == 2  # before the member, and in the table of contents
  assert require_right_or_refused(written, 0, honest)
  assert require_right_or_refused(written, 0, honest.replace(size, struct.pack('<L', 248)))
  assert require_right_or_refused(written, 0, honest.replace(size, struct.pack('<L', 2**32 - 2)))


def test_a_file_that_changes_its_kind_is_an_error_too(written):
  store, whole = written
  path = sorted(store.folder.iterdir())[0]
  path.unlink()
  path.mkdir()
  with pytest.raises(errors.UserError, match='is damaged'):
    store.load(0)
  path.rmdir()
  path.write_bytes(whole[0])


def test_what_numpy_writes_is_read_alike(tmp_path):
  arrays = {'a': np.arange(6.).reshape(2, 3), 'f': np.asfortranarray(np.arange(6).reshape(2, 3)), 'empty': np.zeros([0, 3]), 'scalar': np.float32(2)}
  np.savez_compressed(tmp_path / 'x.npz', **arrays)
  with open(tmp_path / 'x.npz', 'rb') as file:
    read = archive.Archive(file)
    assert read.files == list(arrays)
    for name, array in arrays.items():
      np.testing.assert_array_equal(read[name], array, strict=True)
