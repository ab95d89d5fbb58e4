"""Sequences are slices of a ring of rows, each as likely as any other, whatever the cache, restarts and damage."""

import itertools
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.data import episodes
from mbrl_tf.data import sequences

KINDS = ('vector', 'image', 'dict')


def numbered_episode(start, decisions, kind='vector', terminated=True, discrete=False):
  """Row t of the observation shows start + t; action and reward of decision t are start + t too."""
  numbers = np.arange(start, start + decisions + 1)
  vector = np.stack([numbers, -numbers], axis=1).astype(np.float32)
  image = np.zeros((decisions + 1, 4, 3, 3), np.uint8)
  image[:, 0, 0] = np.stack([numbers // 256**power % 256 for power in (2, 1, 0)], axis=1)
  ends = np.zeros(decisions, bool)
  ends[-1:] = terminated
  return types.Episode(
      {'vector': vector, 'image': image, 'dict': {'state': vector, 'image': image}}[kind],
      numbers[:-1] if discrete else np.stack([numbers[:-1]] * 3, axis=1).astype(np.float32),
      numbers[:-1].astype(np.float64), ends)


def filled_store(folder, lengths, kind='vector', first=0):
  """Episode i shows the numbers from 1000 * (first + i) + 1 on; every third one is truncated."""
  store = episodes.EpisodeStore(folder)
  for index, decisions in enumerate(lengths, first):
    store.append(numbered_episode(1000 * index + 1, decisions, kind, terminated=index % 3 != 2))
  return store


def shown(observation):
  """The number that each row shows, from every part of the observation."""
  key = 'image' if getattr(observation, 'dtype', None) == np.uint8 else 'state'
  parts = observation if isinstance(observation, dict) else {key: observation}
  numbers = []
  for key, rows in parts.items():
    rows = np.asarray(rows)
    digits = rows[..., 0, 0, :].astype(int) * [256**2, 256, 1] if key == 'image' else rows[..., :1].astype(int)
    numbers.append(digits.sum(-1))
  np.testing.assert_array_equal(numbers[0], numbers[-1])
  return numbers[0]


def expected_ring(lengths, numbers=None):
  """Number, action (= reward), terminated and is_first of each row, one entry per row, built without the view."""
  ring = []
  for index, decisions in zip(numbers if numbers is not None else range(len(lengths)), lengths):
    ring.append((1000 * index + 1, 0, False, True))
    ring += [(1000 * index + 1 + row, 1000 * index + row, row == decisions and index % 3 != 2, False)
             for row in range(1, decisions + 1)]
  return np.array(ring)


def assert_slices(batch, ring):
  """Every sequence is a slice of the ring, repeated as often as need be."""
  numbers = shown(batch.observation)
  for row, sequence in enumerate(numbers):
    start = int(np.flatnonzero(ring[:, 0] == sequence[0])[0])
    expected = ring[(start + np.arange(len(sequence))) % len(ring)]
    np.testing.assert_array_equal(sequence, expected[:, 0])
    np.testing.assert_array_equal(batch.action[row, :, 2] if batch.action.ndim == 3 else batch.action[row], expected[:, 1])
    np.testing.assert_array_equal(batch.reward[row], expected[:, 1])
    np.testing.assert_array_equal(batch.terminated[row], expected[:, 2])
    np.testing.assert_array_equal(batch.is_first[row], expected[:, 3])


def assert_same(batch, other):
  tf.nest.map_structure(np.testing.assert_array_equal, batch, other)


def assert_uniform(values, support):
  """Chi-square: the seed is fixed, and 5 standard deviations leave room for none but real faults."""
  found, counts = np.unique(values, return_counts=True)
  assert set(found) <= set(support)
  freedom = len(support) - 1
  expected = len(values) / len(support)
  statistic = ((counts - expected)**2 / expected).sum() + expected * (len(support) - len(found))
  assert statistic < freedom + 5 * np.sqrt(2 * freedom)


def break_file(folder, index, keep=100):
  path = sorted(folder.glob('*.npz'))[index]
  path.write_bytes(path.read_bytes()[:keep])


def test_rows_of_two_episodes_by_hand(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  store.append(numbered_episode(10, 2))
  store.append(numbered_episode(20, 1, terminated=False))
  view = sequences.SequenceView(store)
  batch = view.batch(50, 7, seed=0)
  row = int(np.flatnonzero(batch.observation[:, 0, 0] == 11)[0])
  np.testing.assert_array_equal(batch.observation[row, :, 0], [11, 12, 20, 21, 10, 11, 12])
  np.testing.assert_array_equal(batch.observation[row, :, 1], [-11, -12, -20, -21, -10, -11, -12])
  np.testing.assert_array_equal(batch.action[row, :, 0], [10, 11, 0, 20, 0, 10, 11])
  np.testing.assert_array_equal(batch.reward[row], [10, 11, 0, 20, 0, 10, 11])
  np.testing.assert_array_equal(batch.terminated[row], [False, True, False, False, False, False, True])
  np.testing.assert_array_equal(batch.is_first[row], [False, False, True, False, True, False, False])
  assert len(view) == 5


@pytest.mark.parametrize('case', range(12))
def test_every_sequence_is_a_slice_of_the_ring(tmp_path, case):
  generator = np.random.default_rng(case)
  lengths = generator.integers(1, generator.choice([3, 12, 80]), size=generator.integers(1, 9))
  kind = KINDS[case % 3]
  view = sequences.SequenceView(filled_store(tmp_path, lengths, kind), cache_bytes=int(generator.choice([0, 2000, 10**6])))
  ring = expected_ring(lengths)
  assert len(view) == len(ring)
  for index, length in enumerate((1, 2, 10, 60, 200)):
    batch = view.batch(int(generator.integers(1, 9)), length, case, index)
    assert_slices(batch, ring)


@pytest.mark.parametrize('lengths', [(1, 6, 2, 11), (4,), (3, 3, 3)])
def test_every_row_is_equally_likely_at_every_position(tmp_path, lengths):
  view = sequences.SequenceView(filled_store(tmp_path, lengths))
  numbers = shown(view.batch(20000, 5, seed=3).observation)
  for position in range(5):
    assert_uniform(numbers[:, position], expected_ring(lengths)[:, 0])


def test_sequences_of_one_batch_are_independent(tmp_path):
  view = sequences.SequenceView(filled_store(tmp_path, (2, 1)))
  numbers = np.concatenate([shown(view.batch(2, 1, 0, index).observation) for index in range(3000)], axis=1).reshape(2, -1)
  support = expected_ring((2, 1))[:, 0]
  assert_uniform(numbers[0] * 10000 + numbers[1], [a * 10000 + b for a in support for b in support])


def test_types_and_shapes(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  episode = numbered_episode(1, 30, 'dict', discrete=True)
  store.append(episode._replace(observation={**episode.observation, 'memory': np.zeros((31, 5), np.uint8),
                                             'grey': np.zeros((31, 4, 4), np.uint8), 'wide': np.zeros((31, 2), np.float64)}))
  batch = sequences.SequenceView(store).batch(3, 40, seed=0)
  told = tf.nest.map_structure(lambda array: (array.shape[2:], array.dtype.name), batch)
  assert told == types.Sequences(
      {'state': ((2,), 'float32'), 'image': ((4, 3, 3), 'uint8'), 'memory': ((5,), 'uint8'), 'grey': ((4, 4), 'uint8'),
       'wide': ((2,), 'float32')}, ((), 'int64'), ((), 'float32'), ((), 'bool'), ((), 'bool'))
  assert all(array.shape[:2] == (3, 40) for array in tf.nest.flatten(batch))


def test_a_batch_depends_on_seed_and_index_alone(tmp_path):
  lengths = (30, 2, 51)
  view = sequences.SequenceView(filled_store(tmp_path, lengths, 'dict'))
  first = view.batch(8, 20, 5, 3)
  view.batch(3, 2, 9)
  for other in (view, sequences.SequenceView(episodes.EpisodeStore(tmp_path), cache_bytes=0)):
    assert_same(first, other.batch(8, 20, 5, 3))
  starts = {(seed, index): tuple(shown(view.batch(8, 1, seed, index).observation)[:, 0])
            for seed in (0, 1, 2**32, 2**32 + 1, 2**63 - 1) for index in (0, 1, 2)}
  assert len(set(starts.values())) == len(starts)


def test_what_is_appended_is_shown(tmp_path):
  store = filled_store(tmp_path, (3, 4))
  view = sequences.SequenceView(store)
  early = view.batches(3, 500, 3, 0)
  filled_store(tmp_path, ())  # opening the folder again changes nothing
  store.append(numbered_episode(2001, 5, terminated=False))
  assert_slices(view.batch(500, 3, 0), expected_ring((3, 4, 5)))
  assert 2001 in shown(view.batch(500, 3, 0).observation)
  for batch in early:  # begun before: keeps to the episodes that were there
    assert_slices(types.Sequences(*(array.numpy() for array in batch)), expected_ring((3, 4)))


def test_a_truncated_store_is_read_anew(tmp_path):
  store = filled_store(tmp_path, (3, 4, 6))
  view = sequences.SequenceView(store)
  view.batch(50, 10, 0)
  store.truncate(1)
  store.append(numbered_episode(1001, 2))
  ring = expected_ring((3, 2))
  assert len(view) == len(ring)
  assert_slices(view.batch(50, 10, 0), ring)


@pytest.mark.parametrize('capacity, kept', [(0, 4), (1, 1), (5, 1), (6, 1), (7, 2), (9, 2), (10, 3), (14, 4), (99, 4)])
def test_capacity_keeps_the_newest_whole_episodes(tmp_path, capacity, kept):
  lengths = (4, 3, 1, 6)
  view = sequences.SequenceView(filled_store(tmp_path, lengths), capacity)
  ring = expected_ring(lengths[-kept:], range(4 - kept, 4))
  assert len(view) == len(ring)
  assert_slices(view.batch(300, 4, 0), ring)


@pytest.mark.parametrize('kind', KINDS)
def test_a_damaged_episode_is_left_out_and_the_rest_stays_uniform(tmp_path, kind):
  lengths = (3, 6, 2)
  store = filled_store(tmp_path, lengths, kind)
  break_file(tmp_path, 1, keep=150)
  view = sequences.SequenceView(store)
  ring = expected_ring((3, 2), (0, 2))
  with pytest.warns(UserWarning, match='damaged') as caught:
    batch = view.batch(6000, 4, 0)
  assert len(caught) == 1
  assert_slices(batch, ring)
  for position in range(4):
    assert_uniform(shown(batch.observation)[:, position], ring[:, 0])
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    view.batch(100, 4, 1)


@pytest.mark.filterwarnings('ignore:Skipped an episode')
@pytest.mark.parametrize('damaged', [(), (2,), (0, 5), (3, 4)])
def test_rows_held_at_once_give_the_batches_of_rows_read_one_by_one(tmp_path, damaged):
  lengths = (5, 1, 9, 3, 30, 2)
  store = filled_store(tmp_path, lengths)
  for index in damaged:
    break_file(tmp_path, index, keep=150)
  kept = [index for index in range(6) if index not in damaged]
  ring = expected_ring([lengths[index] for index in kept], kept)
  capacities = (0, 40) if 4 not in damaged else (0,)
  for capacity in capacities:
    joined, slow = (sequences.SequenceView(store, capacity, cache_bytes=size) for size in (10**6, 100))
    for index, length in enumerate((1, 4, 70, 200)):
      batch = joined.batch(30, length, 7, index)
      assert_same(batch, slow.batch(30, length, 7, index))
      if not capacity:
        assert_slices(batch, ring)
    assert joined._ring._joined is not None and slow._ring._joined is None  # so that two ways were compared


def test_rows_held_at_once_know_what_is_appended(tmp_path):
  store = filled_store(tmp_path, (3, 4))
  joined, slow = (sequences.SequenceView(store, cache_bytes=size) for size in (10**6, 100))
  for lengths in ((3, 4), (3, 4, 5)):
    if len(lengths) == 3:
      store.append(numbered_episode(2001, 5, terminated=False))
    batch = joined.batch(200, 6, 1)
    assert_slices(batch, expected_ring(lengths))
    assert_same(batch, slow.batch(200, 6, 1))
  batch.observation[:] = -1  # a batch is nobody else's
  assert_slices(joined.batch(200, 6, 1), expected_ring((3, 4, 5)))


@pytest.mark.filterwarnings('ignore:Skipped an episode')
def test_batches_do_not_depend_on_when_damage_is_found(tmp_path):
  generator = np.random.default_rng(0)
  lengths = generator.integers(1, 120, size=12)
  store = filled_store(tmp_path, lengths, 'image')
  for index in (2, 3, 11):
    path = sorted(tmp_path.glob('*.npz'))[index]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255  # in one block of many
    path.write_bytes(content)
  batches = [sequences.SequenceView(store).batch(3, 30, 1, index) for index in range(20)]
  for order in (range(20), reversed(range(20))):
    view = sequences.SequenceView(store)
    for index in order:
      assert_same(batches[index], view.batch(3, 30, 1, index))


def test_a_missing_file_is_left_out(tmp_path):
  filled_store(tmp_path, (3, 6, 2))
  sorted(tmp_path.iterdir())[1].unlink()
  with pytest.warns(UserWarning, match='gone') as caught:
    view = sequences.SequenceView(episodes.EpisodeStore(tmp_path))
    view.batch(5, 4, 0)
  assert len(caught) == 1
  assert_slices(view.batch(50, 4, 0), expected_ring((3, 2), (0, 2)))


def test_a_file_that_changes_after_it_was_checked_is_left_out(tmp_path):
  view = sequences.SequenceView(filled_store(tmp_path, (60, 60), 'image'), cache_bytes=0)
  view.batch(50, 4, 0)
  break_file(tmp_path, 0)
  with pytest.warns(UserWarning, match='damaged'):
    assert_slices(view.batch(50, 4, 0), expected_ring((60,), (1,)))


@pytest.mark.filterwarnings('ignore:Skipped an episode')
def test_an_error_where_nothing_can_be_read(tmp_path):
  store = filled_store(tmp_path, (3, 6))
  break_file(tmp_path, 0)
  break_file(tmp_path, 1)
  with pytest.raises(errors.UserError, match='None of the stored.*Received: number of episodes=2'):
    sequences.SequenceView(store).batch(2, 2, 0)


@pytest.mark.parametrize('arguments, wrong', [
    ((0, 5, 0, 0), 'batch_size=0'), ((5, 0, 0, 0), 'length=0'), ((5, 5, -1, 0), 'seed=-1'), ((5, 5, 0, -2), 'index=-2')])
def test_arguments_out_of_range(tmp_path, arguments, wrong):
  view = sequences.SequenceView(filled_store(tmp_path, (3,)))
  with pytest.raises(errors.UserError, match=f'Received: {wrong}'):
    view.batch(*arguments)
  if not wrong.startswith('index'):
    with pytest.raises(errors.UserError, match=f'Received: {wrong}'):
      view.batches(1, *arguments[:3])


def test_sizes_out_of_range(tmp_path):
  store = filled_store(tmp_path, (3,))
  for wrong in ({'capacity': -1}, {'cache_bytes': -1}):
    with pytest.raises(errors.UserError, match='=-1'):
      sequences.SequenceView(store, **wrong)
  with pytest.raises(errors.UserError, match='count=-1'):
    sequences.SequenceView(store).batches(-1, 2, 2, 0)


def test_an_empty_store_says_so(tmp_path):
  store = episodes.EpisodeStore(tmp_path)
  view = sequences.SequenceView(store)
  assert len(view) == 0
  for draw in (view.batch, lambda *arguments: view.batches(1, *arguments)):
    with pytest.raises(errors.UserError, match='before the first episode'):
      draw(2, 2, 0)
  store.append(numbered_episode(1, 2))
  assert_slices(view.batch(2, 2, 0), expected_ring((2,)))


@pytest.mark.parametrize('other, wrong', [
    (numbered_episode(1, 5, 'dict'), 'image'), (numbered_episode(1, 5, discrete=True), 'action'),
    (numbered_episode(1, 5)._replace(observation=np.zeros((6, 3))), r"\(\(3,\), 'float32'\)")])
def test_episodes_that_differ_are_named(tmp_path, other, wrong):
  store = filled_store(tmp_path, (5,))
  store.append(other)
  with pytest.raises(errors.UserError, match='Episode [01] has .*Received: episode=[01] with .*') as caught:
    sequences.SequenceView(store).batch(20, 2, 0)
  assert wrong.replace('\\', '') in str(caught.value)


def sequence_threads():
  return [thread for thread in threading.enumerate() if thread.name.startswith('sequences')]


def test_batches_are_those_of_their_indices(tmp_path):
  view = sequences.SequenceView(filled_store(tmp_path, (30, 2, 51), 'dict'))
  drawn = list(view.batches(7, 4, 20, 5))
  assert len(drawn) == 7 and not sequence_threads()
  for index, batch in enumerate(drawn):
    assert all(isinstance(array, tf.Tensor) and array.shape[:2] == (4, 20) for array in tf.nest.flatten(batch))
    assert_same(tf.nest.map_structure(lambda array: array.numpy(), batch), view.batch(4, 20, 5, index))
  assert list(view.batches(0, 4, 20, 5)) == []


def test_a_compiled_function_is_traced_once(tmp_path):
  traces = []

  @tf.function
  def step(batch):
    traces.append(batch.observation['image'].shape)
    return tf.reduce_sum(batch.reward)

  for batch in sequences.SequenceView(filled_store(tmp_path, (30, 2), 'dict')).batches(4, 2, 8, 0):
    step(batch)
  assert traces == [(2, 8, 4, 3, 3)]


def test_leaving_early_leaves_no_thread(tmp_path):
  view = sequences.SequenceView(filled_store(tmp_path, (30, 2)))
  for _ in view.batches(1000, 2, 5, 0):
    assert sequence_threads()
    break
  iterator = view.batches(1000, 2, 5, 0)
  next(iterator)
  iterator.close()
  with pytest.raises(ZeroDivisionError):
    for _ in view.batches(1000, 2, 5, 0):
      raise ZeroDivisionError
  assert not sequence_threads()


def test_an_error_in_the_thread_reaches_the_caller(tmp_path):
  store = filled_store(tmp_path, (5,))
  store.append(numbered_episode(1, 5, discrete=True))
  with pytest.raises(errors.UserError, match='Received: episode='):
    list(sequences.SequenceView(store).batches(50, 20, 5, 0))
  assert not sequence_threads()


def test_two_iterators_at_once(tmp_path):
  view = sequences.SequenceView(filled_store(tmp_path, (60, 45, 80), 'image'), cache_bytes=3000)
  pairs = itertools.islice(zip(view.batches(30, 4, 40, 0), view.batches(30, 4, 40, 0)), 30)
  for one, other in pairs:
    assert_same(one, other)


def test_another_thread_appends_while_batches_are_drawn(tmp_path):
  lengths = (60, 45, 80)
  store = filled_store(tmp_path / 'growing', lengths, 'image')
  still = sequences.SequenceView(filled_store(tmp_path / 'still', lengths, 'image'))
  drawn = sequences.SequenceView(store, cache_bytes=3000).batches(60, 4, 40, 0)
  first = next(drawn)

  def append():
    for index in range(3, 40):
      store.append(numbered_episode(1000 * index + 1, 30, 'image'))

  thread = threading.Thread(target=append)
  thread.start()
  for index, batch in enumerate(itertools.chain([first], drawn)):
    assert_same(tf.nest.map_structure(lambda array: array.numpy(), batch), still.batch(4, 40, 0, index))
  thread.join()
  assert len(store) == 40


def test_the_interpreter_ends_in_the_middle_of_a_loop(tmp_path):
  filled_store(tmp_path, (60, 45, 80), 'image')
  script = textwrap.dedent(f'''
    from mbrl_tf.data import episodes, sequences
    iterator = sequences.SequenceView(episodes.EpisodeStore({str(tmp_path)!r})).batches(10**6, 50, 50, 0)
    next(iterator)
    raise SystemExit(3)''')
  assert subprocess.run([sys.executable, '-c', script], capture_output=True, timeout=120).returncode == 3


def test_some_sequences_begin_among_the_newest_rows(tmp_path):
  """Of 20 sequences 5, among the last 30 rows; the others are those that are drawn without."""
  store = filled_store(tmp_path, [60, 20, 8])
  plain = sequences.SequenceView(store)
  tested = sequences.SequenceView(store, newest=sequences.Newest(30, 0.25))
  firsts = []
  for seed in range(60):
    expected, batch = plain.batch(20, 3, seed), tested.batch(20, 3, seed)
    np.testing.assert_array_equal(shown(batch.observation)[5:], shown(expected.observation)[5:])
    firsts.append(shown(batch.observation)[:5, 0])
  # The newest 30 rows are the 9 of the last episode and all 21 of the one before.
  newest = {*range(2001, 2010), *range(1001, 1022)}
  assert set(np.concatenate(firsts).tolist()) == newest
  few = sequences.SequenceView(store, newest=sequences.Newest(10**6, 1.0)).batch(2000, 1, 0)
  assert len(set(shown(few.observation)[:, 0].tolist())) == 61 + 21 + 9  # there are no more


def test_some_sequences_begin_in_paid_episodes(tmp_path):
  """Rewards are the numbers shown: of 20 sequences 5, in episodes that brought more than 1021; the
  others are those that are drawn without. What is appended, and an end, count as well.
  """
  store = filled_store(tmp_path, [60, 20, 8, 5])
  view, plain = sequences.SequenceView(store), sequences.SequenceView(store)

  def firsts(paid):
    found = []
    for seed in range(60):
      expected, batch = plain.batch(20, 3, seed), view.batch(20, 3, seed, paid=paid)
      np.testing.assert_array_equal(shown(batch.observation)[:15], shown(expected.observation)[:15])
      found.append(shown(batch.observation)[15:, 0])
    return set(np.concatenate(found).tolist())

  assert firsts(sequences.Paid(1021.0, 0.25)) == {*range(2001, 2010), *range(3001, 3007)}
  store.append(numbered_episode(4001, 3))
  assert firsts(sequences.Paid(3100.0, 0.25)) == {*range(4001, 4005)}
  store.append(numbered_episode(-200, 4))  # all rewards are below 0, which follows its end
  store.append(numbered_episode(-300, 4, terminated=False))
  seen = view.batch(2000, 1, 0, paid=sequences.Paid(-100.0, 1.0)).observation
  seen = set(shown(seen)[:, 0].tolist())
  assert set(range(-200, -195)) <= seen and not set(range(-300, -295)) & seen
  none = view.batch(20, 3, 0, paid=sequences.Paid(1e6, 0.25))
  np.testing.assert_array_equal(shown(none.observation), shown(plain.batch(20, 3, 0).observation))


def test_a_damaged_episode_is_not_among_the_paid(tmp_path):
  store = filled_store(tmp_path, [6, 20, 8])
  path = store._files[2]
  path.write_bytes(path.read_bytes()[:100])
  view = sequences.SequenceView(store)
  with pytest.warns(UserWarning, match='Skipped an episode'):
    batch = view.batch(300, 2, 0, paid=sequences.Paid(500.0, 1.0))
  assert set(shown(batch.observation)[:, 0].tolist()) == set(range(1001, 1022))


def test_paid_episodes_are_those_of_the_ring_and_of_the_store_as_it_is(tmp_path):
  store = filled_store(tmp_path, [4, 20, 8])
  paid = sequences.Paid(1999.0, 1.0)

  def firsts(view):
    return set(shown(view.batch(300, 1, 0, paid=paid).observation)[:, 0].tolist())

  view = sequences.SequenceView(store)
  assert firsts(view) == set(range(2001, 2010))
  store.truncate(2)
  store.append(numbered_episode(1, 3))  # has the index of the one that was paid
  assert min(firsts(view)) == 1 and 1001 in firsts(view)  # none is: all are drawn
  store.append(numbered_episode(3001, 2))
  assert firsts(view) == {3001, 3002, 3003}
  store.append(numbered_episode(11, 9))
  newest = sequences.SequenceView(store, capacity=9)  # which holds the last one alone
  assert firsts(newest) == set(range(11, 21))
