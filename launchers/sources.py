"""Where episodes are imported from. Imports TensorFlow: launchers import this inside `main`."""

import functools
import re

from launchers import command
from mbrl_tf import assembly
from mbrl_tf import errors
from mbrl_tf.data import files, plain
from mbrl_tf.environments import minari_sets
from mbrl_tf.training import importing, run_directory


def open_source(source, config, directory, native):
  """Returns pairs of a name and a function that reads an episode of what a person named.

  Args:
    source: text.
    config: of the run that is imported into.
    directory: its `RunDirectory`.
    native: of its task, `environments.native.Native`.

  Raises:
    UserError: there is nothing to import.
  """
  if source.startswith(minari_sets.PREFIX):
    return minari_sets.episodes(source, native)
  path = files.local_path(source, 'from')
  if path.is_file():
    return [_of_file(path)]
  if not path.is_dir():
    raise errors.UserError('There is no file and no folder of this name. '
                           f'Received: from={source!r}')
  other = run_directory.RunDirectory(path)
  if other.config_file.exists():
    found = _of_run(other, config, directory, native)
  else:
    # as people number files: 2 before 10
    by_number = lambda file: [(not part.isdigit(), int(part) if part.isdigit() else part)
                              for part in re.split(r'(\d+)', file.name)]
    found = [_of_file(file) for file in sorted(path.glob('*.npz'), key=by_number)]
  if not found:
    raise errors.UserError('There are no episodes in this folder: neither .npz files nor those of a '
                           f'run. Received: from={source!r}')
  return found


def _of_file(path):
  return str(path), functools.partial(plain.read, path)


def _of_run(other, config, directory, native):
  """The episodes of another run, in the units of its task, which may have others than this one."""
  if other.path.resolve() == directory.path.resolve():
    raise errors.UserError('A run has its own episodes already. Received: '
                           f'from={str(other.path)!r} into run_dir={str(directory.path)!r}')
  theirs = command.stored_config(other)
  if theirs.environment != config.environment:
    native = assembly.learn_facts(theirs).native
  in_own_units = lambda read: native.write(read())
  return [(name, functools.partial(in_own_units, read))
          for name, read in importing.stored(other.episodes)]
