"""What TensorBoard shows first of a run, and in which words."""

import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from typing import NamedTuple, Tuple

from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api as hparams
import tensorflow as tf

from mbrl_tf.training import run_directory

_ROOM = '0_overview'  # TensorBoard sorts its groups by the alphabet


class First(NamedTuple):
  """One of the things that are looked at first.

  Attributes:
    tag: under which TensorBoard shows it.
    metrics: of which the first that is reported is shown.
    description: Markdown: its unit, and what a healthy curve looks like.
  """
  tag: str
  metrics: Tuple[str, ...]
  description: str


FIRST = (
    First(f'{_ROOM}/1_return_collecting', ('collect/return_mean',),
          '**Sum of rewards of a real episode** in the unit of the task, mean over an iteration, '
          'with the noise that explores. *Healthy*: rises, and stays where it came to; single falls are '
          'common, a fall that lasts is not.'),
    First(f'{_ROOM}/2_return_evaluating', ('evaluate/return_mean',),
          '**Sum of rewards of a real episode** without noise, mean over the episodes of an '
          'evaluation. *Healthy*: above the return while collecting, once something is learned.'),
    First(f'{_ROOM}/3_return_best', ('evaluate/return_best', 'collect/return_best'),
          '**The highest mean return so far** of the evaluations, or while collecting where a run '
          'does not evaluate. Its checkpoint is kept; `evaluate --best` takes it.'),
    First(f'{_ROOM}/4_return_imagined', ('imagine/return_after_mean', 'imagine/return_mean',
                                         'value/mean'),
          '**What the model promises**, in the unit of the task; Dreamer and TD-MPC2 discount it, '
          'PETS tells it for the horizon of a plan. '
          '*Healthy*: rises with the real return. Where it rises alone, the policy exploits errors '
          'of the model.'),
    First(f'{_ROOM}/5_error_of_model', ('model/error_horizon_1', 'model/reward_error_horizon_1'),
          '**Error of the model on real episodes that it has not seen**, one decision ahead: of '
          'observations in their deviations for MB-MPO and PETS, of rewards for Dreamer and '
          'TD-MPC2. '
          '*Healthy*: falls, and may rise for a while when the policy comes to new places.'),
    First(f'{_ROOM}/6_loss_of_model', ('model/loss', 'fit/validation_loss_mean'),
          '**Loss of the model**: what it learns from for Dreamer and TD-MPC2, held-out data for '
          'MB-MPO and PETS, whose loss may be below 0. *Healthy*: falls fast, then slowly. A jump that stays is a breakdown.'),
)

# Several in one chart of the tab Custom Scalars, as regular expressions of the metrics' names.
CHARTS = {
    'returns, real': ('collect/return_(mean|min|max)$', 'evaluate/return_mean$'),
    'returns, real and imagined': (
        'collect/return_mean$', 'imagine/return_(before|after)_mean$'),
    'errors of the model by horizon': ('model/([a-z]+_)?error_horizon_[0-9]+$',),
    'returns, imagined (of Dreamer and TD-MPC2, discounted)': (
        'imagine/return_(before_|after_)?mean$', 'value/mean$'),
    'losses': ('[a-z]+/(train_|validation_|reward_|image_|vector_|continuation_|consistency_|'
               'value_|termination_)?loss(_mean)?$',),
    'seconds of each phase': ('seconds/[a-z_]+$',)}


def layout():
  """Returns `CHARTS` as TensorBoard takes it."""
  charts = [layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=names))
            for title, names in CHARTS.items()]
  return layout_pb2.Layout(category=[layout_pb2.Category(title='overview', chart=charts)])


def first_look(metrics):
  """Yields tag, value and description of those of `FIRST` that are among some metrics."""
  for first in FIRST:
    name = next((name for name in first.metrics if name in metrics), None)
    if name is not None:
      yield first.tag, metrics[name], first.description


def config_page(config) -> str:
  """Returns the fields of a config as a table in Markdown."""
  return _table(('field', 'value'), [
      (name, f'`{json.dumps(value)}`') for name, value in _flat(config).items()])


def run_page() -> str:
  """Returns by which command, from which code and on which machine this process runs, as a table in
  Markdown."""
  details = tf.config.experimental.get_device_details
  devices = [details(device).get('device_name', device.name)
             for device in tf.config.list_physical_devices('GPU')]
  versions = [f'{name} {version}' for name, version in run_directory.versions().items() if version]
  return _table(('', 'this run'), [
      ('command', f'`{shlex.join(sys.orig_argv)}`'),
      ('folder', f'`{os.getcwd()}`'),
      ('commit', _commit()),
      ('versions', ', '.join(versions)),
      ('machine', f'{platform.node()}, {platform.platform()}, {platform.machine()}'),
      ('cores', str(len(os.sched_getaffinity(0)))),
      ('GPUs', ', '.join(devices) or 'none')])


def write_hyperparameters(config, trial_id):
  """Writes what the tab HParams compares runs by, into the default writer: fields of the config,
  the newest returns and the best one."""
  values = {name: value if isinstance(value, (bool, int, float, str)) else json.dumps(value)
            for name, value in _flat(config).items()}
  told = {'1_return_collecting': 'final return, collecting',
          '2_return_evaluating': 'final return, evaluating', '3_return_best': 'best return'}
  hparams.hparams_config(
      hparams=[hparams.HParam(name) for name in values],
      metrics=[hparams.Metric(f'{_ROOM}/{tag}', display_name=name) for tag, name in told.items()])
  hparams.hparams(values, trial_id=trial_id)


def _flat(config):
  return run_directory.flatten(run_directory.config_to_dict(config))


def _commit():
  """Returns the commit of a checkout, and whether files differ from it; else that there is none."""
  root = pathlib.Path(__file__).parent.parent.parent
  if not (root / '.git').exists():
    return 'not from a checkout'
  git = lambda *arguments: subprocess.run(
      ['git', '-C', str(root), *arguments], capture_output=True, text=True, check=True,
      timeout=10).stdout.strip()
  try:
    commit, changed = git('rev-parse', 'HEAD'), git('status', '--porcelain', '--untracked-files=no')
  except (OSError, subprocess.SubprocessError):
    return 'unknown: git does not tell'
  return f'`{commit}`' + (', with changes' if changed else '')


def _table(head, rows):
  """Returns a table in Markdown; a bar within a cell would end it."""
  line = lambda cells: '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
  return '\n'.join([line(head), '|---|---|', *map(line, rows)])
