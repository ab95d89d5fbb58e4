"""Rows are read where they are needed; what is kept is bounded, and the least recently used goes first."""

import os
import sys

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.data import episodes
from mbrl_tf.data import rows as rows_lib
from mbrl_tf.data import sequences

_SIDE = 64
_BLOCK_BYTES = episodes.BLOCK_ROWS * _SIDE * _SIDE * 3


def image_episode(decisions):
  image = np.zeros((decisions + 1, _SIDE, _SIDE, 3), np.uint8)
  image[:] = np.arange(decisions + 1)[:, None, None, None] % 251
  return types.Episode(
      {'image': image}, np.zeros((decisions, 1), np.float32), np.zeros(decisions, np.float32), np.zeros(decisions, bool))


def read(reader, index, first, count):
  """Returns the number that each of these rows shows."""
  layout = reader.layout(index)
  target = {name: np.empty((count,) + shape, dtype) for name, (shape, dtype) in layout.items()}
  reader.copy(index, first, target)
  return target['observation/image'][:, 0, 0, 0]


@pytest.mark.parametrize('cache_bytes', [0, _BLOCK_BYTES + 20000, 10**9])
def test_every_slice_of_an_episode(tmp_path, cache_bytes):
  store = episodes.EpisodeStore(tmp_path)
  store.append(image_episode(110))
  reader = rows_lib.RowReader(store, cache_bytes)
  for first in (0, 1, 24, 25, 26, 60, 99, 100, 110):
    for count in (1, 2, 24, 25, 26, 50, 51, 111):
      if first + count <= 111:
        np.testing.assert_array_equal(read(reader, 0, first, count), np.arange(first, first + count))


def test_floats_are_shown_in_the_types_of_the_task_whatever_they_were_stored_in(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  stored = {'fine': 1e6 + 1e-7 * np.arange(4)[:, None], 'coarse': np.arange(4.0)[:, None],
            'bytes': np.zeros([4, 2], np.uint8)}
  nothing = np.zeros(3, np.float32)
  store.append(types.Episode(stored, nothing[:, None], nothing, nothing > 0))
  older = {**stored, 'fine': stored['fine'].astype(np.float32)}
  store.append(types.Episode(older, nothing[:, None], nothing, nothing > 0))
  spec = {'fine': types.ArraySpec((1,), 'float64'), 'coarse': types.ArraySpec((1,), 'float32'),
          'bytes': types.ArraySpec((2,), 'uint8')}
  batch = sequences.SequenceView(store, observation=spec).batch(6, 5, seed=0)
  assert {key: array.dtype.name for key, array in batch.observation.items()} == {
      key: array.dtype for key, array in spec.items()}
  assert set(np.unique(batch.observation['fine'])) == {*stored['fine'][:, 0], 1e6}


def test_the_least_recently_used_block_is_dropped(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(image_episode(4 * episodes.BLOCK_ROWS - 1))
  reader = rows_lib.RowReader(store, 2 * _BLOCK_BYTES + 20000)  # two blocks, and the rows without images
  for block in (0, 1, 0, 2):
    read(reader, 0, block * episodes.BLOCK_ROWS, 5)
  next(tmp_path.iterdir()).unlink()
  assert read(reader, 0, 3, 1) == 3 and read(reader, 0, 2 * episodes.BLOCK_ROWS, 1) == 50
  with pytest.raises(rows_lib.DamagedEpisode) as caught:
    read(reader, 0, episodes.BLOCK_ROWS, 1)
  assert caught.value.index == 0


def resident_bytes():
  with open('/proc/self/statm') as file:
    return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def growth(folder, rows, cache_bytes, batches):
  """Writes episodes of 500 rows, draws batches of 50 x 50, and returns by how much the process then grew at most."""
  store = episodes.EpisodeStore(folder)
  for _ in range(len(store), rows // 500):
    store.append(image_episode(499))
  view = sequences.SequenceView(store, cache_bytes=cache_bytes)
  before, most = resident_bytes(), 0
  for index in range(batches):
    view.batch(50, 50, 0, index)
    most = max(most, resident_bytes() - before)
  return most


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_memory_is_bounded(tmp_path):
  # 147 MB of images. A batch takes 31 MB, and two of them are there when one follows another.
  assert growth(tmp_path, rows=12000, cache_bytes=2**24, batches=20) < 2**24 + 2 * 31e6 + 40e6


if __name__ == '__main__':
  # python -m tests.data.rows_test FOLDER: 40,000 images of 64x64x3, which are 491 MB, through 64 MiB.
  grown = growth(sys.argv[1], rows=40000, cache_bytes=2**26, batches=200)
  print(f'grown by {grown / 1e6:.0f} MB')
  assert grown < 2**26 + 2 * 31e6 + 40e6
