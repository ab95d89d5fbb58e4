"""Statistics of what a model predicted of real episodes, of numpy arrays alone.

Errors are shares of how much the real states vary: 1 is as far off as saying the mean of all states
each time.
"""

import math
from typing import Any, NamedTuple

import numpy as np

HORIZONS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000)   # at which numbers are told
DEVIATIONS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)   # within which shares are counted
_BINS = 10
_FEWEST_IN_BIN = 5


class ByHorizon(NamedTuple):
  """How far off predictions are after each of H decisions.

  Attributes:
    error: of each member `[K, H]`, root mean squared, as a share of how much real states vary.
    error_of_mean: of the mean of all members `[H]`, likewise.
    disagreement: between members `[H]`, likewise; 0 where there is one.
    error_of_standstill: of saying that the first state stays `[H]`, likewise.
    reward_error, reward_error_of_mean: as for states, in the task's unit, `[K, H]` and `[H]`.
    parts: of episodes that reach each decision `[H]`.
  """
  error: Any
  error_of_mean: Any
  disagreement: Any
  error_of_standstill: Any
  reward_error: Any
  reward_error_of_mean: Any
  parts: Any


class Outcomes(NamedTuple):
  """What was paid until each of H decisions, and whether episodes still go on after it.

  Attributes:
    return_real, survival_real: means over the parts of which that is known, `[H]`; NaN where of
      none.
    return_predicted, survival_predicted: the same of each member for the same decisions, `[K, H]`.
  """
  return_real: Any
  return_predicted: Any
  survival_real: Any
  survival_predicted: Any


class Calibration(NamedTuple):
  """How predicted deviations fit the errors of the first decision.

  Attributes:
    share_within: of real states within each of `DEVIATIONS`, of each member `[K, D]`.
    share_of_normal: what that is for errors that are as the model says, `[D]`.
    scores: errors in predicted deviations, of each member `[K, N]`; N of them.
    score_std: their root mean square of each member `[K]`; 1 where deviations are right.
    predicted, actual: deviation that is predicted and root mean squared error, of all members, in
      bins of the former, `[bins]`; as a share of how much real states vary.
  """
  share_within: Any
  share_of_normal: Any
  scores: Any
  score_std: Any
  predicted: Any
  actual: Any


def variation(windows, real_state) -> float:
  """How much real states `[B, 1 + H, X]` of some `types.Windows` vary: the root of the mean variance
  of their entries; 1 where nothing varies.
  """
  rows = np.concatenate([real_state[:, 0], real_state[:, 1:][windows.mask > 0]])
  found = math.sqrt(rows.astype(np.float64).var(0).mean())
  return found if found > 0 else 1.0


def by_horizon(windows, predictions, unit) -> ByHorizon:
  """Returns errors after each decision; `unit` is what `variation` found."""
  real = predictions.real_state[:, 1:]
  squared = lambda states: np.square(states - real).mean(-1) / unit ** 2
  mean, reward = predictions.state.mean(0), windows.reward
  over_parts = lambda values: _root_mean(values, windows.mask)
  return ByHorizon(
      over_parts(squared(predictions.state)), over_parts(squared(mean)),
      over_parts(predictions.state.var(0).mean(-1) / unit ** 2),
      over_parts(squared(predictions.real_state[:, :1])),
      over_parts(np.square(predictions.reward - reward)),
      over_parts(np.square(predictions.reward.mean(0) - reward)), windows.mask.sum(0).astype(int))


def outcomes(windows, predictions) -> Outcomes:
  """Returns what was paid and what ended, real and predicted."""
  known = np.maximum(windows.mask, windows.terminated[:, None])
  lengths = windows.mask.sum(1)
  ended = windows.terminated[:, None] & (lengths[:, None] <= np.arange(1, known.shape[1] + 1))
  mean = lambda values: _mean(values, known)
  # Beyond the end nobody acted, so what a model would be paid there is not compared.
  survival = np.cumprod(np.where(windows.mask > 0, predictions.going, 1), -1)
  return Outcomes(mean(np.cumsum(windows.reward, -1)),
                  mean(np.cumsum(predictions.reward * windows.mask, -1)),
                  mean(1.0 - ended), mean(survival))


