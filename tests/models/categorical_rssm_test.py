"""The RSSM of choices: one step against numpy, its scan, and what its samples and gradients are."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.models import categorical_rssm, rssm
from tests.models import rssm_test

B, T, A, E, D, CHOICES, CLASSES, HIDDEN = 3, 5, 2, 7, 6, 2, 4, 8
S = CHOICES * CLASSES


def make(seed=0, **settings):
  """With variables as if it had learned something."""
  model = categorical_rssm.CategoricalRSSM(
      A, E, D, CHOICES, CLASSES, HIDDEN, tf.constant([seed, 1]), **settings)
  for index, variable in enumerate(model.trainable_variables):
    variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [index, 3]))
  return model


def silu(x):
  return x / (1 + np.exp(-x))


def joined(name, values, first, second):
  """`_Joining` by hand."""
  x = first @ values[f'{name}_kernel_0'] + second @ values[f'{name}_kernel_1']
  x += values[f'{name}_bias']
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-4) * values[f'{name}_scale']


def mixed(logits, share=0.01):
  logits = logits.reshape(*logits.shape[:-1], CHOICES, CLASSES)
  probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  return np.log((1 - share) * probabilities + share / CLASSES)


def test_a_step_is_the_one_of_numpy():
  model, generator = make(), np.random.default_rng(0)
  values = {variable.name.split(':')[0]: variable.numpy() for variable in model.trainable_variables}
  draw = lambda size: tf.constant(generator.normal(size=(B, size)), tf.float32)
  state = model.state(draw(D), draw(S))
  action, embedding = (generator.normal(size=(B, size)).astype('f') for size in (A, E))
  noise = generator.gumbel(size=(B, S)).astype('f')
  prior = model.prior(state, tf.constant(action), noise)
  posterior = model.posterior(prior, tf.constant(embedding), noise)

  deterministic, stochastic = (part.numpy() for part in state[:2])
  hidden = silu(joined('prior_input', values, stochastic, action))
  reset, candidate, update = np.split(joined('cell', values, hidden, deterministic), 3, -1)
  sigmoid = lambda x: 1 / (1 + np.exp(-x))
  update = sigmoid(update - 1)
  following = update * np.tanh(sigmoid(reset) * candidate) + (1 - update) * deterministic
  np.testing.assert_allclose(prior.deterministic, following, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(posterior.deterministic, prior.deterministic)
  hidden = silu(joined('posterior_input', values, following, embedding))
  logits = mixed(hidden @ values['posterior_kernel'] + values['posterior_bias'])
  np.testing.assert_allclose(posterior.logits, logits, rtol=1e-3, atol=1e-4)
  for told in (prior, posterior):
    chosen = (told.logits + noise.reshape(B, CHOICES, CLASSES)).numpy().argmax(-1)
    np.testing.assert_allclose(told.stochastic, np.eye(CLASSES)[chosen].reshape(B, S), atol=1e-6)


def test_without_noise_a_state_is_the_mean_of_what_would_be_drawn():
  model, generator = make(), np.random.default_rng(1)
  draw = lambda size: tf.constant(generator.normal(size=(1, size)), tf.float32)
  state, action, embedding = model.state(draw(D), draw(S)), draw(A), draw(E)
  mean = model.posterior(model.prior(state, action, None), embedding, None)
  many = 20_000
  repeated = lambda value: tf.repeat(value, many, 0)
  prior = model.prior(model.state(*map(repeated, state[:2])), repeated(action), None)
  drawn = model.posterior(prior, repeated(embedding), model.noise([many], [1, 2]))
  np.testing.assert_allclose(
      mean.stochastic[0], tf.reduce_mean(drawn.stochastic, 0), atol=0.02)


def test_the_scan_equals_a_loop_over_single_steps():
  model = make()
  embeddings, actions, is_first = rssm_test.data([(0, 0), (1, 0), (2, 0), (1, 3)])
  posteriors, priors = model.observe(embeddings, actions, is_first, [1, 2])
  noise, state = model.noise([2, T, B], [1, 2]), model.initial(B)
  for t in range(T):
    rows = is_first[:, t, None]
    state = model.state(*(tf.where(rows, 0.0, part) for part in state[:2]))
    prior = model.prior(state, tf.where(rows, 0.0, actions[:, t]), noise[1, t])
    state = model.posterior(prior, embeddings[:, t], noise[0, t])
    rssm_test.close(rssm_test.at(posteriors, t), state)
    rssm_test.close(rssm_test.at(priors, t), prior)
  imagined = model.imagine(actions, state, [3, 4])
  noise = model.noise([T, B], [3, 4])
  for t in range(T):
    state = model.prior(state, actions[:, t], noise[t])
    rssm_test.close(rssm_test.at(imagined, t), state)


@pytest.mark.parametrize('share', [0.01, 0.2])
def test_no_class_is_impossible(share):
  model = make(uniform_share=share)
  for variable in model.trainable_variables:
    variable.assign(50 * variable)
  posteriors, priors = model.observe(*rssm_test.data(), [1, 2])
  for states in (posteriors, priors):
    probabilities = np.exp(states.logits)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    assert share / CLASSES * 0.999 < probabilities.min() < 1.1 * share / CLASSES


def test_the_gradient_of_a_sample_is_that_of_its_probabilities():
  model, noise = make(), tf.zeros([B, S])
  deterministic = tf.random.stateless_normal([B, D], [1, 1])
  weights = tf.random.stateless_normal([B, S], [2, 2])
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(deterministic)
    state = model._expected(deterministic, noise)
    of_sample = tf.reduce_sum(weights * state.stochastic)
    of_probabilities = tf.reduce_sum(weights * tf.reshape(tf.exp(state.logits), [B, S]))
  found = tape.gradient(of_sample, deterministic)
  assert np.abs(found).max() > 1e-3
  np.testing.assert_allclose(found, tape.gradient(of_probabilities, deterministic), rtol=1e-4,
                             atol=1e-6)
  # Without noise it is what is most likely.
  chosen = state.logits.numpy().argmax(-1)
  np.testing.assert_allclose(state.stochastic, np.eye(CLASSES)[chosen].reshape(B, S), atol=1e-6)


def test_classes_are_drawn_as_often_as_their_probabilities_say():
  model = make()
  deterministic = tf.random.stateless_normal([1, D], [1, 1])
  many = tf.repeat(deterministic, 4000, 0)
  state = model._expected(many, model.noise([4000], [5, 6]))
  found = state.stochastic.numpy().mean(0).reshape(CHOICES, CLASSES)
  np.testing.assert_allclose(found, np.exp(state.logits[0]), atol=0.03)


def test_entropy_and_kl_are_those_of_numpy():
  posteriors, priors = make().observe(*rssm_test.data(), [1, 2])
  q, p = posteriors.logits.numpy().astype('d'), priors.logits.numpy().astype('d')
  one, other = rssm.distribution(posteriors), rssm.distribution(priors)
  np.testing.assert_allclose(one.kl_divergence(other), (np.exp(q) * (q - p)).sum((-1, -2)),
                             rtol=1e-3, atol=1e-5)
  np.testing.assert_allclose(one.entropy(), -(np.exp(q) * q).sum((-1, -2)), rtol=1e-4)
