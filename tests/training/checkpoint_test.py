"""Checkpoints: all or nothing, newest first, and never a bad one over a good one."""

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
  checkpointer = checkpoint.Checkpointer(folder, state, 2, keep)
  for index, value in enumerate(values):
    state.weights.assign(tf.fill([50], value))
    checkpointer.progress.env_steps.assign(10 * (index + 1))
    checkpointer.progress.episode_counters.assign([index, 2 * index])
    checkpointer.save()
  return checkpointer


def restored(folder):
  state = make_state(-1.)
  checkpointer = checkpoint.Checkpointer(folder, state, 2)
  return checkpointer.restore(), float(state.weights[0]), checkpointer.progress


def test_the_newest_is_restored_with_progress(tmp_path):
  saved(tmp_path, [1., 2., 3.])
  found, weight, progress = restored(tmp_path)
  assert found and weight == 3
  assert int(progress.env_steps) == 30
  np.testing.assert_array_equal(progress.episode_counters, [2, 4])


def test_the_oldest_are_removed_by_number_not_by_name(tmp_path):
  saved(tmp_path, [float(value) for value in range(11)], keep=2)  # 110 comes after 100, though not in a dictionary
  assert sorted(path.name for path in tmp_path.glob('*.index')) == ['checkpoint-100.index', 'checkpoint-110.index']
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
  other = checkpoint.Checkpointer(tmp_path, make_state(more=tf.Variable(1.)), 2)
  with pytest.raises(errors.UserError, match='does not fit'):
    other.restore()


def test_another_shape_is_no_damage(tmp_path):
  saved(tmp_path, [1.])
  other = checkpoint.Checkpointer(tmp_path, make_state(), 5)  # other number of environments
  with pytest.raises(errors.UserError):
    other.restore()


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
  checkpointer = saved(tmp_path, [1.])
  state = make_state(np.nan)
  with pytest.raises(FloatingPointError, match='not finite'):
    checkpoint.Checkpointer(tmp_path, state, 2).save()
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
    checkpoint.Checkpointer(tmp_path, make(), 2).save()
  assert not list(tmp_path.iterdir())
