"""Open-loop errors, against a loop in numpy over members, episodes and steps."""

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.algorithms.ensembles import open_loop
from tests.algorithms.mbmpo import cases
from tests.algorithms.mbmpo.imagination_test import member_in_numpy

K = 2
KINDS = ('error', 'disagreement', 'reward_error', 'return_real', 'return_predicted', 'survival_real', 'survival_predicted')


def episode(length, seed, num_values=None):
  rng = np.random.default_rng(seed)
  action = (rng.uniform(-1.5, 1.5, [length, cases.A]).astype(np.float32) if num_values is None
            else rng.integers(num_values, size=length))
  return types.Episode(rng.normal(size=[length + 1, cases.O]).astype(np.float32), action,
                       np.zeros(length, np.float32), np.zeros(length, bool))


def by_hand(ensemble, episodes, horizon, features):
  """Error and disagreement at one horizon."""
  scale = ensemble.observation_normalizer.std.numpy()
  squared, variances = [], []
  for one in episodes:
    if len(one.reward) < horizon:
      continue
    ends = []
    for k in range(K):
      state = one.observation[0]
      for t in range(horizon):
        state = member_in_numpy(ensemble, k, state, features(one.action[t]))
      ends.append(state / scale)
    squared.append(np.mean((np.array(ends) - one.observation[horizon] / scale)**2))
    variances.append(np.array(ends).var(0).mean())
  return np.sqrt(np.mean(squared)), np.sqrt(np.mean(variances))


@pytest.mark.parametrize('num_values', [None, 4])
def test_errors_are_the_loop(num_values):
  ensemble = cases.make_ensemble(K, num_values or cases.A)
  imagination = cases.make_imagination(ensemble, cases.make_policy(num_values), cases.make_spec(num_values=num_values))
  features = (lambda a: np.clip(a, -1, 1)) if num_values is None else (lambda a: np.eye(num_values)[a])
  # The second episode is the shortest and the first the longest; the third is one too many.
  episodes = [episode(12, 1, num_values), episode(7, 2, num_values), episode(9, 3, num_values)]
  loop = open_loop.OpenLoop(ensemble, lambda vectors: vectors, imagination.clipped, imagination._outcomes, 2, 11)
  metrics = loop.errors(episodes)
  assert set(metrics) == {f'model/{kind}_horizon_{h}' for kind in KINDS for h in (1, 5, 10)}
  for horizon in (1, 5, 10):
    error, disagreement = by_hand(ensemble, episodes[:2], horizon, features)
    np.testing.assert_allclose(metrics[f'model/error_horizon_{horizon}'], error, rtol=1e-3)
    np.testing.assert_allclose(metrics[f'model/disagreement_horizon_{horizon}'], disagreement, rtol=1e-3)


def test_horizons_that_no_episode_reaches_are_left_out():
  ensemble = cases.make_ensemble(K)
  imagination = cases.make_imagination(ensemble, cases.make_policy(), cases.make_spec())
  metrics = open_loop.OpenLoop(
      ensemble, lambda vectors: vectors, imagination.clipped, imagination._outcomes, 3, 11).errors([episode(4, 1)])
  assert set(metrics) == {f'model/{kind}_horizon_1' for kind in KINDS}


def test_real_and_predicted_returns_and_survival_are_the_loop():
  """One episode terminates after 4 decisions; one is truncated after 7."""
  terminated = lambda observation: observation[..., 2] > 1.0
  ensemble = cases.make_ensemble(K)
  imagination = cases.make_imagination(ensemble, cases.make_policy(), cases.make_spec(terminated))
  rewards = np.random.default_rng(5).normal(size=12).astype(np.float32)
  ended, whole = (episode(length, seed)._replace(reward=rewards[:length]) for length, seed in ((4, 1), (7, 2)))
  ended = ended._replace(terminated=np.arange(4) == 3)
  metrics = open_loop.OpenLoop(
      ensemble, lambda vectors: vectors, imagination.clipped, imagination._outcomes, 3, 11).errors([ended, whole])
  assert 'model/error_horizon_10' not in metrics and 'model/return_real_horizon_10' in metrics
  for horizon, rows in ((1, [ended, whole]), (5, [ended, whole]), (10, [ended])):
    told = lambda name: metrics[f'model/{name}_horizon_{horizon}']
    returns, survivals, errors = [], [], []
    for one in rows:
      for k in range(K):
        observation, total, alive = one.observation[0], 0.0, 1.0
        for t in range(min(horizon, len(one.reward))):
          action = np.clip(one.action[t], -1, 1)
          following = member_in_numpy(ensemble, k, observation, action)
          paid = cases.reward_in_numpy(observation, action, following)
          total, alive, observation = total + paid, alive * (following[2] <= 1.0), following
        returns.append(total)
        survivals.append(alive)
        if len(one.reward) >= horizon:
          errors.append((paid - one.reward[horizon - 1])**2)
    np.testing.assert_allclose(told('return_predicted'), np.mean(returns), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(told('return_real'), np.mean([rewards[:min(horizon, len(one.reward))].sum() for one in rows]), rtol=1e-5)
    np.testing.assert_allclose(told('survival_predicted'), np.mean(survivals), atol=1e-6)
    assert told('survival_real') == np.mean([not one.terminated[:horizon].any() for one in rows])
    if errors:
      np.testing.assert_allclose(told('reward_error'), np.sqrt(np.mean(errors)), rtol=1e-3)
