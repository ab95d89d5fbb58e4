"""Pictures of what a model predicted of real episodes, each of which says what it shows."""

import io
import textwrap
from typing import Any, Mapping, NamedTuple

import numpy as np

from mbrl_tf.training import inspection

_REAL, _MODEL, _OTHER, _ACTING, _BASE = (
    'black', 'tab:blue', 'tab:orange', 'tab:purple', 'tab:gray')
_GROUPS = {'newest': 'tab:red', 'older': 'tab:blue', 'first': 'tab:green'}
_MOST_SCORE = 5.0
_LETTERS = 12.5   # of a caption, per inch


class Curve(NamedTuple):
  """A metric of training by env steps."""
  env_steps: Any     # [P]
  values: Any        # [P]


def errors(by_way: Mapping[str, inspection.ByHorizon], horizon: int):
  """Error of states and of rewards against the number of decisions ahead.

  Args:
    by_way: by how predictions were made; the first is drawn in full.
    horizon: how far the algorithm imagines while it learns.

  Returns:
    A matplotlib figure, as all functions here.
  """
  figure, (left, right) = _figure(
      'How far off is the model when it predicts several decisions ahead?',
      'The model sees the beginning of parts of the newest episodes, then only the actions that were '
      'taken, and predicts the rest. Low is good; a line that reaches 1 knows no more than the mean '
      'of all states.', 2)
  for index, (way, found) in enumerate(by_way.items()):
    color, ahead = (_MODEL, _OTHER)[index % 2], 1 + np.arange(found.error.shape[1])
    for panel, each, mean in ((left, found.error, found.error_of_mean),
                              (right, found.reward_error, found.reward_error_of_mean)):
      several = len(each) > 1
      if several and index == 0:
        panel.plot(ahead, each.T, color=color, alpha=0.3, linewidth=1)
        panel.plot([], [], color=color, alpha=0.3, label=f'each of {len(each)} predictions')
      panel.plot(ahead, mean, color=color, linewidth=2,
                 label=f'their mean ({way})' if several else way)
    if index == 0:
      if found.disagreement.any():
        left.plot(ahead, found.disagreement, color=color, linestyle='--',
                  label='disagreement between them')
      left.plot(ahead, found.error_of_standstill, color=_BASE, linestyle=':',
                label='if nothing moved any more')
  left.axhline(1, color=_BASE, linewidth=1, label='the mean of all states')
  left.set(ylabel='error of states, as a share of how much they vary', ylim=(0, None))
  right.set(ylabel="error of rewards, in the task's unit", ylim=(0, None))
  for panel in (left, right):
    _mark_horizon(panel, horizon, ahead[-1])
    panel.set_xlabel('decisions ahead')
    panel.set_xlim(1 if ahead[-1] > 1 else 0, max(ahead[-1], 2))
    _legend(panel, below=True)
  return figure


def outcomes(by_way: Mapping[str, inspection.Outcomes], return_acted, horizon: int):
  """Return and survival until each decision, real and predicted.

  Args:
    by_way: by how predictions were made.
    return_acted: of the policy that acts in the model, of each member `[K, H]`.
    horizon: how far the algorithm imagines while it learns.
  """
  first = next(iter(by_way.values()))
  ends = bool((first.survival_real < 1).any() or (first.survival_predicted < 0.99).any())
  figure, panels = _figure(
      'What do real episodes pay, and what does the model expect?',
      'Black is what happened. Blue (and orange): the model follows the real actions, and sees '
      'nothing of what they did. Purple: the policy acts in the model and reacts to what it '
      'imagines, which is what it learns from. Bands go from the lowest to the highest prediction. '
      'Purple near black and blue far from it: the model is good enough to learn in, but errors '
      'add up where nobody reacts to them. Purple far above black: the policy exploits errors.',
      1 + ends)
  kinds = [('return', 'return until then'), ('survival', 'share of episodes that go on')]
  for panel, (kind, label) in zip(panels, kinds):
    ahead = 1 + np.arange(len(first.return_real))
    for index, (way, found) in enumerate(by_way.items()):
      _band(panel, getattr(found, f'{kind}_predicted'), (_MODEL, _OTHER)[index % 2],
            f'same actions: {way}')
    if kind == 'return':
      _band(panel, return_acted, _ACTING, 'the policy acts in the model')
    panel.plot(ahead, getattr(first, f'{kind}_real'), color=_REAL, linewidth=2, label='real')
    _mark_horizon(panel, horizon, ahead[-1])
    panel.set(xlabel='decisions ahead', ylabel=label)
    _legend(panel)
  return figure