def acted(reward, survival):
  """Returns what a policy that acts in the model was paid until each decision, of each member `[K,
  H]`; rewards and survival `[K, B, H]` as `algorithms.base.Predictor.act` gives them.
  """
  return np.cumsum(reward * survival, -1).mean(1)


def calibration(predictions, unit) -> Calibration:
  """Returns how the deviations of a first decision fit its errors; entries for which none is
  predicted are left out. There must be some.
  """
  error = predictions.real_state[None, :, 1] - predictions.state[:, :, 0]
  std = np.broadcast_to(predictions.std, error.shape)
  kept = (std > 0).all((0, 1))
  error, std = error[..., kept], std[..., kept]
  scores = (error / std).reshape(len(error), -1)
  share = np.stack([(np.abs(scores) <= k).mean(-1) for k in DEVIATIONS], -1)
  normal = np.array([math.erf(k / math.sqrt(2)) for k in DEVIATIONS])
  return Calibration(share, normal, scores, np.sqrt(np.square(scores).mean(-1)),
                     *reliability(std.ravel() / unit, error.ravel() / unit))


def reliability(predicted, error):
  """Returns mean predicted deviations and root mean squared errors in bins of equal counts, of
  arrays `[N]`.
  """
  bins = max(1, min(_BINS, len(predicted) // _FEWEST_IN_BIN))
  parts = np.array_split(np.argsort(predicted, kind='stable'), bins)
  return (np.array([predicted[part].mean() for part in parts]),
          np.array([math.sqrt(np.square(error[part]).mean()) for part in parts]))


def first_steps(predictions, unit):
  """Returns disagreement between members, and the error of their mean, after the first decision of
  each part, both `[B]`.
  """
  first = predictions.state[:, :, 0]
  off = first.mean(0) - predictions.real_state[:, 1]
  return (np.sqrt(first.var(0).mean(-1)) / unit, np.sqrt(np.square(off).mean(-1)) / unit)


def rank_correlation(one, other):
  """Returns Spearman's rank correlation of two arrays `[N]`; None where one does not vary."""
  one, other = _ranks(one), _ranks(other)
  if not (one.std() and other.std()):
    return None
  return plain(np.corrcoef(one, other)[0, 1])


def entries_by_error(windows, predictions):
  """Returns the named entries that vary, the best predicted first: pairs of a number and the error
  of the members' mean over all decisions, as a share of how much that entry varies.
  """
  kept = windows.mask > 0
  real, mean = predictions.real_state[:, 1:], predictions.state.mean(0)
  varies, told = real[kept].std(0), {}
  for entry in range(len(predictions.entries)):
    if varies[entry] > 1e-3 * varies.max():
      squared = np.square(mean[..., entry] - real[..., entry])[kept].mean()
      told[entry] = math.sqrt(squared) / varies[entry]
  return sorted(told.items(), key=lambda pair: pair[1])


def at_horizons(values):
  """Returns numbers `[H]` by those of `HORIZONS` that they reach, and at their last; None for what
  is not finite.
  """
  last = len(values)
  told = sorted({horizon for horizon in HORIZONS if horizon <= last} | {last})
  return {str(horizon): plain(values[horizon - 1]) for horizon in told}


def plain(value):
  """Returns a number as JSON has it: four digits, and None where it is not finite."""
  value = float(value)
  return float(f'{value:.4g}') if math.isfinite(value) else None


def _mean(values, weights):
  """Means over parts, of values `[..., B, H]` and weights `[B, H]`; NaN where no weight is."""
  total = weights.sum(0)
  return np.where(total > 0, (values * weights).sum(-2) / np.maximum(total, 1), np.nan)


def _root_mean(squares, weights):
  return np.sqrt(_mean(squares, weights))


def _ranks(values):
  """Ranks of `[N]`, equal ones sharing theirs."""
  _, place, count = np.unique(values, return_inverse=True, return_counts=True)
  return (np.cumsum(count) - (count - 1) / 2)[place]
