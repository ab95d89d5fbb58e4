"""Writes the episodes of a run in the task's own units, for others to read.

  python -m launchers.export_episodes --run_dir=runs/hc --to=recorded
  python -m launchers.export_episodes --run_dir=runs/hc --to=minari:mine/hc-v0

writes .npz files into a folder that is absent or empty (docs/data.md tells what a file holds), or a
data set of Minari, which needs its package. import_episodes reads both. Prints one JSON object.
"""

import contextlib
import os
import re
import shutil
import warnings

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.data import files, plain
from mbrl_tf.training import run_directory

_TO = flags.DEFINE_string('to', None, 'a folder that is absent or empty, or minari:DATASET_ID')


def main():
  """Exports and prints where."""
  if not command.RUN_DIR.value or not _TO.value:
    raise errors.UserError('Of which run, and where to? Give --run_dir=DIR and --to=DESTINATION. '
                           f'Received: run_dir={command.RUN_DIR.value!r}, to={_TO.value!r}')
  directory = run_directory.RunDirectory(command.RUN_DIR.value)
  config = command.stored_config(directory)
  from mbrl_tf.environments import minari_sets

  is_minari = _TO.value.startswith(minari_sets.PREFIX)
  if not is_minari:
    _require_free(files.local_path(_TO.value, 'to'))  # before TensorFlow is loaded
  command.load_tensorflow(config.algorithm)
  from mbrl_tf import assembly
  from mbrl_tf.training import importing

  native = assembly.learn_facts(config).native
  counts = {'episodes': 0, 'decisions': 0}
  found = _read(importing.stored(directory.episodes), native, counts)
  first = next(found, None)
  if first is None:
    raise errors.UserError('This run has no episodes that can be read. '
                           f'Received: run_dir={str(directory.path)!r}')
  found = _with(first, found)
  if is_minari:
    settings = config.environment
    place = minari_sets.write(_TO.value, native, settings.name, settings.kwargs, found)
  else:
    place = str(_write_files(files.local_path(_TO.value, 'to'), found))
  own_process.tell({'to': place, **counts})


def _read(stored, native, counts):
  """Yields all episodes that can be read, and counts them."""
  for name, load in stored:
    try:
      episode = native.write(load())
    except errors.UserError as error:
      warnings.warn(f'Skipped {name}. {error}', stacklevel=2)
      continue
    counts['episodes'] += 1
    counts['decisions'] += len(episode.reward)
    yield episode


def _with(first, others):
  yield first
  yield from others


def _write_files(folder, found):
  """Writes one file for each episode into a folder, which appears as a whole."""
  _require_free(folder)
  partial = _partial(folder)
  with files.writing(partial):
    _remove_left(partial)
    partial.mkdir(parents=True)  # not over another one, which may be somebody else's
  try:
    for index, episode in enumerate(found):
      plain.write(partial / f'{index:08d}.npz', episode)
    with files.writing(folder):
      os.replace(partial, folder)
  except BaseException:
    with contextlib.suppress(OSError):
      shutil.rmtree(partial)
    raise
  return folder


def _require_free(folder):
  with files.writing(folder):  # a name may be too long, or a folder above closed
    _partial(folder).exists()
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if folder.is_symlink() or not is_free:
      raise errors.UserError('Episodes are written into a folder that is absent or empty, and '
                             f'something is there. Received: to={str(folder)!r}')


def _partial(folder):
  """Where episodes stand until all of them are there."""
  return folder.with_name(f'.{folder.name}.partial')


def _remove_left(partial):
  """Removes what an export that was killed has left, and nothing else."""
  if partial.is_dir() and not partial.is_symlink() and all(
      re.fullmatch(r'\d{8}\.npz(\.partial)?', path.name) for path in partial.iterdir()):
    shutil.rmtree(partial)


if __name__ == '__main__':
  command.run(main, __doc__, ('run_dir', 'to'))