def returns_of_training(real: Mapping[str, Curve], imagined: Mapping[str, Curve],
                        same_actions: Mapping[str, Curve]):
  """Returns that training wrote down, by name; a panel for each mapping that is not empty."""
  rows = [(title, curves) for title, curves in (
      ('what the task paid', real), ('what the algorithm imagined while it learned', imagined),
      ('paid, and predicted for the same actions without seeing what they did', same_actions)) if curves]
  figure, panels = _figure(
      'Did what the model promised grow with what the task paid?',
      'What was paid and what was imagined should rise together. Where imagination rises alone, the '
      'policy has found errors of the model. Dreamer and TD-MPC2 discount what they imagine, so '
      'only shapes compare there.',
      len(rows), vertical=True, row_height=2.4)
  last = max(curve.env_steps[-1] for _, curves in rows for curve in curves.values())
  for panel, (title, curves) in zip(panels, rows):
    for name, curve in curves.items():
      panel.plot(curve.env_steps, curve.values, linewidth=2, marker='.',
                 label=f'{name} (last: {curve.values[-1]:,.4g})')
    panel.set_title(title, fontsize=10)
    panel.set_ylabel('return')
    if min(curve.values.min() for curve in curves.values()) >= 0:
      panel.set_ylim(0, None)
    panel.set_xlim(0, 1.03 * last)
    panel.xaxis.set_major_formatter('{x:,.0f}')
    _legend(panel)
  panels[-1].set_xlabel('env steps')
  return figure


def calibration(found: inspection.Calibration):
  """Whether deviations that members predict are those of their errors, one decision ahead."""
  figure, (within, scores, bins) = _figure(
      'Does the model know how far off it is? (one decision ahead)',
      'Left: a line above the dashed one means that the model is too humble, below that it is too '
      'sure. Middle: errors in units of the predicted deviation; wider than the dashed bell is too '
      'sure. Right: each point is a tenth of all predictions; on the dashed line deviations are '
      'right.', 3)
  x = np.array(inspection.DEVIATIONS)
  for member, share in enumerate(found.share_within):
    within.plot(x, share, color=_MODEL, alpha=0.6, marker='.',
                label='each member' if member == 0 else None)
  within.plot(x, found.share_of_normal, color=_REAL, linestyle='--', label='if deviations were right')
  within.set(xlabel='predicted deviations', ylabel='share of real next states within', ylim=(0, 1.02))
  shown = np.clip(found.scores.ravel(), -_MOST_SCORE, _MOST_SCORE)
  scores.hist(shown, np.linspace(-_MOST_SCORE, _MOST_SCORE, 61), density=True, color=_MODEL,
              alpha=0.5, label=f'deviation {np.sqrt(np.square(found.scores).mean()):.2f}')
  grid = np.linspace(-_MOST_SCORE, _MOST_SCORE, 200)
  scores.plot(grid, np.exp(-grid ** 2 / 2) / np.sqrt(2 * np.pi), color=_REAL, linestyle='--',
              label='deviation 1')
  scores.set(xlabel=f'error / predicted deviation (ends: beyond {_MOST_SCORE:g})',
             ylabel='density')
  bins.plot(found.predicted, found.actual, color=_MODEL, marker='o', label='model')
  _diagonal(bins, found.predicted, found.actual)
  bins.set(xlabel='predicted deviation', ylabel='actual error (both as shares of how states vary)')
  for panel in (within, scores, bins):
    _legend(panel)
  return figure


def disagreement(groups: Mapping[str, Any]):
  """Disagreement between predictions against the error of their mean, one decision ahead.

  Args:
    groups: by name of the episodes, pairs of disagreement and error `[B]`.
  """
  figure, (left, right) = _figure(
      'Do predictions disagree where the model is wrong? (one decision ahead)',
      'The predictions are those of the members of an ensemble, or draws of one model. Left: each '
      'point is a real state; on the dashed line they disagree as much as they are wrong. Right: '
      'the same as medians, with bars from the 25th to the 75th percentile. "First" are the '
      'earliest episodes, mostly of random actions.', 2)
  everything = [np.maximum(value, 1e-6) for pair in groups.values() for value in pair]
  for name, (spread, error) in groups.items():
    color, rank = _GROUPS.get(name, _BASE), inspection.rank_correlation(spread, error)
    told = '' if rank is None else f', rank correlation {rank:.2f}'
    left.scatter(np.maximum(spread, 1e-6), np.maximum(error, 1e-6), s=5, alpha=0.4, color=color,
                 label=f'{name} episodes{told}')
  _diagonal(left, everything[0::2], everything[1::2])
  left.set(xlabel='disagreement between predictions', ylabel='error of their mean',
           xscale='log', yscale='log')
  for offset, (kind, color) in enumerate((('disagreement', _MODEL), ('error', 'tab:red'))):
    for place, name in enumerate(groups):
      low, middle, high = np.percentile(groups[name][offset], [25, 50, 75])
      right.errorbar(place + 0.2 * offset, middle, [[middle - low], [high - middle]], fmt='o',
                     color=color, capsize=4, label=kind if place == 0 else None)
  right.set_xticks(np.arange(len(groups)) + 0.1, [f'{name}\nepisodes' for name in groups])
  right.set(ylabel='as a share of how much states vary', ylim=(0, None))
  for panel in (left, right):
    _legend(panel)
  return figure


