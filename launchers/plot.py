"""Draws the learning curve of one or more runs that differ in their seed alone, and writes it as CSV.

  python -m launchers.plot --run_dirs='runs/halfcheetah-*' --out=results/halfcheetah
  python -m launchers.plot --run_dirs=runs/hc-0,runs/hc-1 --out=results/hc --published=results/published.csv --published_env=HalfCheetah

writes results/halfcheetah.csv (env_steps, a column for each seed, their mean) and results/halfcheetah.png: --out is the
path of both, without .csv and .png. Of other settings:

  python -m launchers.plot --run_dirs='runs/wide-*' --out=results/wide --beside=results/halfcheetah.csv

draws the mean of that CSV too. A file of published curves has the columns env_steps and return_mean, and, where it holds several tasks, env.
"""

import csv
import glob
import io
import json
import os
import pathlib
from typing import Dict, NamedTuple

from absl import flags
import numpy as np

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.algorithms import catalog
from mbrl_tf.data import files
from mbrl_tf.training import run_directory

_RUN_DIRS = flags.DEFINE_string('run_dirs', None, 'folders of runs, with commas between them; * '
                                                  'and ? stand for any characters')
_METRIC = flags.DEFINE_string('metric', 'collect/return_mean', 'a name in metrics.jsonl')
_PUBLISHED = flags.DEFINE_string('published', None, 'CSV file of a published curve to draw beside')
_PUBLISHED_ENV = flags.DEFINE_string('published_env', None, 'which rows of that file: the value in its column env')
_BESIDE = flags.DEFINE_string('beside', '', 'CSV files that this command wrote of other runs, with '
                                            'commas between them, whose means are drawn too')


class Curves(NamedTuple):
  """Curves of several seeds on one axis; NaN where a seed has no value."""
  env_steps: np.ndarray           # [P], increasing
  seeds: Dict[int, np.ndarray]    # seed to [P]
  mean: np.ndarray                # [P]; NaN where a seed is missing


def main():
  """Reads, writes and prints what was written."""
  for flag in (_RUN_DIRS, command.OUT):
    if not flag.value:
      raise errors.UserError(f'--{flag.name} is needed (--help shows examples). Received: {flag.name}={flag.value!r}')
  if os.path.basename(command.OUT.value) in ('', '.', '..'):
    raise errors.UserError(f'--out is the path of the files that are written, without .csv or .png. Received: out={command.OUT.value!r}')
  directories = [run_directory.RunDirectory(path) for path in _expanded(_RUN_DIRS.value)]
  runs = {seed: read_curve(directory.metrics, _METRIC.value)
          for seed, directory in zip(_seeds(directories), directories)}
  published = read_published(_PUBLISHED.value, _PUBLISHED_ENV.value) if _PUBLISHED.value else None
  others = {pathlib.Path(path).stem: read_mean(path) for path in _listed(_BESIDE.value, _existing)}
  curves = aligned(runs)
  out = files.local_path(command.OUT.value, 'out')
  # Not `with_suffix`, which would cut a name such as `pendulum-0.5`.
  table, picture = (out.with_name(f'{out.name}.{ending}') for ending in ('csv', 'png'))
  with files.writing(out):
    _require_replaceable(table, picture)
    out.parent.mkdir(parents=True, exist_ok=True)
  write_csv(table, curves)
  draw(picture, curves, _METRIC.value, out.name, published, others)
  own_process.tell({'csv': str(table), 'png': str(picture), 'seeds': sorted(runs),
                    'env_steps': float(curves.env_steps[-1]),
                    'mean_at_end': _plain(curves.mean[-1])})


def read_curve(path, metric):
  """Returns env steps and values `[P]` of one metric in a `metrics.jsonl`.

  Raises:
    UserError: where the file or the metric is missing.
  """
  try:
    lines = [line for line in map(_parsed, pathlib.Path(path).read_bytes().splitlines()) if line]
  except FileNotFoundError:
    lines = []
  except OSError as error:
    raise errors.UserError(f'The metrics of this run cannot be read ({error.strerror}). Received: file={str(path)!r}') from error
  if not lines:
    raise errors.UserError(f'This run has no metrics yet. Received: file={str(path)!r}')
  points = [(line['env_steps'], line[metric]) for line in lines if isinstance(line.get(metric), (int, float))]
  if not points:
    raise errors.unknown_name('metric', metric, sorted({name for line in lines for name in line}))
  env_steps, values = zip(*points)
  return np.array(env_steps, float), np.array(values, float)


