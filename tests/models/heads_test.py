"""Perceptrons and what they return."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import heads, latent_actor

F = 10


def count(model):
  return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_published_sizes():
  assert count(heads.NormalHead(230, 3, 400)) == 413_601
  assert count(latent_actor.LatentActor(230, types.ActionSpec(6))) == 578_412
  assert count(heads.NormalHead(230, 2, 400)) == 230 * 400 + 400 + 400 * 400 + 400 + 401


def test_a_perceptron_is_dense_layers_with_elu_and_a_linear_one():
  model = heads.Perceptron(F, 3, 1, 5)
  inputs = np.random.default_rng(0).normal(size=(2, 4, F)).astype(np.float32)
  kernel, bias, last, last_bias = (v.numpy() for v in model.trainable_variables)
  hidden = inputs @ kernel + bias
  hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
  np.testing.assert_allclose(model(inputs), hidden @ last + last_bias, rtol=1e-4, atol=1e-5)
  assert model.output_size == 3 and heads.Perceptron(F, 0, 2, 7).output_size == 7 and heads.Perceptron(F, 0, 0, 7).output_size == F


@pytest.mark.parametrize('precision', ['mixed_bfloat16', 'mixed_float16'])
def test_large_values_are_told_in_full_where_layers_are_less_precise(precision):
  value = heads.NormalHead(F, 2, 8, precision=precision)
  value.trainable_variables[-1].assign([200.3])
  features = tf.zeros([1, F])
  np.testing.assert_allclose(value(features).mean(), [200.3], rtol=1e-6)
  actor = latent_actor.LatentActor(F, types.ActionSpec(1), 1, 8, precision=precision)
  actor.trainable_variables[-1].assign([0.1234567, 0.0])
  np.testing.assert_allclose(actor(features).from_noise(tf.zeros([1, 1])), [[np.tanh(5 * np.tanh(0.1234567 / 5))]], rtol=1e-5)


def test_heads_have_the_event_shapes_that_losses_expect():
  features = tf.ones([2, 3, F])
  number, vector, going = heads.NormalHead(F, 1, 8)(features), heads.NormalHead(F, 1, 8, size=4)(features), heads.BernoulliHead(
      F, 1, 8)(features)
  assert number.log_prob(tf.zeros([2, 3])).shape == (2, 3)
  assert vector.log_prob(tf.zeros([2, 3, 4])).shape == (2, 3)
  assert going.log_prob(tf.ones([2, 3])).shape == (2, 3)
  expected = -0.5 * np.square(1.0 - number.mean().numpy()) - 0.5 * np.log(2 * np.pi)
  np.testing.assert_allclose(number.log_prob(tf.ones([2, 3])), expected, rtol=1e-5)


def test_a_new_tanh_normal_actor_is_broad_and_bounded():
  distribution = latent_actor.LatentActor(F, types.ActionSpec(2), 2, 16)(tf.random.stateless_normal([50, F], [1, 2]) * 100)
  assert np.abs(distribution.distribution.mean().numpy()).max() <= 5.0
  at_zero = latent_actor.LatentActor(F, types.ActionSpec(2), 2, 16)(tf.zeros([1, F]))
  np.testing.assert_allclose(at_zero.distribution.stddev(), [[5.0, 5.0]], rtol=1e-3)


@pytest.mark.parametrize('actor', [
    latent_actor.LatentActor(F, types.ActionSpec(3), 1, 8),
    latent_actor.LatentActor(F, types.ActionSpec(choices=(3,)), 1, 8)])
def test_samples_let_gradients_into_the_actor(actor):
  with tf.GradientTape() as tape:
    noise = actor.noise(1, 4, tf.constant([1, 2]))[0]
    value = tf.reduce_sum(actor.sample(actor.raw(tf.ones([4, F])), noise)[:, 0])
  gradients = tape.gradient(value, actor.trainable_variables)
  assert all(gradient is not None for gradient in gradients)
  assert any(np.abs(gradient).max() > 0 for gradient in gradients)


def test_a_one_hot_actor_has_a_one_hot_mode():
  actor = latent_actor.LatentActor(F, types.ActionSpec(choices=(3,)), 1, 8)
  mode = actor(tf.random.stateless_normal([20, F], [1, 2])).mode().numpy()
  assert mode.shape == (20, 3) and (mode.sum(-1) == 1).all() and set(np.unique(mode)) == {0, 1}


def test_an_actor_of_numbers_and_choices_is_one_of_each_side_by_side():
  """The same outputs, given to an actor of the numbers alone and one of each choice alone."""
  raw = tf.constant(np.random.default_rng(0).normal(size=(50, 4 + 3 + 4)).astype('f'))
  actor = latent_actor.LatentActor(F, types.ActionSpec(2, (3, 2, 2)), 1, 8)
  parts = [latent_actor.LatentActor(F, types.ActionSpec(2), 1, 8),
           *(latent_actor.LatentActor(F, types.ActionSpec(choices=(count,)), 1, 8)
             for count in (3, 2, 2))]
  outputs = tf.split(raw, [4, 3, 2, 2], -1)
  apart = [part.distribution(output) for part, output in zip(parts, outputs)]
  joint = actor.distribution(raw)
  assert joint.event_shape == (9,) and joint.batch_shape == (50,)
  np.testing.assert_allclose(joint.entropy(), sum(each.entropy() for each in apart), rtol=1e-5)
  np.testing.assert_array_equal(joint.mode(), np.concatenate([each.mode() for each in apart], -1))
  values = joint.sample(seed=[1, 2])
  np.testing.assert_allclose(
      joint.log_prob(values), sum(
          each.log_prob(value) for each, value in zip(apart, tf.split(values, [2, 3, 2, 2], -1))),
      rtol=1e-4)
  noise = actor.noise(1, 50, tf.constant([3, 4]))[0]
  expected = [part.sample(output, drawn) for part, output, drawn in zip(
      parts, outputs, tf.split(noise, [2, 3, 2, 2], -1))]
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(raw)
    weights = tf.range(9.0)
    found = tf.reduce_sum(actor.sample(raw, noise) * weights)
    alone = tf.reduce_sum(tf.concat([part.sample(output, drawn) for part, output, drawn in zip(
        parts, tf.split(raw, [4, 3, 2, 2], -1), tf.split(noise, [2, 3, 2, 2], -1))], -1) * weights)
  np.testing.assert_array_equal(actor.sample(raw, noise), np.concatenate(expected, -1))
  np.testing.assert_allclose(tape.gradient(found, raw), tape.gradient(alone, raw), rtol=1e-5)


def test_a_normed_head_begins_with_the_same_for_all_features():
  features = tf.random.stateless_normal([5, F], [1, 2])
  reward = heads.NormedHead([F, 8, 15], heads.two_hot(15, 4.0), tf.constant([1, 2]))
  np.testing.assert_allclose(reward(features).mean(), np.zeros(5), atol=1e-6)
  going = heads.NormedHead([F, 8, 1], heads.going_on, tf.constant([1, 2]))
  np.testing.assert_allclose(going(features).probs_parameter(), np.full(5, 0.5))
  vector = heads.NormedHead([F, 8, 3], heads.unit_normals, tf.constant([1, 2]))(features)
  assert vector.event_shape == [3] and np.abs(vector.mean()).max() == 0
  expected = -0.5 * 3 - 1.5 * np.log(2 * np.pi)
  np.testing.assert_allclose(vector.log_prob(tf.ones([5, 3])), np.full(5, expected), rtol=1e-5)


def test_a_head_of_two_hot_bins_is_that_of_numpy():
  """Bins at equal distances in symlog space; a number between two of them is their average, by how
  near they are."""
  head = heads.NormedHead([F, 8, 15], heads.two_hot(15, 4.0), tf.constant([1, 2]))
  for index, variable in enumerate(head.trainable_variables):
    variable.assign_add(0.5 * tf.random.stateless_normal(variable.shape, [index, 3]))
  features = tf.random.stateless_normal([4, F], [5, 6])
  told = head(features)
  logits = told.parameters['logits'].numpy().astype('d')
  places = np.linspace(-4, 4, 15)
  bins = np.sign(places) * (np.exp(np.abs(places)) - 1)
  probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  np.testing.assert_allclose(told.mean(), probabilities @ bins, rtol=1e-4)
  values = np.array([0.3, -2.0, 1e9, bins[9]])
  for row, value in enumerate(np.clip(values, bins[0], bins[-1])):
    above = min(int(np.searchsorted(bins, value, side='right')), 14)
    share = (value - bins[above - 1]) / (bins[above] - bins[above - 1])
    logs = np.log(probabilities[row])
    expected = (1 - share) * logs[above - 1] + share * logs[above]
    found = float(told.log_prob(tf.constant(values, tf.float32))[row])
    assert found == pytest.approx(expected, rel=1e-3)


def test_the_bounds_of_a_bounded_actor():
  action = types.ActionSpec(2, (3,))
  actor = latent_actor.BoundedActor(F, action, 1, 8, tf.constant([1, 2]), least_std=0.1,
                                    uniform_share=0.3)
  raw = tf.constant([[30.0, -30.0, 30.0, -30.0, 50.0, 0.0, 0.0], [0.0] * 7])
  told = actor.distribution(raw)
  numbers, choice = told.parts
  np.testing.assert_allclose(numbers.mean(), [[1, -1], [0, 0]], atol=1e-6)
  wide = 0.1 + 0.9 / (1 + np.exp(-2.0))
  np.testing.assert_allclose(numbers.stddev(), [[1, 0.1], [wide, wide]], rtol=1e-5)
  np.testing.assert_allclose(choice.probs_parameter()[0], [0.8, 0.1, 0.1], rtol=1e-4)
  noise = tf.constant([[2.0, 3.0, 0, 9.0, 0], [0.1, 9.0, 0, 0, 0]])
  with tf.GradientTape() as tape:
    tape.watch(raw)
    sample = actor.sample(raw, noise)
    taken = actor.taken(sample)
    total = tf.reduce_sum(taken[:, :2])
  np.testing.assert_allclose(sample[:, :2], [[3, -0.7], [0.1 * wide, 9 * wide]], rtol=1e-5)
  np.testing.assert_allclose(taken[:, :2], [[1, -0.7], [0.1 * wide, 1]], rtol=1e-5)
  np.testing.assert_array_equal(sample[:, 2:], taken[:, 2:])
  # What was cut off lets no gradient through.
  gradient = tape.gradient(total, raw).numpy()
  assert gradient[1, 0] == 1
  assert gradient[1, 1] == gradient[1, 3] == gradient[0, 0] == gradient[0, 2] == 0
  first = actor(tf.random.stateless_normal([50, F], [1, 2])).parts[0]
  assert np.abs(first.mean()).max() < 0.05
