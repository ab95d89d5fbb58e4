"""What all launchers share: flags, help, quiet imports, and errors as exit statuses.

Imports no TensorFlow, and no launcher does before its `main` runs: a spawned simulator process imports the main module.
"""

import atexit
import difflib
import faulthandler
import json
import logging
import os
import pathlib
import re
import runpy
import sys
import tempfile
import textwrap
import traceback
import warnings

from absl import flags
from ml_collections import config_flags

from launchers import own_process
from mbrl_tf import compiled, errors, shipped_configs
from mbrl_tf.algorithms import catalog
from mbrl_tf.training import run_directory

_OVERRIDE = '--config.'
_RAISED_BY_CONFIG = 'Error whilst parsing config file'  # config_flags makes this of a ValueError or TypeError of a config's code


class JsonObject(flags.ArgumentParser):
  """A dict as it is written in JSON: `--config.environment.kwargs='{"mass": 2}'`."""

  def parse(self, argument):
    if isinstance(argument, dict):
      return argument
    try:
      value = json.loads(argument)
    except ValueError as error:
      raise ValueError(f'expected a JSON object such as \'{{"mass": 2}}\' ({error})') from error
    if not isinstance(value, dict):
      raise ValueError('expected a JSON object such as \'{"mass": 2}\'')
    return value

  def flag_type(self):
    return 'JSON object'


config_flags.register_flag_parser_for_type(dict, JsonObject())

# Defined here once, because absl knows one flag of a name only, and a test imports several launchers.
CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'a Python file with get_config(), or the name of one that comes with mbrl_tf, such as mbmpo/pendulum')
RUN_DIR = flags.DEFINE_string('run_dir', None, 'folder of the run')
SEED = flags.DEFINE_integer('seed', None, "of everything random; the config's own where none is given", 0, 2**32 - 1)
BEST = flags.DEFINE_bool('best', False, 'take the checkpoint with the highest evaluate/return_mean instead of the newest')
EPISODES = flags.DEFINE_integer('episodes', 10, 'how many', lower_bound=1)
OUT = flags.DEFINE_string('out', None, 'where to write; the text above tells what is written')
_SHARED = ('config', 'run_dir', 'seed', 'best', 'episodes', 'out')


def run(main, documentation, names):
  """Parses the command line, runs `main`, and exits.

  The exit status is 0 after success, 2 after a mistake of the user's (told in one line), 1 after anything else. What says
  by itself what happened is told without a traceback of ours: a full disk, a simulator's fault (with the simulator's own
  traceback, where it raised), learning that diverged.

  Args:
    main: without arguments; returns None, or an exit status of its own.
    documentation: of the launcher: what it does, and examples.
    names: of its flags, for `--help`.
  """
  sys.argv[1:] = arguments = _with_paths_of_configs(sys.argv[1:])
  owns_process = main.__module__ == '__main__'  # and no test's
  if owns_process:
    if sys.stderr is not None:
      faulthandler.enable()  # tells where a simulator crashed in this process
    own_process.guard_end()
  own_process.show_warnings()
  _show_choices()
  if any(argument in ('--help', '-help', '-h', '--helpfull', '--helpshort')
         for argument in arguments):
    print(_help(documentation, names, arguments))
    sys.exit(0)
  give_back_output = own_process.keep_output()
  status = _status(main, names, arguments)
  if owns_process:
    own_process.end(status)
  give_back_output()
  sys.exit(status)


def _status(main, names, arguments):
  """Runs `main`, tells what went wrong, and returns the exit status."""
  try:
    _parse(sys.argv, names)
    status = main()
  except errors.UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  except (errors.StorageError, errors.SimulatorError, errors.HostError, FloatingPointError) as error:
    print(f'error: {error}', file=sys.stderr)
  except MemoryError as error:
    _tell_too_large(error, arguments)
  except KeyboardInterrupt:
    print('Interrupted.', file=sys.stderr)
  # nothing here exits: something did that simulators are not blamed for
  except SystemExit as error:
    traceback.print_exc()
    print(f'error: A package ended this process. Received: SystemExit={error.code!r}',
          file=sys.stderr)
  except Exception as error:
    if type(error).__name__ == 'ResourceExhaustedError':  # TensorFlow's own, which need not be imported here
      _tell_too_large(error, arguments)
    else:
      traceback.print_exc()
  else:
    return status or 0
  return 1


def _show_choices():
  """Shows what the package decides for this machine (`logging`'s INFO): the OpenGL back end, GPUs that are left out."""
  logging.basicConfig(format='%(message)s')  # at the root, so that no dependency puts a second handler there
  logging.getLogger('mbrl_tf').setLevel(logging.INFO)


