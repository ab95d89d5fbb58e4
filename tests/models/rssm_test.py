"""The RSSM: its scan against single steps, resets, noise, and sizes."""

import numpy as np
import tensorflow as tf

from mbrl_tf.models import rssm

B, T, A, E, D, S = 3, 5, 2, 7, 6, 4


def make(**sizes):
  tf.keras.utils.set_random_seed(0)
  return rssm.RSSM(A, E, **{'deterministic': D, 'stochastic': S, 'hidden': 8, **sizes})


def data(first=((0, 0),)):
  generator = np.random.default_rng(0)
  is_first = np.zeros((B, T), bool)
  for row, t in first:
    is_first[row, t] = True
  draw = lambda *shape: tf.constant(generator.normal(size=shape).astype(np.float32))
  return draw(B, T, E), draw(B, T, A), tf.constant(is_first)


def at(states, t):
  return tf.nest.map_structure(lambda value: value[:, t], states)


def close(first, second, **tolerance):
  for a, b in zip(first, second):
    np.testing.assert_allclose(a, b, **{'rtol': 1e-4, 'atol': 1e-5, **tolerance})


def test_the_scan_equals_a_loop_over_single_steps():
  model = make()
  embeddings, actions, is_first = data([(0, 0), (1, 0), (2, 0), (1, 3)])
  posteriors, priors = model.observe(embeddings, actions, is_first, [1, 2])
  noise = tf.random.stateless_normal([2, T, B, S], [1, 2])
  state = model.initial(B)
  for t in range(T):
    rows = is_first[:, t].numpy()
    if rows.any():
      fresh = model.initial(B)
      state = tf.nest.map_structure(lambda old, new: tf.where(rows[:, None], new, old), state, fresh)
    action = tf.where(rows[:, None], 0.0, actions[:, t])
    prior = model.prior(state, action, noise[1, t])
    state = model.posterior(prior, embeddings[:, t], noise[0, t])
    close(at(posteriors, t), state)
    close(at(priors, t), prior)


def test_observe_then_imagine_equals_single_steps():
  model = make()
  embeddings, actions, is_first = data()
  posteriors, _ = model.observe(embeddings[:, :2], actions[:, :2], is_first[:, :2], [1, 2])
  last = at(posteriors, 1)
  imagined = model.imagine(actions[:, 2:], last, [3, 4])
  noise, state = tf.random.stateless_normal([T - 2, B, S], [3, 4]), last
  for t in range(T - 2):
    state = model.prior(state, actions[:, 2 + t], noise[t])
    close(at(imagined, t), state)


def test_an_episode_that_begins_inside_a_sequence_forgets_what_was_before():
  model = make()
  embeddings, actions, is_first = data([(0, 2), (1, 2), (2, 2)])
  changed = tf.concat([embeddings[:, :2] + 1, embeddings[:, 2:]], 1)
  other_actions = tf.concat([actions[:, :3] - 1, actions[:, 3:]], 1)  # the action at the reset is not read either
  one, _ = model.observe(embeddings, actions, is_first, [1, 2])
  two, _ = model.observe(changed, other_actions, is_first, [1, 2])
  assert np.abs(one.deterministic[:, 1] - two.deterministic[:, 1]).max() > 1e-3
  close(at(one, 3), at(two, 3), rtol=0, atol=1e-6)


def test_each_row_and_step_has_noise_of_its_own():
  model = make()
  same = lambda value: tf.tile(value[:1, :1], [B, T, 1])
  embeddings, actions, _ = data()
  posteriors, priors = model.observe(same(embeddings), same(actions), tf.ones([B, T], tf.bool), [1, 2])
  for states in (posteriors, priors):
    np.testing.assert_allclose(states.mean, tf.tile(states.mean[:1, :1], [B, T, 1]), rtol=1e-5)
    noise = (states.stochastic - states.mean) / states.std
    assert len(np.unique(np.round(noise.numpy(), 5))) == B * T * S


def test_the_parts_of_a_state_are_what_the_design_says():
  model = make()
  posteriors, priors = model.observe(*data(), [1, 2])
  np.testing.assert_array_equal(posteriors.deterministic, priors.deterministic)
  assert rssm.features(posteriors).shape == (B, T, S + D)
  np.testing.assert_array_equal(rssm.features(posteriors)[..., :S], posteriors.stochastic)
  assert rssm.gaussian(priors).event_shape == [S] and rssm.gaussian(priors).batch_shape == [B, T]
  assert posteriors.std.numpy().min() > 0.1


def test_the_published_size_has_the_published_number_of_parameters():
  model = rssm.RSSM(action_size=6, embedding_size=1024)
  # By hand: 36 x 200 + 200, GRU 400 x 600 + 1200, 200 x 200 + 200, 200 x 60 + 60, 1224 x 200 + 200, 200 x 60 + 60.
  expected = 7400 + 241_200 + 40_200 + 12_060 + 245_000 + 12_060
  assert sum(np.prod(v.shape) for v in model.trainable_variables) == expected


def test_mixed_precision_keeps_states_in_float32():
  model = make(precision='mixed_bfloat16')
  posteriors, priors = model.observe(*data(), [1, 2])
  reference, _ = make().observe(*data(), [1, 2])
  assert {value.dtype for value in (*posteriors, *priors)} == {tf.float32}
  assert all(v.dtype == tf.float32 for v in model.trainable_variables)
  np.testing.assert_allclose(posteriors.mean, reference.mean, atol=0.1)
