"""Statistics of predictions, against loops that say the same."""

import json
import math

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.training import inspection

K, B, H, X = 3, 4, 5, 2
LENGTHS = (5, 2, 5, 3)      # of the parts; the second terminated, the fourth was truncated
TERMINATED = np.array([False, True, False, False])


@pytest.fixture
def case():
  """Windows and predictions of random numbers."""
  rng = np.random.default_rng(0)
  mask = np.array([[float(t < length) for t in range(H)] for length in LENGTHS], np.float32)
  windows = types.Windows(None, None, None, None, rng.normal(size=(B, H)) * mask, mask, TERMINATED)
  predictions = types.Predictions(
      rng.normal(size=(K, B, H, X)), rng.normal(size=(B, 1 + H, X)), rng.normal(size=(K, B, H)),
      rng.uniform(0.5, 1, size=(K, B, H)), rng.uniform(0.5, 2, size=(K, B, X)))
  return windows, predictions


def rows(horizon):
  """The parts that reach a decision, counted from 0."""
  return [b for b in range(B) if LENGTHS[b] > horizon]


def root_mean(squares):
  return math.sqrt(sum(squares) / len(squares))


def test_errors_are_root_mean_squares_over_the_parts_that_go_on(case):
  windows, predictions = case
  found = inspection.by_horizon(windows, predictions, unit=2.0)
  state, real = predictions.state, predictions.real_state
  for h in range(H):
    entries = [(b, x) for b in rows(h) for x in range(X)]
    for k in range(K):
      squares = [(state[k, b, h, x] - real[b, h + 1, x]) ** 2 / 4 for b, x in entries]
      assert found.error[k, h] == pytest.approx(root_mean(squares))
      squares = [(predictions.reward[k, b, h] - windows.reward[b, h]) ** 2 for b in rows(h)]
      assert found.reward_error[k, h] == pytest.approx(root_mean(squares))
    of_members = {(b, x): [state[k, b, h, x] for k in range(K)] for b, x in entries}
    mean = {key: sum(values) / K for key, values in of_members.items()}
    assert found.error_of_mean[h] == pytest.approx(
        root_mean([(mean[b, x] - real[b, h + 1, x]) ** 2 / 4 for b, x in entries]))
    assert found.disagreement[h] == pytest.approx(root_mean(
        [(value - mean[key]) ** 2 / 4 for key, values in of_members.items() for value in values]))
    assert found.error_of_standstill[h] == pytest.approx(
        root_mean([(real[b, 0, x] - real[b, h + 1, x]) ** 2 / 4 for b, x in entries]))
    assert found.parts[h] == len(rows(h))


def test_returns_and_survival_count_an_episode_that_terminated_and_none_that_was_cut_off(case):
  windows, predictions = case
  found = inspection.outcomes(windows, predictions)
  for h in range(H):
    known = [b for b in range(B) if LENGTHS[b] > h or TERMINATED[b]]
    taken = {b: range(min(h + 1, LENGTHS[b])) for b in known}
    mean = lambda values: sum(values) / len(known)
    assert found.return_real[h] == pytest.approx(
        mean([sum(windows.reward[b, t] for t in taken[b]) for b in known]))
    assert found.survival_real[h] == pytest.approx(
        mean([float(not (TERMINATED[b] and LENGTHS[b] <= h + 1)) for b in known]))
    for k in range(K):
      assert found.return_predicted[k, h] == pytest.approx(
          mean([sum(predictions.reward[k, b, t] for t in taken[b]) for b in known]))
      assert found.survival_predicted[k, h] == pytest.approx(
          mean([math.prod(predictions.going[k, b, t] for t in taken[b]) for b in known]))


def test_what_a_policy_is_paid_in_the_model_ends_with_its_episode():
  reward = np.array([[[1., 2., 4.], [10., 20., 40.]]])
  survival = np.array([[[1., 1., 1.], [1., 0.5, 0.]]])
  np.testing.assert_allclose(inspection.acted(reward, survival), [[5.5, 11.5, 13.5]])