def _tell_too_large(error, arguments):
  print(f'error: There is not enough memory for these settings ({_last_line(error)}). Received: {" ".join(arguments)}', file=sys.stderr)


def resolved_config(config, path=None, seed=None):
  """Returns the config that a run is started with.

  Args:
    config: the value of `--config`; None takes the config of the run in `path`.
    path: the run directory, or None.
    seed: where given, replaces the config's.

  Raises:
    UserError: where neither is given, or a value cannot be used.
  """
  if config is None:
    if path is None:
      raise errors.UserError('A run needs a config, and an earlier run its directory. Received: config=None, run_dir=None')
    directory = run_directory.RunDirectory(path)
    if not directory.config_file.exists():
      raise errors.UserError(
          'There is no run here: config.json is missing, and no --config was given, which would '
          f'begin one.{directory.runs_near()} Received: run_dir={str(directory.path)!r}')
    config = stored_config(directory)
  try:
    validates = hasattr(config, 'validate')
  except OSError as error:  # config_flags keeps back a file that is missing until its content is used
    raise _cannot_be_read(flags.FLAGS['config'].config_filename or '', error) from error
  if not validates:
    raise errors.UserError(f"get_config() must return an algorithm's config. Received: config={config!r}")
  if seed is not None:
    config.run.seed = seed
  if type(config) is not catalog.config_class(config.algorithm):
    raise errors.UserError(f'config.algorithm must be that of the config, which is a {type(config).__name__}: another algorithm is another '
                           f'config file. Received: config.algorithm={config.algorithm!r}')
  config.validate()
  return config


def stored_config(directory):
  """Returns the config of the run in a `RunDirectory`; a `UserError` where it cannot be used, which names the file."""
  values = directory.read_config()
  try:
    config = run_directory.config_from_dict(catalog.config_class(values.get('algorithm')), values)
    config.validate()
  except errors.UserError as error:
    raise errors.UserError(f'{error} in {directory.config_file}') from error
  return config


def load_tensorflow(algorithm, devices='auto'):
  """Imports TensorFlow and what goes with it, without the notices of dependencies that nobody can act on.

  With the kernels that are faster for `algorithm` on a CPU, where the environment variable does not say otherwise. Some
  notices are written by C++ before any log level counts, so the file descriptor itself is turned away; if an import fails,
  everything that was said is shown.

  Args:
    algorithm: its name.
    devices: of the config. What is compiled for one is kept for the next process; several would
      write the same file at once. None keeps nothing.
  """
  kept = compiled.keep() if devices in ('auto', 'cpu:1', 'gpu:1') else None
  if kept:
    atexit.register(kept.publish)
  # TensorFlow tells of each program that it finds as of an error, in a format that it tries before.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3' if kept and kept.found else '2')
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1' if catalog.prefers_onednn(algorithm) else '0')
  # Old idioms in dependencies: nothing that a user of this package can change.
  warnings.filterwarnings('ignore', category=SyntaxWarning, module='.*__autograph_generated')
  warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
  warnings.filterwarnings('ignore', category=DeprecationWarning, module='(tf_agents|tensorflow_probability|flatbuffers|pygame)')
  sys.stderr.flush()
  kept = os.dup(2)
  with tempfile.TemporaryFile() as said:
    os.dup2(said.fileno(), 2)
    try:
      import tensorflow as tf
      import tf_agents.policies  # noqa: F401
      tf.config.list_physical_devices()  # CUDA is looked for here, and missed aloud
      # With oneDNN, TensorFlow 2.21's remapper fails at elu inside scans, which it tells as errors; it brought no time.
      tf.config.optimizer.set_experimental_options({'remapping': False})
    except BaseException:
      said.seek(0)
      os.write(kept, said.read())
      raise
    finally:
      os.dup2(kept, 2)
      os.close(kept)


def _parse(argv, names):
  """Parses the flags `names`; whatever is wrong becomes a `UserError` of one line."""
  try:
    rest = flags.FLAGS(argv)
  except flags.Error as error:
    if _config_path(argv) is None and any(argument.startswith(_OVERRIDE) for argument in argv):
      raise errors.UserError(
          'Fields can be set only together with --config, which says what they are: to change one '
          'of a run that is there, repeat the command that began it. '
          f'Received: {" ".join(argv[1:])}') from error
    if _RAISED_BY_CONFIG in str(error):  # of an error that was raised while the config's own was handled
      raise _cannot_be_loaded(argv, error.__context__.__context__) from error
    raise errors.UserError(f'{_last_line(error)} (--help lists the flags). Received: {" ".join(argv[1:])}') from error
  except KeyboardInterrupt:
    raise
  except BaseException as error:  # a config is code, and may raise anything, and call sys.exit
    # With a field beside it, a file that is missing is noticed here already.
    given = _config_path(argv)
    if given is not None and not os.path.exists(given.split(':')[0]):
      raise _cannot_be_read(given, error) from error
    _explain_override(argv, error)
    raise _cannot_be_loaded(argv, error) from error
  for name in _SHARED:
    if name not in names and flags.FLAGS[name].present:
      raise errors.UserError(f'This command does not take --{name} (--help lists the flags). Received: {" ".join(argv[1:])}')
  if len(rest) > 1:
    raise errors.UserError(f'Expected flags of the form --name=value. Received: {" ".join(rest[1:])}')


