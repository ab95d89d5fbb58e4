"""The surrogates, worked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import objectives

LOG2 = np.log(2.)


def clipped(ratios, advantages, mask=None, clip=0.5):
  """The clipped loss of one task, and its gradient with respect to the log-probabilities."""
  log_probs = tf.math.log(tf.constant([ratios]))
  mask = tf.constant([mask or [1.] * len(ratios)])
  with tf.GradientTape() as tape:
    tape.watch(log_probs)
    loss = objectives.clipped_likelihood_ratio(log_probs, tf.zeros_like(log_probs), tf.constant([advantages]), mask, clip)
  return float(loss[0]), tape.gradient(loss, log_probs).numpy()[0]


@pytest.mark.parametrize('ratio, advantage, loss, gradient', [
    (1.2, 2., -2.4, -2.4),    # inside the range
    (2.0, 2., -3.0, 0.0),     # a good action that became likely enough: min(4, 1.5 * 2)
    (0.25, 2., -0.5, -0.5),   # a good action that became unlikely is still drawn back
    (2.0, -2., 4.0, 4.0),     # a bad action that became likely is still pushed away
    (0.25, -2., 1.0, 0.0),    # a bad action that became unlikely enough: min(-0.5, 0.5 * -2)
])
def test_clipping_by_hand(ratio, advantage, loss, gradient):
  value, slope = clipped([ratio], [advantage])
  np.testing.assert_allclose([value, slope[0]], [loss, gradient], rtol=1e-6)


def test_the_clipped_loss_is_the_mean_over_the_steps_taken():
  value, slope = clipped([2., 1., 5.], [2., -1., 100.], mask=[1., 1., 0.])
  np.testing.assert_allclose(value, -(3. - 1.) / 2, rtol=1e-6)
  np.testing.assert_allclose(slope, [0., 0.5, 0.], rtol=1e-6)


def test_the_ratio_without_clipping_by_hand():
  log_probs = tf.constant([[LOG2, 0.], [0., 3.]], tf.float32)
  old = tf.constant([[0., LOG2], [0., 0.]], tf.float32)
  loss = objectives.likelihood_ratio(log_probs, old, tf.constant([[3., 4.], [5., np.inf]]), tf.constant([[1., 1.], [1., 0.]]))
  np.testing.assert_allclose(loss, [-(2 * 3 + 0.5 * 4) / 2, -5.], rtol=1e-6)


def test_the_sampling_policy_is_held_fixed():
  old = tf.constant([[0.1, 0.2]])
  for objective in (objectives.likelihood_ratio, lambda *args: objectives.clipped_likelihood_ratio(*args, 0.5)):
    with tf.GradientTape() as tape:
      tape.watch(old)
      loss = objective(tf.zeros([1, 2]), old, tf.ones([1, 2]), tf.ones([1, 2]))
    assert tape.gradient(loss, old) is None


@pytest.mark.parametrize('value', [1e4, np.inf, np.nan])
def test_masked_log_probabilities_do_not_spoil_the_gradient(value):
  for objective in (objectives.likelihood_ratio, lambda *args: objectives.clipped_likelihood_ratio(*args, 0.5)):
    log_probs = tf.constant([[0.1, value]])
    with tf.GradientTape() as tape:
      tape.watch(log_probs)
      loss = objective(log_probs, tf.zeros([1, 2]), tf.constant([[2., 0.]]), tf.constant([[1., 0.]]))
    np.testing.assert_allclose(tape.gradient(loss, log_probs), [[-2 * np.exp(0.1), 0.]], rtol=1e-6)
