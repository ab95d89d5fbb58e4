"""What is reported of an iteration's gradient steps, and which of them stop a run."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import step_metrics


def steps(**columns):
  """One dict for each gradient step; `model__loss=(1, 2)` stands for `model/loss` of two steps."""
  named = {name.replace('__', '/'): values for name, values in columns.items()}
  return [{name: tf.constant(value, tf.float32) for name, value in zip(named, row)} for row in zip(*named.values())]


def test_means_over_steps():
  assert step_metrics.of_steps(steps(model__loss=(1, 3), model__gradient_norm=(4, 8))) == {'model/loss': 2, 'model/gradient_norm': 6}
  assert step_metrics.of_steps([]) == {}


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('before, lost, after', [(0, 1, 0), (0, 3, 0), (5, 10, 5)])
def test_steps_left_out_again_and_again_stop_the_run_and_are_named(value, before, lost, after):
  loss = (1,) * before + (value,) * lost + (1,) * after
  told = steps(actor__loss=loss, actor__gradient_norm=(1,) * len(loss), actor__skipped_share=np.isinf(loss) | np.isnan(loss))
  with pytest.raises(FloatingPointError, match=f'actor/loss or its gradient is not finite.*{lost} steps in a row.*Received: '
                                               f'actor/loss={value} in step {before + lost - 1} of the {len(loss)}'):
    step_metrics.of_steps(told)


def test_a_few_steps_left_out_are_told_and_count_in_no_mean():
  loss = (1,) + (np.nan,) * 9 + (3,) + (np.inf,)
  told = step_metrics.of_steps(steps(value__loss=loss, value__gradient_norm=loss, value__skipped_share=(0,) + (1,) * 9 + (0, 1)))
  assert told == {'value/loss': 2, 'value/gradient_norm': 2, 'value/skipped_share': 10 / 12}


def test_the_gradient_norm_with_loss_scaling_is_that_of_the_steps_taken():
  told = step_metrics.of_steps(steps(
      model__loss=(1, 1, 1, 1), model__gradient_norm=(np.inf, 2, np.nan, 4), model__loss_scale=(8, 4, 4, 2),
      model__skipped_share=(1, 0, 1, 0)))
  assert told == {'model/loss': 1, 'model/gradient_norm': 3, 'model/loss_scale': 4.5, 'model/skipped_share': 0.5}


def test_no_step_taken_while_the_scale_comes_down_has_no_norm():
  told = step_metrics.of_steps(steps(
      actor__loss=(1, 1), actor__gradient_norm=(np.inf, np.nan), actor__loss_scale=(32768, 16384), actor__skipped_share=(1, 1)))
  assert told == {'actor/loss': 1, 'actor/loss_scale': 24576, 'actor/skipped_share': 1}


def test_no_step_taken_at_the_lowest_scale_stops_the_run():
  told = steps(actor__loss=(1, 1), actor__gradient_norm=(np.nan, np.nan), actor__loss_scale=(2, 1), actor__skipped_share=(1, 1))
  with pytest.raises(FloatingPointError, match='actor/loss or its gradient is not finite in 2 steps'):
    step_metrics.of_steps(told)


@pytest.mark.parametrize('scale, loss, stops', [(2, 1, False), (1, 1, True), (2, np.nan, True)])
def test_gradients_that_a_lower_scale_may_mend_do_not_count(scale, loss, stops):
  told = steps(actor__loss=(1,) + (loss,) * 10, actor__gradient_norm=(1,) + (np.inf,) * 10, actor__loss_scale=(scale,) * 11,
               actor__skipped_share=(0,) + (1,) * 10)
  with pytest.raises(FloatingPointError, match='actor/loss .*10 steps in a row') if stops else contextlib.nullcontext():
    assert step_metrics.of_steps(told)['actor/skipped_share'] == pytest.approx(10 / 11)