def _with_paths_of_configs(arguments):
  """Returns a command line in which a config's name, or its path from a checkout, became the path of
  its file; a file that is there comes first.
  """
  given = _config_path(arguments)
  named = _name_of_config(given or '')
  if named not in shipped_configs.names() or os.path.exists(given):
    return arguments
  path = str(shipped_configs.names()[named])
  return [path if argument == given else f'--config={path}' if argument == f'--config={given}'
          else argument for argument in arguments]


def _name_of_config(path):
  """Returns `mbmpo/pendulum` for `configs/mbmpo/pendulum.py`, and anything else as it is."""
  return re.sub(r'^configs/(.*)\.py$', r'\1', path)


def _cannot_be_read(given, error):
  """Returns the `UserError` of a config whose file is not there, or not to be read."""
  if given and not pathlib.Path(given).suffix:
    return errors.unknown_name('config', given, shipped_configs.names())
  near = errors.near_names(_name_of_config(given), shipped_configs.names())
  hint = f' Nearest of those that come with mbrl_tf: {", ".join(near)}.' if near else ''
  return errors.UserError(f'The config file cannot be read.{hint} '
                          f'Received: {_last_line(error.__cause__ or error)}')


def _cannot_be_loaded(argv, error):
  """Returns the `UserError` of a config whose code raised `error`: what, and in which of its lines."""
  name = os.path.basename(_config_path(argv) or '').split(':')[0]
  lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if os.path.basename(frame.filename) == name]
  place = f', in line {lines[-1]} of {name}' if lines else ''
  told = f'{type(error).__name__}: {_last_line(error)}{place}'
  if isinstance(error, AttributeError) and error.name == 'get_config' and not lines:
    told = 'it has no function get_config'
  return errors.UserError(f'The config cannot be loaded ({told}). Received: {" ".join(argv[1:])}')


def _explain_override(argv, cause):
  """Raises a `UserError` for the first override of a field that the config does not have."""
  fields = _fields(argv)
  for argument in argv[1:]:
    name = argument[len(_OVERRIDE):].split('=')[0]
    if fields and argument.startswith(_OVERRIDE) and name not in fields:
      # A name is more often put in the wrong part than misspelt, so its last word counts too.
      same_word = [field for field in fields if field.split('.')[-1] == name.split('.')[-1]]
      near = list(dict.fromkeys(same_word + difflib.get_close_matches(name, fields, 5, 0.4)))[:5]
      raise errors.UserError(
          f'The config has no such field. Nearest: {", ".join(near) or "see --help"}. Received: {argument}') from cause


def _fields(argv):
  """Returns `{'run.seed': 0}` and so on of the config that a command line names; empty where it cannot be loaded."""
  path = _config_path(argv)
  if path is None or not os.path.isfile(path):
    return {}
  try:
    return run_directory.flatten(run_directory.config_to_dict(runpy.run_path(path)['get_config']()))
  except Exception:  # of which the flag itself tells
    return {}


def _config_path(argv):
  """Returns what a command line gives as `--config`, or None."""
  path = next((argument.split('=', 1)[1] for argument in argv if argument.startswith('--config=')), None)
  if path is None and '--config' in argv[:-1]:
    path = argv[argv.index('--config') + 1]
  return path


def _last_line(error):
  """Returns what an error says in one line: the last, which is the cause where a traceback was put into the message."""
  return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip().rstrip('.')


def _help(documentation, names, arguments):
  """Returns the help text: documentation, flags, and the fields of the config where one is given."""
  lines = [documentation.strip(), '', 'Flags:']
  for name in names:
    flag = flags.FLAGS[name]
    default = '' if flag.default in (None, False) else f' (default: {flag.default})'
    lines.append(textwrap.fill(f'--{name}: {flag.help}{default}', 110, initial_indent='  ', subsequent_indent='      '))
  if 'config' in names:
    fields = _fields(arguments)
    lines += ['', 'Fields of this config, to be set as --config.NAME=VALUE:' if fields
              else 'Give --config=FILE together with --help to see all fields that can be set as --config.NAME=VALUE.']
    lines += [f'  {name} = {value!r}' for name, value in fields.items()]
  return '\n'.join(lines)