def predictions_with_errors_of(std, factor, count=40_000):
  """One decision ahead, of which the errors are `factor` times what is predicted of them."""
  rng = np.random.default_rng(1)
  std = np.broadcast_to(std, (1, count, 2)).astype(float)
  error = factor * std * rng.normal(size=std.shape)
  real = np.stack([np.zeros((count, 2)), error[0]], 1)
  return types.Predictions(np.zeros((1, count, 1, 2)), real, None, None, std)


@pytest.mark.parametrize('factor', [0.5, 1.0, 2.0])
def test_calibration_finds_by_how_much_deviations_are_wrong(factor):
  found = inspection.calibration(predictions_with_errors_of([1.0, 3.0], factor), unit=2.0)
  assert found.score_std[0] == pytest.approx(factor, rel=0.02)
  for deviations, share, normal in zip(
      inspection.DEVIATIONS, found.share_within[0], found.share_of_normal):
    assert share == pytest.approx(math.erf(deviations / factor / math.sqrt(2)), abs=0.01)
    assert normal == pytest.approx(math.erf(deviations / math.sqrt(2)))
  # Half of the bins are of the first entry, half of the second; in the unit that is given.
  np.testing.assert_allclose(found.predicted, [0.5] * 5 + [1.5] * 5)
  np.testing.assert_allclose(found.actual, factor * found.predicted, rtol=0.05)


def test_entries_without_a_predicted_deviation_are_left_out():
  found = inspection.calibration(predictions_with_errors_of([1.0, 0.0], 1.0), unit=1.0)
  assert found.scores.shape == (1, 40_000) and np.isfinite(found.score_std).all()


def test_disagreement_and_error_of_first_decisions(case):
  _, predictions = case
  spread, error = inspection.first_steps(predictions, unit=2.0)
  for b in range(B):
    first = predictions.state[:, b, 0]
    assert spread[b] == pytest.approx(root_mean(((first - first.mean(0)) ** 2 / 4).ravel()))
    assert error[b] == pytest.approx(
        root_mean((first.mean(0) - predictions.real_state[b, 1]) ** 2 / 4))


def test_rank_correlation():
  values = np.array([3., 1., 2., 2.])
  assert inspection.rank_correlation(values, np.exp(values)) == 1
  assert inspection.rank_correlation(values, -values ** 3) == -1
  assert inspection.rank_correlation(values, np.ones(4)) is None
  # Ranks 4, 1, 2.5, 2.5 and 1, 2, 3, 4 by hand: products -1.5, deviations of squares 4.5 and 5.
  assert inspection.rank_correlation(values, np.arange(4.)) == pytest.approx(
      -1.5 / math.sqrt(4.5 * 5), abs=1e-4)


def test_variation_is_that_of_states_within_episodes(case):
  windows, predictions = case
  real = predictions.real_state
  seen = np.array([real[b, t] for b in range(B) for t in range(LENGTHS[b] + 1)])
  assert inspection.variation(windows, real) == pytest.approx(math.sqrt(seen.var(0).mean()))
  assert inspection.variation(windows, np.zeros_like(real)) == 1


def test_entries_are_ranked_by_their_error_as_a_share_of_how_much_they_vary(case):
  windows, predictions = case
  real, state = predictions.real_state.copy(), predictions.state.copy()
  state[..., 0] = real[:, 1:, 0] + 0.01       # nearly right
  named = predictions._replace(real_state=real, state=state, entries=('a', 'b'))
  (first, small), (second, large) = inspection.entries_by_error(windows, named)
  assert (first, second) == (0, 1) and small < 0.05 < large
  real[..., 1] = 7
  assert [entry for entry, _ in inspection.entries_by_error(windows, named)] == [0]


def test_json_has_numbers_at_some_horizons_and_at_the_last():
  told = inspection.at_horizons(np.array([*np.arange(1., 12.), np.nan]))
  assert list(told) == ['1', '2', '3', '5', '10', '12'] and told['5'] == 5 and told['12'] is None
  assert json.loads(json.dumps(told, allow_nan=False)) == told
