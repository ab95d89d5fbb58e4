"""Predictions for whoever inspects a run, one step after the other."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import predictor
from mbrl_tf.data import windows as windows_lib
from tests.algorithms.tdmpc2 import small
from tests.algorithms.tdmpc2.open_loop_test import row

H = 3


@pytest.fixture(autouse=True)
def eagerly():
  """Without compiling, which takes longer than all that is computed here."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(observation='vector', terminates=True):
  spec = small.spec(observation)
  world, prior = small.models(spec, small.config())
  made = predictor.Predictor(world, prior, tf.Variable(terminates), 3)
  real = small.episode(spec, 8)
  return made, world, prior, spec, windows_lib.cut(
      windows_lib.known([real], 2, made.shown, H), made.shown, H), real


@pytest.mark.parametrize('observation', ['vector', 'both'])
def test_predictions_are_the_loop(observation):
  made, world, _, spec, windows, real = make(observation)
  found = made.predict(windows, (0, 0))['its prediction']
  last = 8 - (made.shown - 1) - H  # where the second part begins
  for index, start in enumerate((0, last)):
    at = start + made.shown - 1
    latent = world.encode(row(spec, real, at, made.shown))
    np.testing.assert_allclose(found.real_state[index, 0], latent[0], atol=1e-4)
    for step in range(H):
      action = world.action_features(tf.constant(real.action[at + step][None]))
      reward = 10.0 * float(world.reward(latent, action).mean()[0])  # the unit is 10
      latent = world.next(latent, action)
      seen = world.encode(row(spec, real, at + step + 1, made.shown))
      going = 1 - float(tf.sigmoid(world.termination_logits(latent))[0])
      np.testing.assert_allclose(found.state[0, index, step], latent[0], atol=1e-4)
      np.testing.assert_allclose(found.real_state[index, step + 1], seen[0], atol=1e-4)
      np.testing.assert_allclose(found.reward[0, index, step], reward, rtol=1e-3, atol=1e-3)
      np.testing.assert_allclose(found.going[0, index, step], going, atol=1e-4)


def test_nothing_terminates_before_an_episode_did():
  made, _, _, _, windows, _ = make(terminates=False)
  assert (made.predict(windows, (0, 0))['its prediction'].going == 1).all()
  assert (made.act(windows, 2, (0, 0))[1] == 1).all()


def test_the_prior_acts_in_the_model():
  made, world, prior, _, windows, _ = make()
  rewards, survival = made.act(windows, H, (5, 6))
  latent, alive = world.encode(tf.constant(windows.observation[:, 0])), np.ones(2)
  for step in range(H):
    noise = prior.noise([2], tf.random.experimental.stateless_fold_in((5, 6), step))
    action = prior.sample(latent, noise)[0]
    np.testing.assert_allclose(
        rewards[0, :, step], 10.0 * world.reward(latent, action).mean(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(survival[0, :, step], alive, atol=1e-4)
    latent = world.next(latent, action)
    alive = alive * (1 - tf.sigmoid(world.termination_logits(latent)).numpy())
