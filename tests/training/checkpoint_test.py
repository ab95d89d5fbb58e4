"""Checkpoints: all or nothing, newest first, and never a bad one over a good one."""

import subprocess
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from mbrl_tf import errors
from mbrl_tf.training import checkpoint


def make_state(value=0., **more):
  state = tf.Module()
  state.weights = tf.Variable(tf.fill([50], value))
  for name, variable in more.items():
    setattr(state, name, variable)
  return state


def saved(folder, values, keep=3):
  """Writes a checkpoint for each value, at env steps 10, 20, ..."""
  state = make_state()
  checkpointer = checkpoint.Checkpointer(folder, state, keep)
  for index, value in enumerate(values):
    state.weights.assign(tf.fill([50], value))
    checkpointer.progress.env_steps.assign(10 * (index + 1))
    checkpointer.progress.episode_counters.assign([index, 2 * index])
    checkpointer.save()
  return checkpointer


def restored(folder):
  state = make_state(-1.)
  checkpointer = checkpoint.Checkpointer(folder, state)
  return checkpointer.restore(), float(state.weights[0]), checkpointer.progress


def test_the_newest_is_restored_with_progress(tmp_path):
  saved(tmp_path, [1., 2., 3.])
  found, weight, progress = restored(tmp_path)
  assert found and weight == 3
  assert int(progress.env_steps) == 30
  np.testing.assert_array_equal(progress.episode_counters, [2, 4])


def test_the_oldest_are_removed_by_number_not_by_name(tmp_path):
  saved(tmp_path, [float(value) for value in range(11)], keep=2)  # 110 comes after 100, though not in a dictionary
  assert sorted(path.name for path in tmp_path.glob('*.sha256')) == ['checkpoint-100.sha256', 'checkpoint-110.sha256']
  assert len(list(tmp_path.glob('*.data*'))) == 2


