"""The exported model: what it predicts is what imagination would."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.ensembles import exported_model
from mbrl_tf.models import outcome_heads
from tests.algorithms.mbmpo import cases

K, B = 2, 4
OBSERVATIONS = np.random.default_rng(0).normal(size=[B, cases.O]).astype(np.float32)


@pytest.mark.parametrize('probabilistic', [False, True])
@pytest.mark.parametrize('num_values', [None, 3])
def test_predictions_are_those_of_imagination(num_values, probabilistic):
  terminated = lambda observation: observation[..., 0] > 0.3
  spec = cases.make_spec(terminated, num_values)
  ensemble = cases.make_ensemble(K, num_values or cases.A, probabilistic=probabilistic)
  imagination = cases.make_imagination(ensemble, cases.make_policy(num_values), spec)
  rng = np.random.default_rng(1)
  action = rng.uniform(-2, 2, [B, cases.A]).astype(np.float32) if num_values is None else rng.integers(3, size=B)
  seen = np.clip(action, -1, 1) if num_values is None else action
  result = exported_model.ExportedModel(ensemble, imagination._outcomes, spec).predict(OBSERVATIONS, action)
  features = seen if num_values is None else np.eye(3, dtype=np.float32)[action]
  tiled = lambda x: tf.tile(tf.constant(x)[None], [K, 1, 1])
  expected = cases.next_observation(ensemble, tiled(OBSERVATIONS), tiled(features)).numpy()
  np.testing.assert_allclose(result['mean'], expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(result['next_observation'], expected.mean(0), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(result['reward'], cases.reward_in_numpy(OBSERVATIONS, seen, expected.mean(0)), rtol=1e-3, atol=1e-4)
  np.testing.assert_array_equal(result['terminated'], expected.mean(0)[:, 0] > 0.3)
  assert result['std'].shape == [K, B, cases.O]
  assert (result['std'].numpy() > 0).all() if probabilistic else (result['std'].numpy() == 0).all()


@pytest.mark.parametrize('given', [False, True])
def test_what_is_learned_is_the_mean_over_members_each_of_its_own_next_observation(given):
  spec, ensemble = cases.make_spec(), cases.make_ensemble(K)
  reward, termination = outcome_heads.RewardHeads(ensemble, (4,), [1, 1]), outcome_heads.TerminationHeads(ensemble, (4,), [2, 2])
  reward.fit_unit(np.array([1.0, 5.0]))
  termination.log_odds.assign([0.5, -0.5])
  imagination = cases.make_imagination(ensemble, cases.make_policy(), spec, (None if given else reward, termination))
  action = np.random.default_rng(1).uniform(-2, 2, [B, cases.A]).astype(np.float32)
  result = exported_model.ExportedModel(ensemble, imagination._outcomes, spec).predict(OBSERVATIONS, action)
  assert set(result) == {'mean', 'std', 'next_observation', 'reward', 'terminated', 'termination_probability'}
  tiled = lambda x: tf.tile(tf.cast(x, tf.float32)[None], [K, 1, 1])
  normalize = ensemble.observation_normalizer.normalize
  inputs = reward.inputs(tiled(normalize(OBSERVATIONS)), tiled(np.clip(action, -1, 1)), normalize(result['mean']))
  rewards = reward.rewards(reward.unpack(reward.parameters), inputs).numpy()
  likely = tf.sigmoid(termination.outputs(termination.unpack(termination.parameters), inputs) + [[0.5], [-0.5]]).numpy()
  assert np.abs(rewards[0] - rewards[1]).min() > 1e-4 and 0 < np.mean(likely.mean(0) > 0.5) < 1
  expected = (cases.reward_in_numpy(OBSERVATIONS, np.clip(action, -1, 1), result['next_observation'].numpy())
              if given else rewards.mean(0))
  np.testing.assert_allclose(result['reward'], expected, rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(result['termination_probability'], likely.mean(0), rtol=1e-3, atol=1e-4)
  np.testing.assert_array_equal(result['terminated'], likely.mean(0) > 0.5)