def episodes(windows, by_way, chosen: Mapping[str, int], entries):
  """Real parts of episodes beside predicted ones, as curves.

  Args:
    windows: `types.Windows`.
    by_way: by how they were made, `types.Predictions`; of the first each member is drawn.
    chosen: what is said of a part, to its row in the windows; a column each.
    entries: numbers of the entries to draw, and what is said of each; pairs.
  """
  rows = 1 + len(entries)
  figure, grid = _figure(
      'Real parts of episodes, and what the model predicted of them',
      'Black is what happened. The model saw what was before 0, and all actions; thin lines are '
      'its single predictions, the thick one their mean. States are in the units in which the model '
      'reads them.', rows, vertical=True,
      columns=len(chosen), row_height=1.7)
  for column, (told, row) in enumerate(chosen.items()):
    steps = int(windows.mask[row].sum())
    for index in range(rows):
      panel = grid[index][column]
      for number, (way, predicted) in enumerate(by_way.items()):
        color = (_MODEL, _OTHER)[number % 2]
        if index == 0:
          real, each = windows.reward[row], predicted.reward[:, row]
          label, begin = 'reward', 1
        else:
          entry, said = entries[index - 1]
          real = predicted.real_state[row, :, entry]
          each = np.concatenate([np.broadcast_to(real[:1], (len(predicted.state), 1)),
                                 predicted.state[:, row, :, entry]], 1)
          label, begin = f'{predicted.entries[entry]}\n({said})', 0
        time = np.arange(begin, steps + 1)
        if number == 0 and len(each) > 1:
          panel.plot(time, each[:, :len(time)].T, color=color, alpha=0.3, linewidth=0.8)
        panel.plot(time, each.mean(0)[:len(time)], color=color, linewidth=1.8, label=way)
        panel.plot(time, real[:len(time)], color=_REAL, linewidth=1.5,
                   label='real' if number + 1 == len(by_way) else None)
      if column == 0:
        panel.set_ylabel(label, fontsize=8)
      if index == 0:
        panel.set_title(told, fontsize=10)
      panel.grid(alpha=0.3)
    grid[-1][column].set_xlabel('decisions ahead')
  lines, names = grid[0][0].get_legend_handles_labels()
  # Above the title of the first column, where no line is.
  _plainly(grid[0][0].legend(lines, names, loc='lower left', bbox_to_anchor=(0, 1.12),
                             ncols=len(names), fontsize=8, frameon=False))
  return figure


def png(figure) -> bytes:
  """Returns a figure as the bytes of a PNG."""
  content = io.BytesIO()
  figure.savefig(content, format='png')
  return content.getvalue()


def _figure(question, caption, count, vertical=False, columns=1, row_height=3.2):
  """Returns a figure with a title and how it is read, and its panels: a list, or where there are
  several columns a list of rows.
  """
  from matplotlib import figure as figures  # without pyplot, which keeps figures and asks for a screen

  size = (4.2 * columns + 2.2, row_height * count + 1.3) if vertical else (max(4.6 * count + 1, 7.5), 5.4)
  figure = figures.Figure(figsize=size, dpi=110, layout='constrained')
  grid = figure.subplots(count if vertical else 1, columns if vertical else count, squeeze=False)
  figure.suptitle(question, fontsize=13, fontweight='bold', wrap=True)
  lines = textwrap.wrap(caption, int(size[0] * _LETTERS))
  figure.supxlabel('\n'.join(lines), fontsize=9, color='dimgray')
  if vertical and columns == 1:
    return figure, [row[0] for row in grid]
  return figure, (list(grid) if vertical else list(grid[0]))


def _band(panel, each, color, label):
  """Draws the mean of `[K, H]`, and a band from the lowest to the highest."""
  ahead = 1 + np.arange(each.shape[1])
  panel.plot(ahead, each.mean(0), color=color, linewidth=2, label=label)
  panel.fill_between(ahead, each.min(0), each.max(0), color=color, alpha=0.2, linewidth=0)


def _mark_horizon(panel, horizon, last):
  if 1 < horizon <= last:
    panel.axvline(horizon, color='tab:green', linestyle='-.', linewidth=1,
                  label=f'how far it imagines in learning ({horizon})')


def _diagonal(panel, *values):
  joined = np.concatenate([np.ravel(np.concatenate(v) if isinstance(v, list) else v)
                           for v in values])
  ends = [joined.min(), joined.max()]
  panel.plot(ends, ends, color=_REAL, linestyle='--', linewidth=1, label='equal')


def _legend(panel, below=False):
  """Names what is drawn in a panel, or below it where lines would run into the names."""
  panel.grid(alpha=0.3)
  if panel.get_legend_handles_labels()[0]:
    place = {'loc': 'upper center', 'bbox_to_anchor': (0.5, -0.13), 'ncols': 2} if below else {}
    _plainly(panel.legend(fontsize=8, framealpha=0.7, edgecolor='none', **place))


def _plainly(legend):
  """A name may hold a $."""
  for text in legend.get_texts():
    text.set_parse_math(False)
