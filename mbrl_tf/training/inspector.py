"""Holds a learned model against real episodes: what is compared, what is told of it, what is drawn."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.data import episodes as stored_episodes
from mbrl_tf.data import shards
from mbrl_tf.data import windows as windows_lib
from mbrl_tf.training import figures, inspection, metrics, overview

_HORIZON = 50        # decisions at least, where nothing is asked for and episodes are as long
_PARTS = 24          # parts of the newest episodes that are predicted at length, where these are fewer
_FIRST_STEPS = 300   # states of each group that are predicted one decision ahead
_REAL = ('collect/return_mean', 'evaluate/return_mean')
_IMAGINED = next(first.metrics for first in overview.FIRST if first.tag.endswith('imagined'))
_PAIR = 'model/return_{}_horizon_{}'   # of the same real actions


class Group(NamedTuple):
  """Episodes that are looked at together.

  Attributes:
    episodes: of `types.Episode`.
    learned_from: whether the checkpoint has learned from them; None where nobody knows.
  """
  episodes: Tuple[types.Episode, ...]
  learned_from: Optional[bool]


class Findings(NamedTuple):
  """What was predicted of real episodes, and statistics of it.

  Attributes:
    groups: `Group` by name; `newest` is there.
    windows: parts of the newest episodes.
    predictions: of these, by how they are made.
    unit: by which errors are divided.
    horizon: how far the algorithm imagines while it learns.
    by_horizon, outcomes: of `inspection`, by how predictions are made.
    return_acted: of the policy that acts in the model, of each member `[K, H]`.
    calibration: of `inspection`; None where no deviation is predicted.
    first_steps: of each group disagreement and error one decision ahead.
  """
  groups: Dict[str, Group]
  windows: types.Windows
  predictions: Dict[str, types.Predictions]
  unit: float
  horizon: int
  by_horizon: Dict[str, inspection.ByHorizon]
  outcomes: Dict[str, inspection.Outcomes]
  return_acted: Any
  calibration: Optional[inspection.Calibration]
  first_steps: Dict[str, Tuple[Any, Any]]


def groups_of(directory, env_steps, count) -> Dict[str, Group]:
  """Reads episodes of a run.

  Args:
    directory: the `RunDirectory`.
    env_steps: of the checkpoint. What its last iteration collected, it has not learned from yet.
    count: episodes in each group at most.

  Returns:
    `newest`, which the checkpoint has not learned from where there are any such; and where there
    are more, `older` ones, spread evenly, and the `first`.

  Raises:
    UserError: where there are no episodes that can be read.
  """
  stored = _Stored(directory.episodes)
  learned = _episodes_before(directory, env_steps)
  if learned is None or learned >= len(stored):
    begin, held_out = max(len(stored) - count, 0), None if learned is None else False
  else:
    begin, held_out = learned, True
  newest = stored.read(range(max(begin, len(stored) - count), len(stored)))
  if not newest:
    raise errors.UserError('This run has no episodes that can be read, so there is nothing to '
                           f'compare with. Received: episodes={str(directory.episodes)!r}')
  groups = {'newest': Group(newest, None if held_out is None else not held_out)}
  first = range(min(count, begin // 2))
  rest = range(len(first), begin)
  spread = np.unique(np.linspace(rest.start, rest.stop - 1, count).round().astype(int))
  for name, indices in (('older', spread if rest else ()), ('first', first)):
    episodes = stored.read(indices)
    if episodes:
      groups[name] = Group(episodes, True if held_out is not None else None)
  return groups


class _Stored:
  """All episodes of a run, whoever wrote them, the oldest first."""

  def __init__(self, folder):
    stores = shards.stores(folder)
    # Hosts collect side by side, so that equal indices are about as old.
    self._places = sorted((index, number) for number, store in enumerate(stores)
                          for index in range(len(store)))
    self._stores = stores

  def __len__(self):
    return len(self._places)

  def read(self, indices):
    """Returns the episodes at some indices, without those that cannot be read."""
    found = []
    for index in indices:
      number, store = self._places[index]
      found += [episode for _, episode in stored_episodes.readable_at(self._stores[store], [number])]
    return tuple(found)


def _episodes_before(directory, env_steps):
  """Returns how many episodes there were before the iteration that ended with a checkpoint; None
  where training did not write that down.
  """
  if env_steps not in metrics.recorded_env_steps(directory.metrics):
    return None
  collected = metrics.recorded(directory.metrics, 'collect/episodes')  # offline there are none
  before = sum(count for steps, count in collected.items() if steps < env_steps)
  return directory.imported().episodes + round(before)


def inspect(predictor, groups, horizon=None, seed=0) -> Findings:
  """Lets a model predict real episodes.

  Args:
    predictor: an `algorithms.base.Predictor`.
    groups: `Group` by name, with `newest`.
    horizon: decisions to predict at most; None for as many as the algorithm imagines, and 50 at
      least, as far as episodes are that long.
    seed: an integer below 2^31, of what predictions draw.

  Returns:
    `Findings`.

  Raises:
    UserError: where the newest episodes are too short for any prediction.
  """
  seen, newest = predictor.shown, groups['newest'].episodes
  reach = windows_lib.reach(newest, seen)
  if reach < 1:
    longest = max(len(episode.reward) for episode in newest)
    raise errors.UserError(
        f'The model is shown {seen} observations before it predicts, and no episode has more than '
        f'as many decisions. Received: episodes of {longest} decisions at most')
  length = min(horizon or max(_HORIZON, predictor.horizon), reach)
  parts = max(_PARTS, len(newest))
  windows = windows_lib.cut(windows_lib.known(newest, parts, seen, length), seen, length)
  predictions = predictor.predict(windows, (seed, 0))
  plain = next(iter(predictions.values()))
  unit = inspection.variation(windows, plain.real_state)
  steps = {}
  for index, (name, group) in enumerate(groups.items(), start=1):
    places = windows_lib.known(group.episodes, _FIRST_STEPS, seen, 1)
    if places:
      told = predictor.predict(windows_lib.cut(places, seen, 1), (seed, index))
      steps[name] = next(iter(told.values()))
  has_std = plain.std is not None and (plain.std > 0).any()
  return Findings(
      groups, windows, predictions, unit, predictor.horizon,
      {way: inspection.by_horizon(windows, found, unit) for way, found in predictions.items()},
      {way: inspection.outcomes(windows, found) for way, found in predictions.items()},
      inspection.acted(*predictor.act(windows, length, (seed, 0))),
      inspection.calibration(steps['newest'], unit) if has_std else None,
      {name: inspection.first_steps(found, unit) for name, found in steps.items()})


def told(findings: Findings) -> dict:
  """Returns what was found as JSON holds it."""
  content = {
      'episodes': {name: {'episodes': len(group.episodes), 'learned_from': group.learned_from}
                   for name, group in findings.groups.items()},
      'parts': len(findings.windows.reward), 'horizon': findings.windows.reward.shape[1],
      'imagined_horizon': findings.horizon, 'state_variation': inspection.plain(findings.unit),
      'predictions': {way: _told_of_way(findings, way) for way in findings.predictions}}
  content['return_of_policy_in_model'] = inspection.at_horizons(findings.return_acted.mean(0))
  if findings.calibration:
    found = findings.calibration
    content['calibration'] = {
        'score_std': inspection.plain(np.sqrt(np.square(found.scores).mean())),
        'score_std_members': [inspection.plain(value) for value in found.score_std],
        'share_within': {str(k): inspection.plain(share) for k, share in zip(
            inspection.DEVIATIONS, found.share_within.mean(0))},
        'share_within_if_right': {str(k): inspection.plain(share) for k, share in zip(
            inspection.DEVIATIONS, found.share_of_normal)}}
  content['one_decision_ahead'] = {
      name: {'disagreement_median': inspection.plain(np.median(spread)),
             'error_median': inspection.plain(np.median(error)),
             'rank_correlation': inspection.rank_correlation(spread, error)}
      for name, (spread, error) in findings.first_steps.items()}
  return content


def _told_of_way(findings, way):
  errors_found, outcomes = findings.by_horizon[way], findings.outcomes[way]
  series = {
      'error': errors_found.error_of_mean, 'disagreement': errors_found.disagreement,
      'error_of_standstill': errors_found.error_of_standstill,
      'reward_error': errors_found.reward_error_of_mean,
      'return_real': outcomes.return_real,
      'return_predicted': outcomes.return_predicted.mean(0),
      'survival_real': outcomes.survival_real,
      'survival_predicted': outcomes.survival_predicted.mean(0)}
  told_of = {name: inspection.at_horizons(values) for name, values in series.items()}
  if len(errors_found.error) > 1:
    for name, each in (('error_members', errors_found.error),
                       ('return_predicted_members', outcomes.return_predicted)):
      told_of[name] = [inspection.at_horizons(values) for values in each]
  return told_of


def pictures(findings: Findings, path) -> dict:
  """Returns figures by name.

  Args:
    findings: what `inspect` returned.
    path: of the run's `metrics.jsonl`, which may be absent.
  """
  drawn = {'error': figures.errors(findings.by_horizon, findings.horizon),
           'return': figures.outcomes(
              findings.outcomes, findings.return_acted, findings.horizon),
           'episodes': _draw_episodes(findings)}
  if findings.calibration:
    drawn['calibration'] = figures.calibration(findings.calibration)
  if any(spread.any() for spread, _ in findings.first_steps.values()):
    drawn['disagreement'] = figures.disagreement(findings.first_steps)
  training = _curves_of_training(path)
  if any(training):
    drawn['training'] = figures.returns_of_training(*training)
  return drawn


def _draw_episodes(findings):
  """Draws a typical part and the worst one; of entries, where they have names, the best predicted, a middling one and the
  two worst.
  """
  windows, predictions = findings.windows, findings.predictions
  plain = next(iter(predictions.values()))
  off = np.square(plain.state.mean(0) - plain.real_state[:, 1:]).mean(-1) * windows.mask
  order = np.argsort(off.sum(-1) / windows.mask.sum(-1))
  ranked = inspection.entries_by_error(windows, plain)
  chosen = {'a typical part': int(order[len(order) // 2])}
  if len(order) > 1:
    chosen['the worst predicted part'] = int(order[-1])
  if len(order) > 2 and not ranked:
    chosen = {'the best predicted part': int(order[0]), **chosen}
  names = {0: 'predicted best', len(ranked) // 2: 'in the middle',
           len(ranked) - 2: 'second worst', len(ranked) - 1: 'predicted worst'}
  entries = [(ranked[place][0], said) for place, said in sorted(
      names.items()) if 0 <= place < len(ranked)]
  return figures.episodes(windows, predictions, chosen, entries)


def _curves_of_training(path):
  """Returns `figures.Curve`s by name: of real returns, of imagined ones, and of both for the same
  actions.
  """

  def curves(names):
    found = {name: metrics.recorded(path, name) for name in names}
    return {name: figures.Curve(np.array(list(points)), np.array(list(points.values())))
            for name, points in found.items() if points}

  imagined = curves(_IMAGINED)
  first = dict(list(imagined.items())[:1])
  horizon = next((h for h in reversed(inspection.HORIZONS)
                  if metrics.recorded(path, _PAIR.format('real', h))), None)
  return curves(_REAL), first, curves(
      [_PAIR.format(kind, horizon) for kind in ('real', 'predicted')] if horizon else [])
