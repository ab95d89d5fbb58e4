"""Names and arithmetic of the metrics."""

import time

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms import clock as clock_lib
from mbrl_tf.algorithms.mbmpo import summaries

REST = {'length': tf.constant([[5., 7.], [6., 6.]]), 'loss': tf.constant(1.),
        'surrogate': tf.constant([1., 3.]), 'inner_kl': tf.constant([0.1, 0.3]), 'outer_kl': tf.constant([0., 0.]),
        'kl_coefficient': tf.constant([1., 1.]), 'gradient_norm': tf.constant(2.), 'gradient_norm_max': tf.constant(4.), 'outer_steps': tf.constant(8.),
        'skipped_steps': tf.constant(0.),
        'policy_std': tf.constant([0.5, 0.7])}


def update(*means, **others):
  """What a meta-update tells of two tasks with the mean returns given, after 0, 1, ... inner steps."""
  means = np.array(means)
  return {**REST, 'return_mean': tf.constant(means), 'return_min': tf.constant(means - 10),
          'return_max': tf.constant(means + 10), **others}


def test_imagined_returns_have_the_published_names():
  metrics = summaries.of_updates([update([1., 3.], [2., 6.]), update([5., 7.], [10., 12.])])
  expected = {(0, 0): (2, -9, 13), (0, 1): (4, -8, 16), (1, 0): (6, -5, 17), (1, 1): (11, 0, 22)}
  for (i, j), numbers in expected.items():
    told = [metrics[f'MAMLIter{i}_DynaTrajInner_{j}_episode_reward_{what}'] for what in ('mean', 'min', 'max')]
    np.testing.assert_allclose(told, numbers)
  assert sum(name.startswith('MAMLIter') for name in metrics) == 12


def test_each_inner_step_has_its_name():
  metrics = summaries.of_updates([update([1., 3.], [2., 6.], [3., 9.])])
  assert [metrics[f'MAMLIter0_DynaTrajInner_{j}_episode_reward_mean'] for j in range(3)] == [2, 4, 6]
  assert metrics['imagine/return_after_mean'] == 6 and metrics['imagine/adaptation_gain'] == 4


def lost(steps_taken=0.):
  return update([1., 3.], [2., 6.], loss=tf.constant(np.nan), outer_steps=tf.constant(steps_taken), skipped_steps=tf.constant(8. - steps_taken))


@pytest.mark.parametrize('updates, index', [
    ([lost()], 0), ([lost(), lost()], 1), ([update([1., 3.], [2., 6.])] + [lost()] * 10 + [update([1., 3.], [2., 6.])] * 9, 10)])
def test_meta_updates_that_are_lost_again_and_again_stop_the_run(updates, index):
  with pytest.raises(FloatingPointError, match=f'meta/loss or its gradient is not finite.*meta/loss=nan in step {index} of the {len(updates)} '):
    summaries.of_updates(updates)


def test_a_meta_update_that_is_lost_alone_is_told():
  metrics = summaries.of_updates([update([1., 3.], [2., 6.]), *[lost()] * 9, lost(steps_taken=4.), lost(), update([1., 3.], [2., 6.])])
  assert metrics['meta/skipped_share'] == (10 * 8 + 4) / (13 * 8) and metrics['meta/loss'] == 1
  assert summaries.of_updates([update([1., 3.], [2., 6.])])['meta/skipped_share'] == 0


def test_imagined_returns_are_told_by_member_for_the_last_update():
  metrics = summaries.of_updates([update([1., 3.], [2., 6.]), update([5., 7.], [10., 12.])])
  assert metrics['imagine/return_before_mean'] == 6 and metrics['imagine/return_after_mean'] == 11
  assert [metrics[f'imagine/return_after_mean_member_{k}'] for k in range(2)] == [10, 12]
  assert metrics['imagine/adaptation_gain'] == pytest.approx((2 + 5) / 2)
  assert metrics['imagine/length_before_mean'] == 6
  assert metrics['meta/surrogate'] == 2 and metrics['meta/inner_kl'] == pytest.approx(0.2)
  assert metrics['meta/policy_std'] == pytest.approx(0.6)
  assert all(isinstance(value, float) for value in metrics.values())


def test_the_clock_sums_each_phase_and_starts_anew():
  clock = clock_lib.PhaseClock()
  for _ in range(2):
    with clock('wait'):
      time.sleep(0.02)
  with clock('nothing'):
    pass
  seconds = clock.read()
  assert set(seconds) == {'seconds/wait', 'seconds/nothing'}
  assert seconds['seconds/wait'] >= 0.04 > seconds['seconds/nothing']
  assert clock.read() == {}
