"""Predictions for whoever inspects a run, against a loop in numpy over members, parts and steps."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.mbmpo import config as config_lib
from mbrl_tf.algorithms.mbmpo import policy as policy_lib
from mbrl_tf.algorithms.mbmpo import predictor
from mbrl_tf.data import windows as windows_lib
from mbrl_tf.models import observations as observations_lib
from tests.algorithms.mbmpo import cases
from tests.algorithms.mbmpo.imagination_test import far_out, member_in_numpy

K, H = 2, 4


@pytest.fixture(autouse=True)
def eagerly():
  """Without compiling, which takes longer than all that is computed here."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(terminated=None, num_values=None, **settings):
  """A predictor, its ensemble, and windows of real parts."""
  spec, policy = cases.make_spec(terminated, num_values), cases.make_policy(num_values)
  ensemble = cases.make_ensemble(K, num_values or cases.A)
  ensemble.error_std.assign(np.random.default_rng(2).uniform(0.1, 0.5, ensemble.error_std.shape))
  settings = {'horizon': 6, **settings}
  imagination = cases.make_imagination(ensemble, policy, spec, **settings)
  adapted = policy_lib.AdaptedPolicies(policy, spec, K, 1)
  adapted.assign(cases.different(policy, K))
  made = predictor.Predictor(
      ensemble, observations_lib.Observations(spec.observation), spec.action, imagination,
      imagination._outcomes, adapted, config_lib.ImaginationConfig(**settings))
  rng = np.random.default_rng(3)
  action = (rng.uniform(-1.5, 1.5, [9, cases.A]).astype(np.float32) if num_values is None
            else rng.integers(num_values, size=9))
  episode = types.Episode(rng.normal(size=[10, cases.O]).astype(np.float32), action,
                          np.zeros(9, np.float32), np.zeros(9, bool))
  return made, ensemble, windows_lib.cut(windows_lib.known([episode], 3, 1, H), 1, H)


@pytest.mark.parametrize('num_values', [None, 4])
def test_means_are_the_loop(num_values):
  made, ensemble, windows = make(far_out, num_values)
  found, = made.predict(windows, (1, 2)).values()
  units = ensemble.observation_normalizer
  mean, scale = units.mean.numpy(), units.std.numpy()
  np.testing.assert_allclose(found.real_state, (windows.observation - mean) / scale, atol=1e-5)
  for k in range(K):
    for b in range(3):
      observation = windows.observation[b, 0]
      for t in range(H):
        action = windows.action[b, t]
        taken = np.clip(action, -1, 1) if num_values is None else action
        features = taken if num_values is None else np.eye(num_values)[action]
        following = member_in_numpy(ensemble, k, observation, features)
        np.testing.assert_allclose(found.state[k, b, t], (following - mean) / scale, atol=1e-3)
        np.testing.assert_allclose(
            found.reward[k, b, t], cases.reward_in_numpy(observation, taken, following), atol=1e-3)
        assert found.going[k, b, t] == float(following[2] <= 1.0)
        observation = following
  # A member errs by so many deviations of changes, which are in deviations of observations.
  expected = ensemble.error_std.numpy() * ensemble.change_normalizer.std.numpy()
  np.testing.assert_allclose(found.std, np.repeat(expected[:, None], 3, 1), rtol=1e-5)


def test_noise_is_that_of_the_members_and_is_drawn_at_each_step():
  made, _, windows = make(member_noise=True)
  many = types.Windows(*(None if value is None else np.repeat(value, 1500, 0)
                         for value in windows))
  means, drawn = made.predict(many, (1, 2)).values()
  scores = (drawn.state[:, :, 0] - means.state[:, :, 0]) / means.std
  np.testing.assert_allclose(scores.mean(1), np.zeros([K, cases.O]), atol=0.06)
  np.testing.assert_allclose(scores.std(1), np.ones([K, cases.O]), rtol=0.05)
  later = np.corrcoef((drawn.state - means.state)[0, :, :2, 0].T)[0, 1]
  assert abs(later) < 0.99 and not np.array_equal(drawn.state[0, :1500, 0], drawn.state[1, :1500, 0])


def test_a_policy_that_acts_in_the_model_is_paid_until_its_episode_ends():
  # The same seed: that rollouts begin again after an end changes nothing before it.
  again, _, windows = make(far_out, restarts=True)
  masked, _, _ = make(far_out, restarts=False)
  reward, survival = again.act(windows, 5, (7, 8))
  other_reward, other_survival = masked.act(windows, 5, (7, 8))
  assert reward.shape == survival.shape == (K, 3, 5)
  assert 0 < survival.mean() < 1
  np.testing.assert_allclose(survival, other_survival)
  np.testing.assert_allclose(reward * survival, other_reward * other_survival, atol=1e-5)
  rollouts = masked._imagination.rollouts(
      [tf.convert_to_tensor(p) for p in masked._adapted.parameters],
      tf.constant(np.repeat(windows.observation[None, :, 0], K, 0)), tf.constant((7, 8)))
  np.testing.assert_allclose(other_reward, rollouts.reward[..., :5], atol=1e-5)
