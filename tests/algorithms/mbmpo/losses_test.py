"""The inner and the outer loss: gradients against finite differences, and values worked in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.mbmpo import losses
from tests.algorithms.mbmpo import cases

K, M = 2, 9
INNER_LR, CLIP = 0.3, 0.5
KL = np.array([0.7, 2.0])
RNG = np.random.default_rng(0)
MASK = np.array([[1.] * 9, [1.] * 5 + [0.] * 4])
double = lambda nest: tf.nest.map_structure(lambda x: tf.cast(x, tf.float64), nest)


def make_policy(kind):
  return cases.make_policy(4 if kind == 'categorical' else None)


def make_batch(policy, parameters, seed, scale=1.):
  """Steps of K tasks in float64, sampled by the policies given; rewards no policy could know."""
  rng = np.random.default_rng(seed)
  observation = tf.constant(rng.normal(size=[K, M, cases.O]))
  distribution = policy.distribution(parameters, observation)
  action = distribution.sample(seed=[seed, seed])
  advantage = tf.constant(scale * rng.normal(size=[K, M]) * MASK)
  return losses.TaskBatch(observation, action, advantage, tf.constant(MASK), distribution.log_prob(action), parameters)


def make_case(kind, inner_steps=1):
  """The meta-policy, slightly moved since the data were sampled, as after some outer steps; and the data."""
  policy = make_policy(kind)
  sampling = double(cases.copies(policy, K))
  before = []
  for index in range(inner_steps):
    before.append(make_batch(policy, sampling, 3 + index))
    sampling = losses.adapt(policy, sampling, before[-1], INNER_LR)
  after = make_batch(policy, sampling, 30)
  current = [p + 0.05 * tf.random.stateless_normal(p.shape, [7, index], dtype=tf.float64)
             for index, p in enumerate(double([tf.convert_to_tensor(p) for p in policy.parameters]))]
  return policy, current, before, after


def outer_loss(policy, parameters, before, after):
  return losses.meta_loss(policy, parameters, before, after, tf.constant(KL), INNER_LR, CLIP).loss


def meta_gradient(policy, parameters, before, after):
  with tf.GradientTape() as tape:
    tape.watch(parameters)
    loss = outer_loss(policy, parameters, before, after)
  return flat(tape.gradient(loss, parameters))


def flat(tensors):
  return np.concatenate([np.ravel(t) for t in tensors])


def unflat(vector, like):
  sizes = np.cumsum([int(np.prod(t.shape)) for t in like])[:-1]
  return [tf.constant(part.reshape(t.shape)) for part, t in zip(np.split(vector, sizes), like)]


def finite_differences(function, parameters, step=1e-5):
  """Central differences in every direction."""
  point = flat(parameters)
  slopes = np.zeros_like(point)
  for index in range(len(point)):
    ends = []
    for sign in (1, -1):
      moved = point.copy()
      moved[index] += sign * step
      ends.append(float(function(unflat(moved, parameters))))
    slopes[index] = (ends[0] - ends[1]) / (2 * step)
  return slopes


@pytest.mark.parametrize('inner_steps', [1, 2])
@pytest.mark.parametrize('kind', ['gaussian', 'categorical'])
def test_the_meta_gradient_is_that_of_finite_differences(kind, inner_steps):
  policy, current, before, after = make_case(kind, inner_steps)
  loss = tf.function(lambda parameters: outer_loss(policy, parameters, before, after))
  exact = finite_differences(loss, current)
  gradient = meta_gradient(policy, current, before, after)
  assert np.abs(exact).max() > 0.05
  np.testing.assert_allclose(gradient, exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('kind', ['gaussian', 'categorical'])
def test_the_meta_gradient_is_not_the_first_order_one(kind):
  policy, current, before, after = make_case(kind)
  no_penalty = tf.zeros(K, tf.float64)
  def gradient(stop):
    with tf.GradientTape() as tape:
      tape.watch(current)
      if stop:
        repeated = [tf.repeat(p[None], K, 0) for p in current]
        moves = [tf.stop_gradient(a - p) for a, p in zip(losses.adapt(policy, repeated, before[0], INNER_LR), repeated)]
        adapted = [p + move for p, move in zip(repeated, moves)]
        log_prob = policy.distribution(adapted, after.observation).log_prob(after.action)
        ratio = tf.exp(log_prob - after.old_log_prob)
        surrogate = tf.minimum(ratio * after.advantage, tf.clip_by_value(ratio, 1 - CLIP, 1 + CLIP) * after.advantage)
        loss = -tf.reduce_mean(tf.reduce_sum(surrogate * MASK, -1) / MASK.sum(-1))
      else:
        loss = losses.meta_loss(policy, current, before, after, no_penalty, INNER_LR, CLIP).loss
    return float(loss), flat(tape.gradient(loss, current))
  (loss_full, full), (loss_first, first) = gradient(False), gradient(True)
  np.testing.assert_allclose(loss_full, loss_first, rtol=1e-10)
  assert np.linalg.norm(full - first) > 0.02 * np.linalg.norm(full)


def test_the_surrogate_is_taken_on_the_data_after_adaptation():
  policy, current, before, after = make_case('gaussian')
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([before[0].advantage, after.advantage])
    result = losses.meta_loss(policy, current, before, after, tf.constant(KL), 0., CLIP)
    adapting = losses.meta_loss(policy, current, before, after, tf.constant(KL), INNER_LR, CLIP)
  # Without an inner step the data before adaptation can say nothing of the surrogate; with one they do.
  assert np.abs(tape.gradient(result.surrogate, after.advantage)).min(where=MASK > 0, initial=np.inf) > 0
  np.testing.assert_array_equal(tape.gradient(result.surrogate, before[0].advantage), np.zeros([K, M]))
  assert np.abs(tape.gradient(adapting.surrogate, before[0].advantage)).max() > 1e-4


def test_at_the_sampling_parameters_the_outer_loss_is_the_mean_advantage():
  policy, _, before, after = make_case('gaussian', 2)
  parameters = double([tf.convert_to_tensor(p) for p in policy.parameters])
  result = losses.meta_loss(policy, parameters, before, after, tf.constant(KL), INNER_LR, CLIP)
  expected = -(after.advantage.numpy() * MASK).sum(-1) / MASK.sum(-1)
  np.testing.assert_allclose(result.surrogate, expected, rtol=1e-10)
  np.testing.assert_allclose(result.inner_kl, np.zeros(K), atol=1e-12)
  np.testing.assert_allclose(result.outer_kl, np.zeros(K), atol=1e-12)
  np.testing.assert_allclose(result.loss, expected.mean(), rtol=1e-10)


@pytest.mark.parametrize('kind', ['gaussian', 'categorical'])
def test_the_inner_ratio_is_one_at_the_first_step(kind):
  policy, _, before, _ = make_case(kind)
  batch = before[0]
  parameters = batch.old_parameters
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(parameters)
    loss = losses.inner_loss(policy, parameters, batch)
    total = tf.reduce_sum(loss)
    # The vanilla policy gradient, from the definition: -E[grad log p * A].
    log_prob = policy.distribution(parameters, batch.observation).log_prob(batch.action)
    vanilla = -tf.reduce_sum(log_prob * batch.advantage * MASK / MASK.sum(-1, keepdims=True))
  np.testing.assert_allclose(loss, -(batch.advantage.numpy() * MASK).sum(-1) / MASK.sum(-1), rtol=1e-12)
  np.testing.assert_allclose(flat(tape.gradient(total, parameters)), flat(tape.gradient(vanilla, parameters)), rtol=1e-9, atol=1e-12)


def test_the_inner_gradient_of_the_last_layer_by_hand():
  """Gaussian: d log p / d bias = (a - mean) / std^2, d log p / d log std = ((a - mean) / std)^2 - 1."""
  policy, _, before, _ = make_case('gaussian')
  batch, parameters = before[0], before[0].old_parameters
  adapted = losses.adapt(policy, parameters, batch, INNER_LR)
  distribution = policy.distribution(parameters, batch.observation)
  error = (batch.action - distribution.mean()).numpy()
  std = np.exp(parameters[-1].numpy())[:, None]
  weight = (batch.advantage.numpy() * MASK / MASK.sum(-1, keepdims=True))[..., None]
  np.testing.assert_allclose(adapted[3], parameters[3] + INNER_LR * (weight * error / std**2).sum(1), rtol=1e-10)
  np.testing.assert_allclose(adapted[4], parameters[4] + INNER_LR * (weight * ((error / std)**2 - 1)).sum(1), rtol=1e-10)


@pytest.mark.parametrize('kind', ['gaussian', 'categorical'])
def test_adapt_is_one_gradient_step_of_each_task(kind):
  policy, _, before, _ = make_case(kind)
  batch = before[0]
  adapted = losses.adapt(policy, batch.old_parameters, batch, INNER_LR)
  for k in range(K):
    alone = [p[k] for p in batch.old_parameters]
    log_prob = lambda parameters, k=k: policy.distribution(parameters, batch.observation[k]).log_prob(batch.action[k])
    sampled = log_prob(alone)
    loss = lambda parameters, k=k: -np.sum(np.exp(log_prob(parameters) - sampled) * batch.advantage[k] * MASK[k]) / MASK[k].sum()
    expected = flat(alone) - INNER_LR * finite_differences(loss, alone)
    np.testing.assert_allclose(flat([p[k] for p in adapted]), expected, atol=1e-8)


def test_k_tasks_at_once_are_k_single_tasks():
  policy, current, before, after = make_case('gaussian')
  row = lambda nest, k: tf.nest.map_structure(lambda x: x[k:k + 1], nest)
  adapted = losses.adapt(policy, before[0].old_parameters, before[0], INNER_LR)
  gradients = []
  for k in range(K):
    alone = losses.adapt(policy, row(before[0].old_parameters, k), row(before[0], k), INNER_LR)
    np.testing.assert_allclose(flat(alone), flat(row(adapted, k)), rtol=1e-9, atol=1e-12)
    with tf.GradientTape() as tape:
      tape.watch(current)
      loss = losses.meta_loss(policy, current, [row(before[0], k)], row(after, k), tf.constant(KL[k:k + 1]), INNER_LR, CLIP).loss
    gradients.append(flat(tape.gradient(loss, current)))
  np.testing.assert_allclose(meta_gradient(policy, current, before, after), np.mean(gradients, 0), rtol=1e-9, atol=1e-12)


def test_masked_steps_say_nothing():
  policy, current, before, after = make_case('gaussian')
  masked = MASK[..., None] == 0
  def spoiled(batch):
    return batch._replace(
        observation=tf.where(masked, 1000., batch.observation), action=tf.where(masked, -50., batch.action),
        old_log_prob=tf.where(MASK > 0, batch.old_log_prob, -1e6))
  expected = meta_gradient(policy, current, before, after)
  np.testing.assert_allclose(meta_gradient(policy, current, [spoiled(before[0])], spoiled(after)), expected, rtol=1e-9)


def test_the_kl_is_the_formula_from_the_sampling_policy():
  policy, current, before, _ = make_case('gaussian')
  moved = [tf.repeat(p[None], K, 0) for p in current]
  old = policy.distribution(before[0].old_parameters, before[0].observation)
  new = policy.distribution(moved, before[0].observation)
  (m0, s0), (m1, s1) = [(d.mean().numpy(), d.stddev().numpy()) for d in (old, new)]
  divergence = (np.log(s1 / s0) + (s0**2 + (m0 - m1)**2) / (2 * s1**2) - 0.5).sum(-1)
  result = losses.kl_from_sampling_policy(policy, moved, before[0])
  np.testing.assert_allclose(result, (divergence * MASK).sum(-1) / MASK.sum(-1), rtol=1e-9)
  assert result.numpy().min() > 1e-4


def test_the_penalty_enters_the_loss_with_its_coefficient():
  policy, current, before, after = make_case('gaussian', 2)
  result = losses.meta_loss(policy, current, before, after, tf.constant(KL), INNER_LR, CLIP)
  assert result.inner_kl.numpy().min() > 1e-4
  first = [tf.repeat(p[None], K, 0) for p in current]
  second = losses.adapt(policy, first, before[0], INNER_LR)
  steps = [losses.kl_from_sampling_policy(policy, p, batch) for p, batch in zip((first, second), before)]
  np.testing.assert_allclose(result.inner_kl, np.mean(steps, 0), rtol=1e-9)
  np.testing.assert_allclose(result.loss, np.mean(result.surrogate + KL * result.inner_kl), rtol=1e-12)


def test_task_batch_keeps_steps_with_what_belongs_to_them():
  policy = cases.make_policy()
  imagination = cases.make_imagination(cases.make_ensemble(2), policy, cases.make_spec())
  parameters = cases.different(policy, 2)
  rollouts = imagination.rollouts(parameters, cases.starts(2, 3), tf.constant([1, 1]))
  advantages = tf.reshape(tf.range(36.), [2, 3, 6])
  batch = losses.task_batch(policy, parameters, rollouts, advantages)
  for k, b, t in [(0, 0, 0), (1, 2, 5), (0, 1, 4)]:
    np.testing.assert_array_equal(batch.observation[k, 6 * b + t], rollouts.observation[k, b, t])
    np.testing.assert_array_equal(batch.action[k, 6 * b + t], rollouts.action[k, b, t])
    assert batch.advantage[k, 6 * b + t] == advantages[k, b, t]
    alone = policy.distribution([p[k] for p in parameters], rollouts.observation[k, b, t][None]).log_prob(rollouts.action[k, b, t])
    np.testing.assert_allclose(batch.old_log_prob[k, 6 * b + t], alone[0], rtol=1e-4)


def test_coefficients_halve_below_and_double_above_the_target():
  divergences = tf.constant([0.019, 0.021, 0.044, 0.046])
  result = losses.adjusted_kl_coefficients(tf.constant([1., 1., 1., 1.]), divergences, 0.03, 0.1, 1.9)
  np.testing.assert_allclose(result, [0.5, 1., 1., 1.9])  # the last one is stopped by its bound


def test_a_coefficient_can_always_come_back():
  coefficient = tf.constant([1e-9])
  for _ in range(300):
    coefficient = losses.adjusted_kl_coefficients(coefficient, tf.constant([0.]), 0.03, 1e-10, 8.)
  assert float(coefficient[0]) == pytest.approx(1e-10)
  for _ in range(40):
    coefficient = losses.adjusted_kl_coefficients(coefficient, tf.constant([1.]), 0.03, 1e-10, 8.)
  assert float(coefficient[0]) == 8
