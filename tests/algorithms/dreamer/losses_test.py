"""Each loss against numpy."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import losses

GENERATOR = np.random.default_rng(0)


def states(seed):
  generator = np.random.default_rng(seed)
  mean, std = generator.normal(size=(2, 3, 4)).astype(np.float32), generator.uniform(0.2, 2, (2, 3, 4)).astype(np.float32)
  return types.LatentState(tf.zeros([2, 3, 1]), mean, tf.constant(mean), tf.constant(std))


@pytest.mark.parametrize('free_nats', [0.0, 3.0, 1000.0])
def test_the_kl_goes_from_prior_to_posterior_and_its_mean_is_free_up_to_a_bound(free_nats):
  q, p = states(1), states(2)
  qm, qs, pm, ps = (x.numpy() for x in (q.mean, q.std, p.mean, p.std))
  expected = (np.log(ps / qs) + (qs ** 2 + (qm - pm) ** 2) / (2 * ps ** 2) - 0.5).sum(-1).mean()
  divergence, penalty = losses.kl_with_free_nats(q, p, free_nats)
  assert float(divergence) == pytest.approx(expected, rel=1e-5)
  assert float(penalty) == pytest.approx(max(expected, free_nats), rel=1e-5)


@pytest.mark.parametrize('weight', [1.0, 5.0])
def test_the_kl_moves_the_prior_by_its_weight(weight):
  q, p = states(1), states(2)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([q.mean, q.std, p.mean, p.std])
    divergence, penalty = losses.kl_with_free_nats(q, p, 0.0, weight)
  assert float(penalty) == pytest.approx(float(divergence), rel=1e-5)
  # d KL / d prior mean = (pm - qm) / ps^2, d KL / d posterior mean = (qm - pm) / ps^2; averaged over 6 steps.
  apart = (p.mean - q.mean) / p.std**2 / 6
  np.testing.assert_allclose(tape.gradient(penalty, p.mean), weight * apart, rtol=1e-4)
  np.testing.assert_allclose(tape.gradient(penalty, q.mean), -apart, rtol=1e-4)
  of_std = (1 / p.std - (q.std**2 + (q.mean - p.mean)**2) / p.std**3) / 6
  np.testing.assert_allclose(tape.gradient(penalty, p.std), weight * of_std, rtol=1e-4, atol=1e-6)


def test_the_likelihood_of_images_is_that_of_a_normal_with_deviation_one():
  mean, target = (GENERATOR.normal(size=(2, 3, 4, 4, 3)).astype(np.float32) for _ in range(2))
  expected = (-0.5 * (target - mean) ** 2 - 0.5 * np.log(2 * np.pi)).sum((-3, -2, -1)).mean()
  assert float(losses.image_log_likelihood(tf.constant(mean), tf.constant(target))) == pytest.approx(expected, rel=1e-5)


def test_a_state_counts_as_far_as_it_is_reached():
  discounts = np.array([[0.9, 0.5], [0.8, 0.4], [0.7, 0.3]], np.float32)
  weights = losses.trajectory_weights(tf.constant(discounts), tf.constant([1.0, 0.0]))
  np.testing.assert_allclose(weights, [[1, 0], [0.9, 0], [0.72, 0]], rtol=1e-6)


def test_no_gradient_flows_through_weights_or_into_targets():
  discounts, values, targets = tf.ones([2, 3]) * 0.9, tf.ones([2, 3]), tf.ones([2, 3]) * 2
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([discounts, values, targets])
    weights = losses.trajectory_weights(discounts, tf.ones([3]))
    loss = losses.value_loss(tfp.distributions.Normal(values, 1.0), targets, weights)
  assert tape.gradient(loss, targets) is None and tape.gradient(loss, discounts) is None
  # d/dv of -log N(2 | v, 1) = v - 2 = -1, by weight, averaged over 6 entries.
  np.testing.assert_allclose(tape.gradient(loss, values), [[-1 / 6] * 3, [-0.9 / 6] * 3], rtol=1e-5)


def test_actor_and_value_loss():
  returns, weights = GENERATOR.normal(size=(2, 3)).astype(np.float32), GENERATOR.uniform(size=(2, 3)).astype(np.float32)
  values = GENERATOR.normal(size=(2, 3)).astype(np.float32)
  assert float(losses.actor_loss(returns, weights)) == pytest.approx(-(returns * weights).mean(), rel=1e-5)
  expected = (weights * (0.5 * (values - returns) ** 2 + 0.5 * np.log(2 * np.pi))).mean()
  assert float(losses.value_loss(tfp.distributions.Normal(values, 1.0), returns, weights)) == pytest.approx(expected, rel=1e-5)


def choices(seed):
  logits = np.random.default_rng(seed).normal(size=(2, 3, 4, 5)).astype('f')
  logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
  return types.CategoricalState(tf.zeros([2, 3, 1]), tf.zeros([2, 3, 20]), tf.constant(logits))


@pytest.mark.parametrize('free_nats', [0.0, 2.2, 1000.0])
def test_nats_that_are_free_of_each_state_and_where_their_gradients_go(free_nats):
  q, p = choices(1), choices(2)
  one, other = q.logits.numpy().astype('d'), p.logits.numpy().astype('d')
  each = (np.exp(one) * (one - other)).sum((-1, -2))
  if free_nats == 2.2:
    assert 0.2 < (each > free_nats).mean() < 0.8
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([q.logits, p.logits])
    divergence, penalty = losses.kl_with_free_nats_each(q, p, free_nats, 10.0)
  assert float(divergence) == pytest.approx(each.mean(), rel=1e-4)
  assert float(penalty) == pytest.approx(11 * np.maximum(each, free_nats).mean(), rel=1e-4)
  costs = (each > free_nats)[..., None, None] / each.size
  # With probabilities q and p of normalised logits: d KL / d log p = -q, and d KL / d log q is
  # q (1 + log q - log p); each less what the normalisation takes, which the distribution repeats.
  of_prior = np.exp(other) - np.exp(one)
  inner = np.exp(one) * (one - other)
  of_posterior = inner - np.exp(one) * inner.sum(-1, keepdims=True)
  np.testing.assert_allclose(tape.gradient(penalty, p.logits), 10 * costs * of_prior, rtol=1e-3,
                             atol=1e-5)
  np.testing.assert_allclose(tape.gradient(penalty, q.logits), costs * of_posterior, rtol=1e-3,
                             atol=1e-5)


def test_both_kinds_of_worth():
  returns, values, log_probs = (
      tf.constant(GENERATOR.normal(size=(2, 3)).astype('f')) for _ in range(3))
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([returns, values, log_probs])
    path = losses.pathwise(returns, values, log_probs, 4.0)
    ratio = losses.likelihood_ratio(returns, values, log_probs, 4.0)
  np.testing.assert_allclose(path, returns / 4, rtol=1e-6)
  np.testing.assert_allclose(ratio, log_probs * (returns - values) / 4, rtol=1e-5)
  np.testing.assert_allclose(tape.gradient(path, returns), np.full((2, 3), 0.25))
  np.testing.assert_allclose(tape.gradient(ratio, log_probs), (returns - values) / 4, rtol=1e-5)
  assert tape.gradient(ratio, returns) is None and tape.gradient(ratio, values) is None


def test_returns_of_real_sequences_end_where_their_episodes_do():
  """Against a loop over each row's future; episodes terminate, are truncated, or go on beyond the
  sequence."""
  rows, length, gamma, lambda_ = 4, 7, 0.9, 0.7
  terminated, is_first = np.zeros((rows, length), bool), np.zeros((rows, length), bool)
  terminated[1, 3] = is_first[1, 4] = is_first[2, 2] = terminated[3, 6] = is_first[3, 0] = True
  rewards, values = GENERATOR.normal(size=(2, rows, length)).astype('f')
  batch = types.Sequences(None, None, None, tf.constant(terminated), tf.constant(is_first))
  values = tf.constant(values)
  with tf.GradientTape() as tape:
    tape.watch(values)
    targets, weights = losses.replay_returns(batch, tf.constant(rewards), values, gamma, lambda_)
  assert tape.gradient(targets, values) is None
  for row in range(rows):
    last = values[row, -1]
    for t in reversed(range(length)):
      is_cut = t == length - 1 or (is_first[row, t + 1] and not terminated[row, t])
      assert weights[row, t] == (0 if is_cut else 1), (row, t)
      if is_cut:
        last = values[row, t]
      elif terminated[row, t]:
        last = rewards[row, t]
      else:
        last = rewards[row, t] + gamma * ((1 - lambda_) * values[row, t + 1] + lambda_ * last)
      assert float(targets[row, t]) == pytest.approx(float(last), rel=1e-4, abs=1e-5), (row, t)
