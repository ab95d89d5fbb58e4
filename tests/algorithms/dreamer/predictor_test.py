"""Predictions for whoever inspects a run: alignment, draws, and what a state is."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import open_loop, predictor
from mbrl_tf.data import windows as windows_lib
from tests.algorithms.dreamer import small
from tests.algorithms.dreamer.open_loop_test import by_hand, episode

H = 3


@pytest.fixture(autouse=True)
def eagerly():
  """Without compiling, which takes longer than all that is computed here."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(observation):
  spec = small.spec(observation)
  world, actor, _ = small.models(spec, small.config())
  made = predictor.Predictor(world, actor, open_loop.OpenLoop(world), 4)
  places = windows_lib.known([episode(spec, 9, 0)], 2, 5, H)
  return made, world, places, windows_lib.cut(places, 5, H)


@pytest.mark.parametrize('observation', ['vector', 'both'])
def test_each_draw_is_one_step_after_the_other(observation):
  made, world, places, windows = make(observation)
  found = made.predict(windows, (3, 4))['draws of the model']
  seeds = tf.random.experimental.stateless_split((3, 4), len(found.state))
  for draw, seed in enumerate(seeds):
    features = by_hand(world, places, H, seed)[:, 5:]
    images, vector = world.decode_prepared(features)
    size = vector.shape[-1]
    np.testing.assert_allclose(found.state[draw, ..., :size], vector, atol=1e-4)
    for image in images.values():  # of 16 pixels, which is as few as are kept
      flat = tf.reshape(image, [2, H, -1])
      np.testing.assert_allclose(found.state[draw, ..., size:], flat, atol=1e-4)
    np.testing.assert_allclose(found.reward[draw], world.expected_reward(features), atol=1e-4)
    np.testing.assert_allclose(found.going[draw], world.discount(features, 1.0), atol=1e-4)
  assert np.abs(found.state[0] - found.state[1]).max() > 1e-3
  images, vector = world.prepared(tf.nest.map_structure(tf.constant, windows.observation))
  np.testing.assert_allclose(found.real_state[..., :size], vector[:, 4:], atol=1e-6)
  assert len(found.entries) == size and found.real_state.shape[1] == 1 + H


def test_an_image_is_averaged_over_neighbouring_pixels():
  image = np.random.default_rng(0).normal(size=[2, 3, 32, 48, 3]).astype(np.float32)
  by_hand_ = image.reshape(2, 3, 16, 2, 16, 3, 3).mean((3, 5)).reshape(2, 3, -1)
  np.testing.assert_allclose(predictor._shrunk(tf.constant(image)), by_hand_, atol=1e-5)


def test_the_actor_acts_in_the_model():
  made, world, _, windows = make('vector')
  reward, survival = made.act(windows, 4, (3, 4))
  again, _ = made.act(windows, 4, (3, 4))
  np.testing.assert_array_equal(reward, again)
  assert reward.shape == survival.shape == (5, 2, 4) and (survival[..., 0] == 1).all()
  assert np.ptp(reward, axis=0).min() > 0   # each draw is another one
  assert (np.diff(survival, axis=-1) < 0).all()  # the model ends each episode a bit at first