def _parsed(line):
  """Returns what a line holds; nothing where it is torn, as the last one of a run that goes on or was killed may be, or no record."""
  try:
    content = json.loads(line)
  except ValueError:
    return {}
  return content if isinstance(content, dict) and isinstance(content.get('env_steps'), int) else {}


def read_published(path, env=None):
  """Returns env steps and values of a published curve; `env` chooses rows where the file holds several tasks."""
  try:
    with open(files.local_path(path, 'published'), newline='') as file:
      rows = list(csv.DictReader(file))
    kept = [row for row in rows if env is None or row['env'] == env]
    envs = {row.get('env') for row in kept}
    curve = np.array([[float(row['env_steps']), float(row['return_mean'])] for row in kept])
  except (OSError, KeyError, ValueError) as error:
    raise errors.UserError('A published curve must be a CSV file with the columns env_steps and return_mean, and env '
                           f'where --published_env is given ({error!r}). Received: published={path!r}') from error
  if len(envs) != 1:
    known = ', '.join(sorted(str(row.get('env')) for row in {row.get('env'): row for row in rows}.values()))
    raise errors.UserError(f'--published_env must choose one task of the file, which has: {known}. '
                           f'Received: published_env={env!r}')
  return curve[:, 0], curve[:, 1]


def read_mean(path):
  """Returns env steps and means of a CSV file that `write_csv` wrote; without those where a seed is missing."""
  try:
    with open(files.local_path(path, 'beside'), newline='') as file:
      return np.array([[float(row['env_steps']), float(row['mean'])] for row in csv.DictReader(file) if row['mean']]).reshape(-1, 2).T
  except (OSError, KeyError, ValueError, TypeError) as error:
    raise errors.UserError(f'--beside takes CSV files that this command wrote ({error!r}). Received: beside={path!r}') from error


def aligned(runs) -> Curves:
  """Puts the curves of all seeds on the union of their env steps, each interpolated within its own range.

  Args:
    runs: seed to a pair of env steps and values.
  """
  grid = np.unique(np.concatenate([env_steps for env_steps, _ in runs.values()]))
  seeds = {seed: np.interp(grid, *runs[seed], left=np.nan, right=np.nan) for seed in sorted(runs)}
  return Curves(grid, seeds, np.mean(list(seeds.values()), axis=0))


def write_csv(path, curves):
  """Writes `env_steps, seed_0, ..., mean`; a field is empty where there is no value."""
  content = io.StringIO(newline='')
  writer = csv.writer(content, lineterminator='\n')
  writer.writerow(['env_steps', *(f'seed_{seed}' for seed in curves.seeds), 'mean'])
  for values in zip(curves.env_steps, *curves.seeds.values(), curves.mean):
    writer.writerow([int(values[0]),
                     *('' if np.isnan(value) else f'{value:.2f}' for value in values[1:])])
  files.write_atomically(path, content.getvalue().encode())


def draw(path, curves, metric, title, published=None, others=None):
  """Writes the picture: each seed thin, their mean thick, others' means by name, a published curve dashed."""
  import matplotlib
  matplotlib.use('Agg')
  from matplotlib import pyplot

  figure, axes = pyplot.subplots(figsize=(6.4, 4), dpi=120, layout='constrained')
  for values in curves.seeds.values():
    axes.plot(curves.env_steps, values, color='tab:blue', alpha=0.35, linewidth=1)
  seeds = ', '.join(map(str, curves.seeds))
  axes.plot(curves.env_steps, curves.mean, color='tab:blue', linewidth=2.2,
            label=f'mbrl_tf, mean of seeds {seeds}' if len(curves.seeds) > 1 else f'mbrl_tf, seed {seeds}')
  for index, (name, (env_steps, mean)) in enumerate((others or {}).items(), start=1):
    axes.plot(env_steps, mean, color=f'C{index}', linewidth=2.2, label=name)
  if published is not None:
    shown = published[0] <= 1.1 * curves.env_steps[-1]
    if shown.any():
      marker = 'o' if shown.sum() == 1 else None  # a line of one point is not seen
      axes.plot(published[0][shown], published[1][shown], color='tab:gray', linestyle='--', marker=marker, label='published')
  axes.set(xlabel='env steps', ylabel=metric)
  axes.set_title(title, parse_math=False)  # a name may hold a $
  axes.xaxis.set_major_formatter('{x:,.0f}')
  axes.grid(alpha=0.3)
  for text in axes.legend(loc='best', frameon=False).get_texts():
    text.set_parse_math(False)
  content = io.BytesIO()
  figure.savefig(content, format='png')
  pyplot.close(figure)
  files.write_atomically(path, content.getvalue())


