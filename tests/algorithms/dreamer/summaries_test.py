"""What is reported of an iteration's gradient steps, and which of them stop a run."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import summaries


def steps(**columns):
  """One dict for each gradient step; `model__loss=(1, 2)` stands for `model/loss` of two steps."""
  named = {name.replace('__', '/'): values for name, values in columns.items()}
  return [{name: tf.constant(value, tf.float32) for name, value in zip(named, row)} for row in zip(*named.values())]


def test_means_over_steps():
  assert summaries.of_steps(steps(model__loss=(1, 3), model__gradient_norm=(4, 8))) == {'model/loss': 2, 'model/gradient_norm': 6}
  assert summaries.of_steps([]) == {}


@pytest.mark.parametrize('name', ['model/loss', 'value/gradient_norm', 'actor/entropy'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_finite_stops_the_run_and_is_named(name, value):
  told = {'model__loss': (1, 2, 3), 'value__gradient_norm': (1, 2, 3), 'actor__entropy': (1, 2, 3)}
  told[name.replace('/', '__')] = (1, 2, value)
  with pytest.raises(FloatingPointError, match=f'{name} is not finite.*Received: {name}={value} in gradient step 2'):
    summaries.of_steps(steps(**told))


def test_the_gradient_norm_with_loss_scaling_is_that_of_the_steps_taken():
  told = summaries.of_steps(steps(
      model__loss=(1, 1, 1, 1), model__gradient_norm=(np.inf, 2, np.nan, 4), model__loss_scale=(8, 4, 4, 2),
      model__skipped_share=(1, 0, 1, 0)))
  assert told == {'model/loss': 1, 'model/gradient_norm': 3, 'model/loss_scale': 4.5, 'model/skipped_share': 0.5}


def test_no_step_taken_while_the_scale_comes_down_has_no_norm():
  told = summaries.of_steps(steps(
      actor__loss=(1, 1), actor__gradient_norm=(np.inf, np.nan), actor__loss_scale=(32768, 16384), actor__skipped_share=(1, 1)))
  assert told == {'actor/loss': 1, 'actor/loss_scale': 24576, 'actor/skipped_share': 1}


def test_no_step_taken_at_the_lowest_scale_stops_the_run():
  told = steps(actor__loss=(1, 1), actor__gradient_norm=(np.nan, np.nan), actor__loss_scale=(2, 1), actor__skipped_share=(1, 1))
  with pytest.raises(FloatingPointError, match='gradient of actor/loss was not finite.*: actor/loss_scale=1.0 .* 2 steps'):
    summaries.of_steps(told)


def test_a_loss_that_is_not_finite_stops_the_run_whatever_its_scale():
  told = steps(actor__loss=(1, np.nan), actor__gradient_norm=(1, np.nan), actor__loss_scale=(2, 2), actor__skipped_share=(0, 1))
  with pytest.raises(FloatingPointError, match='actor/loss is not finite'):
    summaries.of_steps(told)
