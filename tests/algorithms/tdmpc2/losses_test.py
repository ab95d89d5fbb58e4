"""Each loss against a loop over steps and sequences."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import losses
from mbrl_tf.ops import distributions

H, B = 4, 5
GENERATOR = np.random.default_rng(0)
IS_FIRST = np.zeros((H, B), bool)
IS_FIRST[0, 1] = IS_FIRST[2, 2] = IS_FIRST[3, 3] = IS_FIRST[1, 4] = IS_FIRST[3, 4] = True
BINS = np.linspace(-5, 5, 11)


def numpy_weights(rho):
  """Step t counts rho^t until one of the observations after step 0 to t begins an episode."""
  weights = np.zeros((H, B))
  for row in range(B):
    for t in range(H):
      if IS_FIRST[t, row]:
        break
      weights[t, row] = rho**t
  return weights


def drawn(*shape):
  return GENERATOR.normal(size=shape).astype('f')


@pytest.mark.parametrize('rho', [0.5, 1.0, 0.1])
def test_steps_count_less_the_later_they_are_and_nothing_beyond_an_end(rho):
  np.testing.assert_allclose(losses.step_weights(tf.constant(IS_FIRST), rho), numpy_weights(rho),
                             rtol=1e-6)


def test_the_consistency_loss_is_a_mean_square_and_moves_the_prediction_alone():
  predicted, encoded, weights = tf.constant(drawn(H, B,
                                                  6)), tf.constant(drawn(H, B,
                                                                         6)), numpy_weights(0.5)
  expected = 0.0
  for t in range(H):
    for row in range(B):
      expected += weights[t, row] * np.mean(
          (predicted[t, row].numpy() - encoded[t, row].numpy())**2) / (H * B)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([predicted, encoded])
    loss = losses.consistency_loss(predicted, encoded, tf.constant(weights, tf.float32))
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  assert tape.gradient(loss, encoded) is None
  np.testing.assert_allclose(tape.gradient(loss, predicted),
                             weights[..., None] * 2 * (predicted - encoded) / 6 / (H * B),
                             rtol=1e-4, atol=1e-7)


def test_novelty_is_the_error_of_what_counts_in_units_of_each_step_and_sends_no_gradient():
  predicted, encoded, weights = drawn(H, B, 6), drawn(H, B, 6), numpy_weights(0.5)
  units = np.array([0.5, 2.0, 0.0, 1.5], 'f')
  expected = np.zeros((H, B))
  for t, row in np.ndindex(H, B):
    error = np.mean((predicted[t, row] - encoded[t, row])**2) if weights[t, row] > 0 else 0.0
    if units[t] > 0:
      expected[t, row] = 2 * error / (error + units[t]) - 1 if weights[t, row] > 0 else 0.0
  with tf.GradientTape() as tape:
    variables = tf.constant(predicted), tf.constant(encoded)
    tape.watch(variables)
    errors = losses.latent_errors(*variables, tf.constant(weights, tf.float32))
    found = losses.novelty(errors, tf.constant(units), tf.constant(weights, tf.float32))
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
  assert tape.gradient(found, variables) == (None, None)
  # What is usual counts nothing, however much there is counts at most 1, and nothing new is -1.
  found = losses.novelty(tf.constant([[0.25, 1e30, 0.0]]), tf.constant([0.25]), tf.ones([1, 3]))
  np.testing.assert_allclose(found, [[0.0, 1.0, -1.0]])


@pytest.mark.parametrize('members', [None, 3])
def test_the_loss_of_rewards_and_values_is_the_cross_entropy_of_two_bins(members):
  lead = () if members is None else (members,)
  logits, values, weights = drawn(*lead, H, B, 11), 30 * drawn(H, B), numpy_weights(0.7)
  expected, count = 0.0, H * B * (members or 1)
  for index in np.ndindex(*lead, H, B):
    t, row = index[-2:]
    place = np.clip(np.sign(values[t, row]) * np.log1p(abs(values[t, row])), -5,
                    5) + 5  # bins are 1 apart
    low = min(int(place), 9)
    logs = logits[index] - np.log(np.exp(logits[index].astype(np.float64)).sum())
    expected -= weights[t, row] * ((1 - place + low) * logs[low] +
                                   (place - low) * logs[low + 1]) / count
  logits, values = tf.constant(logits), tf.constant(values)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([logits, values])
    distribution = distributions.TwoHot(logits, BINS, distributions.symlog, distributions.symexp)
    loss = losses.two_hot_loss(distribution, values, tf.constant(weights, tf.float32))
  assert float(loss) == pytest.approx(expected, rel=1e-4)
  assert tape.gradient(loss, values) is None
  gradient = np.abs(tape.gradient(loss, logits)).max(-1)
  np.testing.assert_array_equal(gradient > 0, np.broadcast_to(weights > 0, gradient.shape))


def test_the_termination_loss_is_the_cross_entropy():
  logits, weights = 3 * drawn(H, B), numpy_weights(0.5)
  terminated = GENERATOR.uniform(size=(H, B)) < 0.4
  expected = 0.0
  for t in range(H):
    for row in range(B):
      probability = 1 / (1 + np.exp(-float(logits[t, row])))
      expected -= weights[t, row] * np.log(probability if terminated[t, row] else 1 -
                                           probability) / (H * B)
  found = losses.termination_loss(tf.constant(logits), tf.constant(terminated),
                                  tf.constant(weights, tf.float32))
  assert float(found) == pytest.approx(expected, rel=1e-4)


def slow_return(rewards, terminated, is_first, first, count):
  """Walks on while the episode does: the sum, what a value after it counts, the last step."""
  total, factor = rewards[first], 0.9 * (not terminated[first])
  last = first
  for step in range(first + 1, first + count):
    if terminated[last] or is_first[step]:
      break
    total, last = total + factor * rewards[step], step
    factor *= 0.9 * (not terminated[step])
  return total, factor, last


@pytest.mark.parametrize('steps, count', [(4, 1), (1, 4), (2, 3), (3, 2)])
def test_returns_add_up_rewards_of_one_episode_and_no_more_than_asked(steps, count):
  generator = np.random.default_rng(steps)
  rewards = generator.normal(size=(H, 200)).astype('f')
  terminated = generator.uniform(size=(H, 200)) < 0.25
  is_first = generator.uniform(size=(H, 200)) < 0.15
  is_first[1:] |= terminated[:-1]  # the row after a termination is always a first one
  terminated &= ~is_first
  found = losses.returns(*(tf.constant(value) for value in (rewards, terminated, is_first)), 0.9,
                         steps, count)
  kinds = set()
  for row in range(200):
    for first in range(steps):
      if is_first[first, row]:
        continue  # means nothing, and counts nothing
      total, factor, last = slow_return(rewards[:, row], terminated[:, row], is_first[:, row],
                                        first, count)
      assert float(found.rewards[first, row]) == pytest.approx(total, rel=1e-5, abs=1e-5)
      assert float(found.discount[first, row]) == pytest.approx(factor, rel=1e-5)
      assert int(found.last[first, row]) == last
      kinds.add((last - first, factor > 0))
  assert kinds == {(n, alive) for n in range(count) for alive in (False, True)
                  }  # all lengths, and both ends


def test_targets_add_the_least_value_and_send_no_gradient():
  rewards, discount, values = tf.constant(drawn(2, B)), tf.constant(np.abs(drawn(2,
                                                                                 B))), tf.constant(
                                                                                     drawn(3, 2, B))
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([rewards, values])
    targets = losses.value_targets(losses.Returns(rewards, discount, None), values)
  for t in range(2):
    for row in range(B):
      least = min(float(value[t, row]) for value in values)
      expected = float(rewards[t, row]) + float(discount[t, row]) * least
      assert float(targets[t, row]) == pytest.approx(expected, rel=1e-5, abs=1e-6)
  assert tape.gradient(targets, values) is None and tape.gradient(targets, rewards) is None


@pytest.mark.parametrize('scale, unit', [(4.0, 4.0), (0.2, 1.0), (-1.0, 1.0)])
def test_the_policy_is_paid_for_value_in_units_of_its_range_and_for_entropy(scale, unit):
  values, entropies, weights = tf.constant(drawn(H + 1,
                                                 B)), tf.constant(drawn(H + 1,
                                                                        B)), np.abs(drawn(H + 1, B))
  entropy_scale = tf.constant(0.3)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([values, entropies, entropy_scale])
    loss = losses.policy_loss(values, entropies, tf.constant(weights), tf.constant(scale),
                              entropy_scale)
  expected = 0.0
  for t in range(H + 1):
    for row in range(B):
      worth = float(values[t, row]) / unit + 0.3 * float(entropies[t, row])
      expected -= weights[t, row] * worth / ((H + 1) * B)
  assert float(loss) == pytest.approx(expected, rel=1e-4)
  np.testing.assert_allclose(tape.gradient(loss, values), -weights / unit / ((H + 1) * B),
                             rtol=1e-5)
  np.testing.assert_allclose(tape.gradient(loss, entropies), -0.3 * weights / ((H + 1) * B),
                             rtol=1e-5)
  assert tape.gradient(loss, entropy_scale) is None