@pytest.mark.parametrize('pattern', ['checkpoint-30.data*', 'checkpoint-30.index'])
@pytest.mark.parametrize('damage', ['cut', 'flip', 'empty'])
def test_a_damaged_checkpoint_is_skipped_with_a_warning(tmp_path, pattern, damage):
  saved(tmp_path, [1., 2., 3.])
  path = next(tmp_path.glob(pattern))
  content = path.read_bytes()
  flipped = bytearray(content)
  flipped[40] ^= 255
  path.write_bytes({'cut': content[:len(content) // 2], 'flip': bytes(flipped), 'empty': b''}[damage])
  with pytest.warns(UserWarning, match='Skipped a checkpoint'):
    found, weight, progress = restored(tmp_path)
  assert found and weight == 2 and int(progress.env_steps) == 20


def test_data_that_is_gone_is_skipped_too(tmp_path):
  saved(tmp_path, [1., 2.])
  next(tmp_path.glob('checkpoint-20.data*')).unlink()
  with pytest.warns(UserWarning, match='Skipped a checkpoint'):
    assert restored(tmp_path)[1] == 1


def test_none_that_can_be_read_is_an_error_and_none_at_all_is_not(tmp_path):
  assert restored(tmp_path)[:2] == (False, -1)
  saved(tmp_path, [1.])
  next(tmp_path.glob('*.index')).write_bytes(b'')
  with pytest.warns(UserWarning), pytest.raises(errors.UserError, match='No checkpoint of this run can be read'):
    restored(tmp_path)


def test_a_checkpoint_of_another_algorithm_is_refused(tmp_path):
  saved(tmp_path, [1.])
  other = checkpoint.Checkpointer(tmp_path, make_state(more=tf.Variable(1.)))
  with pytest.raises(errors.UserError, match='does not fit'):
    other.restore()


def test_another_shape_is_no_damage(tmp_path):
  saved(tmp_path, [1.])
  state = tf.Module()
  state.weights = tf.Variable(tf.zeros([51]))
  other = checkpoint.Checkpointer(tmp_path, state)
  with pytest.raises(errors.UserError):
    other.restore()


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
  checkpointer = saved(tmp_path, [1.])
  state = make_state(np.nan)
  with pytest.raises(FloatingPointError, match='not finite'):
    checkpoint.Checkpointer(tmp_path, state).save()
  assert restored(tmp_path)[1] == 1
  assert checkpointer.restore()


def optimizer_with_a_moment_that_is_not_finite(optimizer):
  weight = tf.Variable([1.])
  optimizer.apply_gradients([(tf.constant([np.inf]), weight)])
  weight.assign([1.])
  state = tf.Module()
  state.optimizer, state.weight = optimizer, weight
  return state


def model_in_a_list_in_a_checkpoint():
  model = tf_keras.layers.Dense(1)
  model.build((None, 2))
  model.kernel.assign([[1.], [np.nan]])
  return tf.train.Checkpoint(models=[model])


@pytest.mark.parametrize('make', [
    lambda: tf.train.Checkpoint(weight=tf.Variable(np.nan)),
    model_in_a_list_in_a_checkpoint,
    lambda: optimizer_with_a_moment_that_is_not_finite(tf_keras.optimizers.Adam()),
    lambda: optimizer_with_a_moment_that_is_not_finite(tf_keras.optimizers.legacy.Adam())],
    ids=['checkpoint', 'model', 'adam', 'legacy_adam'])
def test_whatever_would_be_saved_must_be_finite(tmp_path, make):
  with pytest.raises(FloatingPointError, match='not finite'):
    checkpoint.Checkpointer(tmp_path, make()).save()
  assert not list(tmp_path.iterdir())


def saved_with_evaluations(folder, evaluations, keep=2):
  """Writes a checkpoint for each evaluation, None for none, at env steps 10, 20, ...; returns the numbers that were kept."""
  state, told = make_state(), {}
  checkpointer = checkpoint.Checkpointer(folder, state, keep)
  for index, value in enumerate(evaluations, 1):
    state.weights.assign(tf.fill([50], float(index)))
    checkpointer.progress.env_steps.assign(10 * index)
    if value is not None:
      told[10 * index] = value
    checkpointer.save(told)
  return sorted(int(path.stem.split('-')[1]) for path in folder.glob('*.sha256')), told


@pytest.mark.parametrize('evaluations, kept, best', [
    ([1, 5, 2, 3, 4], [20, 40, 50], 20), ([1, 2, 3, 4, 5], [40, 50], 50), ([5, 5, 1, 1], [20, 30, 40], 20),
    ([None] * 5, [40, 50], None), ([-9, None, None, None], [10, 30, 40], 10)])
def test_the_best_is_kept_beside_the_newest(tmp_path, evaluations, kept, best):
  found, told = saved_with_evaluations(tmp_path, evaluations)
  assert found == kept
  assert len(list(tmp_path.iterdir())) == 3 * len(kept)
  state = make_state(-1.)
  checkpointer = checkpoint.Checkpointer(tmp_path, state)
  assert checkpointer.best(told) == best
  assert checkpointer.restore(told) and state.weights[0] == (best or 50) / 10


def test_a_damaged_best_one_is_skipped_for_the_next_best(tmp_path):
  _, told = saved_with_evaluations(tmp_path, [1, 5, 2, 3])
  next(tmp_path.glob('checkpoint-20.data*')).write_bytes(b'')
  with pytest.warns(UserWarning, match='Skipped a checkpoint'):
    state = make_state()
    assert checkpoint.Checkpointer(tmp_path, state).restore(told)
  assert state.weights[0] == 4


def test_the_sums_are_what_sha256sum_reads(tmp_path):
  saved(tmp_path, [1., 2.])
  for path in tmp_path.glob('*.sha256'):
    done = subprocess.run(['sha256sum', '--strict', '-c', path.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(': OK') == 2


def test_a_future_that_was_given_up_ends_with_the_next_checkpoint(tmp_path):
  saved(tmp_path, [1., 2., 3.])
  next(tmp_path.glob('checkpoint-30.data*')).write_bytes(b'')
  (tmp_path / 'checkpoint-40_temp').mkdir()  # of a process that was killed
  (tmp_path / 'checkpoint-50.data-00000-of-00001').write_bytes(b'half')
  state = make_state()
  checkpointer = checkpoint.Checkpointer(tmp_path, state)
  with pytest.warns(UserWarning, match='Skipped a checkpoint'):
    assert checkpointer.restore()
  assert next(tmp_path.glob('checkpoint-30.data*')).exists()  # nothing is removed before something took its place
  checkpointer.progress.env_steps.assign(25)
  checkpointer.save()
  assert sorted(path.name.split('.')[0] for path in tmp_path.glob('*')) == [f'checkpoint-{n}' for n in (10, 20, 25) for _ in range(3)]


# Brackets and backslashes are patterns to TensorFlow, of which the first would match the second.
@pytest.mark.parametrize('name', ['run[1]', 'ab*', 'a?', 'back\\slash', 'a,b', '{x}', 'with space',
                                  '~', 'läuft-走', 'a:b', '%s $x', '[', "'q\""])
def test_any_name_of_a_folder_will_do(name, tmp_path):
  saved(tmp_path / 'abc', [8.])
  saved(tmp_path / 'ab', [8.])
  saved(tmp_path / 'run1', [8.])
  saved(tmp_path / name, [1., 2.])
  found, weight, progress = restored(tmp_path / name)
  assert found and weight == 2 and int(progress.env_steps) == 20


def cut(path):
  path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize('killed', ['in the data', 'in the index', 'before the checksums', 'in the checksums'])
def test_one_whose_writing_was_killed_is_none(tmp_path, killed):
  saved(tmp_path, [1., 2., 3.])
  data, index, sums = (next(tmp_path.glob(f'checkpoint-30{ending}')) for ending in ('.data*', '.index', '.sha256'))
  sums.rename(f'{sums}.partial') if killed == 'in the checksums' else sums.unlink()
  if killed == 'in the index':
    cut(index)
  if killed == 'in the data':
    index.unlink()
    (tmp_path / 'checkpoint-30_temp').mkdir()
    data.rename(tmp_path / 'checkpoint-30_temp' / 'part-00000-of-00001')
  before = sorted(tmp_path.rglob('*'))
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found, weight, progress = restored(tmp_path)
  assert found and weight == 2 and int(progress.env_steps) == 20
  assert sorted(tmp_path.rglob('*')) == before  # who only reads removes nothing
  checkpointer = checkpoint.Checkpointer(tmp_path, make_state(5.))
  checkpointer.progress.env_steps.assign(30)
  checkpointer.save()
  assert restored(tmp_path)[1] == 5 and len(list(tmp_path.iterdir())) == 9


def test_what_no_checkpoint_wrote_is_left_alone(tmp_path):
  checkpointer = saved(tmp_path, [1., 2.])
  theirs = ['checkpoint-20-good.index', 'checkpoint-99.tar', 'checkpoint-old', 'notes.txt',
            'checkpoint-20.backup', 'film.mp4.partial',
            'checkpoint-99.data-00000-of-00001.bak', 'checkpoint-20.data-00000-of-00001.bak']
  for name in theirs:
    (tmp_path / name).write_text('a copy')
  (tmp_path / 'checkpoint-all').mkdir()
  assert restored(tmp_path)[1] == 2.  # the copy of its data is no part of it
  for number in range(3, 8):
    checkpointer.progress.env_steps.assign(10 * number)
    checkpointer.save()
  assert all((tmp_path / name).read_text() == 'a copy' for name in theirs) and (tmp_path / 'checkpoint-all').is_dir()
  assert len(list(tmp_path.iterdir())) == 3 * 3 + len(theirs) + 1