def _require_replaceable(table, picture):
  """Raises a `UserError` where a file is in the way that this command did not write: it writes
  both, and the table tells.
  """
  if table.exists():
    with open(table, 'rb') as file:
      is_own = file.readline().strip().startswith(b'env_steps,seed_')
  else:
    is_own = not picture.exists()
  if not is_own:
    raise errors.UserError('A file of this name is there that this command did not write, so it is '
                           'not overwritten. '
                           f'Received: out={str(table.with_name(table.name[:-4]))!r}')


def _expanded(text):
  """Returns the folders that patterns stand for, each once."""
  found = {}
  for pattern in _listed(text, _folders):
    matches = _folders(pattern)
    if not matches:
      raise errors.UserError(f'There is no such folder. Received: run_dirs={pattern!r}')
    found.update(dict.fromkeys(map(os.path.normpath, matches)))
  return list(found)


def _listed(text, find):
  """Returns what a text with commas lists. A name may have commas itself: as many parts are one as
  `find` finds something for.
  """
  parts, listed = text.split(',') if text else [], []
  while parts:
    count = next((count for count in range(len(parts), 0, -1) if find(','.join(parts[:count]))), 1)
    listed.append(','.join(parts[:count]))
    parts = parts[count:]
  return listed


def _existing(path):
  return os.path.exists(files.local_path(path, 'beside'))


def _folders(pattern):
  """Returns the folders of this very name, or that a pattern matches: brackets stand for
  themselves where they can.
  """
  path = str(files.local_path(pattern, 'run_dirs')) if pattern else ''
  if os.path.isdir(path):
    return [path]
  matches = glob.glob(path.replace('[', '[[]')) or glob.glob(path)
  return sorted(match for match in matches if os.path.isdir(match))


def _config(directory):
  """A run's config by the paths of its fields. One that is newer than the file has its default,
  but for the seed: which it is, only the file can say.
  """
  values = directory.read_config()
  written = run_directory.flatten(values)
  if not isinstance(written.get('run.seed'), int):
    raise errors.UserError('config.json does not tell the seed of this run. '
                           f'Received: file={str(directory.config_file)!r}')
  try:
    config_class = catalog.config_class(values.get('algorithm'))
    config = run_directory.config_from_dict(config_class, values)
    return run_directory.flatten(run_directory.config_to_dict(config))
  except errors.UserError:  # of another version: its curve can be drawn all the same
    return written


def _seeds(directories):
  """Returns the seed of each run.

  Raises:
    UserError: runs differ in more, or have the same one: no mean would describe them.
  """
  configs = [_config(directory) for directory in directories]
  seeds = [config['run.seed'] for config in configs]
  if len(set(seeds)) < len(seeds):
    raise errors.UserError(f'Each run must have a seed of its own. Received: seeds={seeds}')
  for directory, config in zip(directories, configs):
    different = sorted(
        name for name in {*configs[0], *config}
        if not name.startswith('run.') and configs[0].get(name) != config.get(name))
    if different:
      raise errors.UserError(
          'Runs in one curve may differ in config.run alone; this one differs from the first in '
          f'{", ".join(different)}. Received: run_dirs={str(directory.path)!r}')
  return seeds


def _plain(value):
  return None if np.isnan(value) else round(float(value), 2)


if __name__ == '__main__':
  command.run(main, __doc__, ('run_dirs', 'out', 'metric', 'published', 'published_env', 'beside'))
