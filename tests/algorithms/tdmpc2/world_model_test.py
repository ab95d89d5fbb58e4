"""What the world model reads, in which units, and what it learns."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.tdmpc2 import world_model
from tests.algorithms.tdmpc2 import small


def make(spec, **changes):
  tf.keras.utils.set_random_seed(0)
  return world_model.WorldModel(spec, small.config(**changes), tf.random.Generator.from_seed(1))


def test_vectors_are_read_in_units_of_their_deviations_squashed():
  spec = small.spec('both')
  world = make(spec, model__frame_stack=1)
  episodes = [small.episode(spec, length, seed) for seed, length in enumerate((30, 12))]
  for episode in episodes:
    world.survey(episode)
  joined = lambda observation: np.concatenate(
      [observation['position'], observation['speed'][..., None]], -1).astype(float)
  data = np.concatenate([joined(episode.observation) for episode in episodes])
  seen = small.draw_all(spec, (6,), np.random.default_rng(3))
  seen['position'] *= 50
  normal = (joined(seen) - data.mean(0)) / data.std(0)
  squashed = np.sign(normal) * np.log1p(np.abs(normal))
  features = world.convolutions['image'](tf.cast(seen['image'], tf.float32) / 255 - 0.5)
  expected = world.encoder(tf.concat([tf.constant(squashed, tf.float32), features], -1))
  np.testing.assert_allclose(world.encode(tf.nest.map_structure(tf.constant, seen)), expected,
                             rtol=1e-3, atol=1e-5)
  assert expected.shape == (6, world.latent_size)
  np.testing.assert_allclose(tf.reduce_sum(tf.reshape(expected, [6, -1, 8]), -1), np.ones((6, 2)),
                             rtol=1e-5)


@pytest.mark.parametrize('scale, unit', [(1e-3, 1e-3), (1.0, 1.0), (1e3, 1e3)])
def test_the_unit_of_rewards_is_found_in_the_episodes(scale, unit):
  world = make(small.spec())
  world.survey(small.episode(small.spec(), 200)._replace(reward=np.full(200, scale, 'f')))
  assert float(world.reward_unit.value) == pytest.approx(unit)


def test_the_same_data_in_other_units_look_the_same():
  spec, latents = small.spec(), []
  episode, seen = small.episode(spec, 50), small.draw_all(spec, (9,), np.random.default_rng(2))
  for scale, shift in ((1.0, 0.0), (1e5, 0.0), (1e-5, 2e-5), (np.array([1e-4, 1, 1e4, -3],
                                                                       'f'), 0.0)):
    world = make(spec)
    world.survey(episode._replace(observation=(episode.observation * scale + shift).astype('f')))
    latents.append(world.encode(tf.constant((seen * scale + shift).astype('f'))).numpy())
  for found in latents[1:3]:
    np.testing.assert_allclose(found, latents[0], rtol=1e-3, atol=1e-5)
  assert np.abs(latents[3] -
                latents[0]).max() > 1e-4  # only an entry that changes its sign looks other


def test_actions_are_themselves_or_one_hot():
  assert make(small.spec()).action_features('as it is') == 'as it is'
  world = make(small.spec(choices=4))
  np.testing.assert_array_equal(world.action_features(tf.constant([[3, 0]])), [np.eye(4)[[3, 0]]])
  assert world.action_size == 4


def test_it_begins_with_rewards_values_and_log_odds_of_zero():
  world, latent, action = make(small.spec(),
                               value__members=3), tf.random.uniform([5,
                                                                     16]), tf.random.uniform([5, 2])
  np.testing.assert_allclose(world.reward(latent, action).mean(), np.zeros(5), atol=1e-5)
  np.testing.assert_allclose(world.values(latent, action).mean(), np.zeros((3, 5)), atol=1e-5)
  np.testing.assert_allclose(world.termination_logits(latent), np.zeros(5))
  for slow, fast in zip(world.slow_value_model.variables, world.value_model.variables):
    np.testing.assert_allclose(slow, fast, atol=1e-6)


def test_chosen_members_are_those():
  world, _ = small.models(small.spec(), small.config(value__members=4))
  latent, action = tf.random.uniform([5, 16]), tf.random.uniform([5, 2])
  for values in (world.values, world.slow_values):
    whole = values(latent, action).mean()
    np.testing.assert_allclose(
        values(latent, action, tf.constant([3, 1])).mean(), tf.gather(whole, [3, 1]), rtol=1e-5)


def test_what_is_learned_is_all_but_the_slow_values_and_the_statistics():
  world = make(small.spec('both'))
  learned = {id(variable) for variable in world.learned_variables}
  slow = {id(variable) for variable in world.slow_value_model.variables}
  assert len(learned) == len(world.learned_variables) and not learned & slow
  assert learned | slow == {id(variable) for variable in world.trainable_variables}


def test_images_are_stacked_on_those_before_them():
  world = make(small.spec('both'), model__frame_stack=3)
  assert world.history_shapes() == {'image': (39, 39, 6)} and world.frames == 3
  seen = tf.nest.map_structure(tf.constant,
                               small.draw_all(small.spec('both'), (2,), np.random.default_rng(0)))
  history = np.random.default_rng(1).integers(0, 256, (2, 39, 39, 6)).astype(np.uint8)
  stacked = world.stacked(seen, {'image': history})
  np.testing.assert_array_equal(stacked['image'], np.concatenate([history, seen['image']], -1))
  assert stacked['position'] is seen['position'] and world.encode(stacked).shape == (2, 16)
  single = make(types.EnvironmentSpec('x', small.IMAGE,
                                      small.spec().action, 5), model__frame_stack=2)
  stacked = single.stacked(seen['image'], {'observation': history[..., :3]})
  assert stacked['observation'].shape == (2, 39, 39, 6) and single.normalizer is None


def test_vectors_in_other_units_and_far_from_zero_are_encoded_alike():
  def encoded(scale, shift):
    spec = types.EnvironmentSpec('x', types.ArraySpec((4,), 'float64'), small.spec().action, 5)
    world = make(spec)
    seen = np.random.default_rng(0).normal(size=(40, 4)) * scale + shift
    world.survey(types.Episode(seen, np.zeros([39, 2], 'f'), np.zeros(39, 'f'), np.zeros(39, bool)))
    return world.encode(tf.constant(seen)).numpy()

  expected = encoded(1.0, 0.0)
  assert expected.std(0).max() > 1e-3
  for scale, shift in ((1e-3, 1e6), (1e6, -1e6), (1e-6, 1.0)):
    np.testing.assert_allclose(encoded(scale, shift), expected, atol=1e-5)


@pytest.mark.parametrize('spec, changes', [(small.spec(), {}),
                                           (small.spec('both'), {'model__frame_stack': 1})])
def test_without_images_or_with_one_at_a_time_nothing_is_remembered(spec, changes):
  world = make(spec, **changes)
  assert world.history_shapes() == {} and world.frames == 1 and world.stacked('as it is',
                                                                              None) == 'as it is'


def test_shifted_images_are_those_of_their_offsets():
  world = make(small.spec('image'), model__frame_stack=1)
  images = small.draw(small.IMAGE, (2, 3), np.random.default_rng(0))
  offsets = np.random.default_rng(1).integers(0, 5, (6, 2))
  padded = np.pad(images.reshape(6, 39, 39, 3), ((0, 0), (2, 2), (2, 2), (0, 0)), 'edge')
  cut = np.stack(
      [image[row:row + 39, column:column + 39] for image, (row, column) in zip(padded, offsets)])
  found = world.encode(tf.constant(images), (tf.constant(offsets, tf.int32), 2))
  np.testing.assert_allclose(found, world.encode(tf.constant(cut.reshape(2, 3, 39, 39, 3))),
                             rtol=1e-4, atol=1e-6)


def turning(entries=(1,), **changes):
  """A world model of vectors, of which some entries can turn, and an episode of them."""
  spec = dataclasses.replace(small.spec(), angles=(0, 1, 2, 3), turning=entries)
  world = make(spec, **changes)
  world.survey(small.episode(spec, 200))
  return world, small.draw_all(spec, (9,), np.random.default_rng(2))


@pytest.mark.parametrize('angles', [True, False])
def test_a_body_that_has_turned_once_is_where_it_was(angles):
  world, seen = turning(model__angles=angles)

  def moves(entry):
    turned = seen + 2 * np.pi * np.eye(4, dtype='f')[entry]
    return np.abs(world.encode(tf.constant(turned)) - world.encode(tf.constant(seen))).max()

  assert (moves(1) < 1e-5) == angles
  assert moves(0) > 1e-3 and moves(2) > 1e-3  # no angle, and one of a hinge with limits


@pytest.mark.parametrize('entries', [(1,), (0, 1, 2, 3)])
def test_the_sine_and_cosine_of_what_can_turn_are_read_in_its_place(entries):
  world, seen = turning(entries, model__angles=True)
  seen[:, 1] += 9
  episode = small.episode(small.spec(), 200).observation

  def replaced(rows):
    rows = rows.astype(float)
    angles = rows[:, entries]
    others = [entry for entry in range(4) if entry not in entries]
    return np.concatenate([rows[:, others], np.sin(angles), np.cos(angles)], -1)

  normal = (replaced(seen) - replaced(episode).mean(0)) / replaced(episode).std(0)
  read = np.sign(normal) * np.log1p(np.abs(normal))
  np.testing.assert_allclose(world.encode(tf.constant(seen)),
                             world.encoder(tf.constant(read, tf.float32)), atol=1e-4)
