"""What the world model reads and predicts, against a computation by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.algorithms.dreamer import losses, world_model
from mbrl_tf.models import rssm, vision
from tests.algorithms.dreamer import small

SEED = tf.constant([1, 2])


def make(observation, **changes):
  spec = small.spec(observation)
  return small.models(spec, small.config(**changes))[0], small.batch(spec)


def normal(mean, target):
  return -0.5 * (np.asarray(target) - np.asarray(mean)) ** 2 - 0.5 * np.log(2 * np.pi)


@pytest.mark.parametrize('symlog', [False, True])
def test_the_loss_is_the_negative_evidence_bound_with_its_weights(symlog):
  scales = {'image': 0.5, 'vector': 2.0, 'reward': 3.0, 'continuation': 4.0, 'kl': 0.7}
  world, batch = make('both', model__vector_symlog=symlog, model__free_nats=0.0,
                      **{f'model__{name}_scale': value for name, value in scales.items()})
  told = world.loss(batch, SEED)
  posteriors, priors = world.observe(batch, SEED)
  features = rssm.features(posteriors)
  joined = np.concatenate([batch.observation['position'], np.asarray(batch.observation['speed'])[..., None]], -1)
  joined = np.sign(joined) * np.log1p(np.abs(joined)) if symlog else joined
  probability = world.continuation(features).probs_parameter().numpy()
  terminated, is_first = np.asarray(batch.terminated), np.asarray(batch.is_first)
  parts = {
      'image': normal(world.image_decoders['image'](features), vision.preprocess(batch.observation['image'])).sum((2, 3, 4)).mean(),
      'vector': normal(world.vector_decoder(features).mean(), joined).sum(-1).mean(),
      'reward': np.where(is_first, 0, normal(world.reward(features).mean(), batch.reward)).mean(),
      'continuation': np.log(np.where(terminated, 1 - probability, probability)).mean()}
  divergence = float(losses.kl_with_free_nats(posteriors, priors, 0.0)[0])
  expected = scales['kl'] * divergence - sum(scales[name] * value for name, value in parts.items())
  assert float(told.loss) == pytest.approx(expected, rel=1e-4)
  for name, value in parts.items():
    assert float(told.metrics[f'model/{name}_loss']) == pytest.approx(-value, rel=1e-4)


def test_bytes_that_are_numbers_are_compressed_and_other_numbers_are_not():
  world, batch = make('bytes')
  board, place = (np.asarray(batch.observation[key], np.float64) for key in ('board', 'place'))
  assert board.max() > 200
  vector = np.concatenate([np.log1p(board).reshape(*board.shape[:2], 6), place], -1)
  told = world.loss(batch, SEED)
  features = rssm.features(world.observe(batch, SEED)[0])
  mean = world.vector_decoder(features).mean().numpy()
  assert float(told.metrics['model/vector_loss']) == pytest.approx(-normal(mean, vector).sum(-1).mean(), rel=1e-4)
  # What is decoded is in units of the task.
  decoded = world.decode(features)
  compressed = mean[..., :6].reshape(board.shape)
  np.testing.assert_allclose(decoded['board'], np.sign(compressed) * np.expm1(abs(compressed)), rtol=1e-5)
  np.testing.assert_array_equal(decoded['place'], mean[..., 6:])
  np.testing.assert_allclose(world.encode(batch.observation), world.vector_encoder(vector.astype('f')), rtol=1e-4, atol=1e-6)


def test_first_rows_teach_no_reward():
  world, batch = make('vector')
  assert np.asarray(batch.is_first).any()
  told = [float(world.loss(batch._replace(reward=tf.where(batch.is_first, reward, batch.reward)), SEED).loss) for reward in (0.0, 100.0)]
  assert told[0] == told[1]


def test_free_nats_stop_the_gradient_of_the_kl_alone():
  world, batch = make('vector', model__free_nats=1000.0, model__vector_scale=0.0, model__reward_scale=0.0,
                      model__continuation_scale=0.0)
  with tf.GradientTape() as tape:
    loss = world.loss(batch, SEED).loss
  gradients = tape.gradient(loss, world.trainable_variables, unconnected_gradients='zero')
  assert all(np.abs(gradient).max() == 0 for gradient in gradients)


def test_decoding_gives_an_observation_in_its_own_units():
  world, batch = make('both', model__vector_symlog=True)
  features = rssm.features(world.observe(batch, SEED)[0])
  decoded = world.decode(features)
  assert {key: value.shape[2:] for key, value in decoded.items()} == {'image': (16, 16, 3), 'position': (4,), 'speed': ()}
  mean = world.vector_decoder(features).mean().numpy()
  expected = np.sign(mean) * np.expm1(np.abs(mean))
  np.testing.assert_allclose(decoded['position'], expected[..., :4], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(decoded['speed'], expected[..., 4], rtol=1e-4, atol=1e-6)


def test_images_without_channels_are_refused_and_bytes_in_one_row_are_a_vector():
  spec = dataclasses.replace(small.spec(), observation=types.ArraySpec((16, 16), 'uint8'))
  with pytest.raises(errors.UserError, match=r'\[height, width, channels\].*Received: shape=\(16, 16\)'):
    world_model.WorldModel(spec, small.config())
  spec = dataclasses.replace(small.spec(), observation=types.ArraySpec((128,), 'uint8'))
  world = world_model.WorldModel(spec, small.config())
  assert world.images == [] and world.decode(tf.zeros([3, 12]))['observation'].shape == (3, 128)


def test_without_a_continuation_head_every_episode_goes_on():
  world, batch = make('vector', model__continuation=False)
  features = rssm.features(world.observe(batch, SEED)[0])
  np.testing.assert_allclose(world.discount(features, 0.9), np.full((small.B, small.T), 0.9), rtol=1e-6)
  assert 'model/continuation_loss' not in world.loss(batch, SEED).metrics


def test_discrete_actions_are_read_one_hot():
  spec = small.spec(choices=3)
  world = small.models(spec, small.config())[0]
  np.testing.assert_array_equal(world.action_features(tf.constant([0, 2])), [[1, 0, 0], [0, 0, 1]])
