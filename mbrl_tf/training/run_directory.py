"""The folder of one run: its files, its lock, and the config that it was started with."""

import dataclasses
import fcntl
import importlib.metadata
import json
import math
import os
import platform
import re
import typing

import mbrl_tf
from mbrl_tf import errors
from mbrl_tf.data import files

_PACKAGES = ('tensorflow', 'tf-keras', 'tensorflow-probability', 'tf-agents', 'numpy', 'gymnasium', 'mujoco')
# What may change without making it another run, for it changes no number that is learned; `run.seed` may not. Learning rates
# may not either: the optimizers' own are in the checkpoint and would win, and no config would describe the run.
_MAY_CHANGE = ('run.', 'environment.parallel', 'environment.worker_timeout_seconds', 'replay.cache_mib')
_SEED = 'run.seed'
_CHIEFS_LOCK = 'lock'
_LOCK_NAME = re.compile(r'lock(-\d+)?')
_OWNER = re.compile(r'(process \d+ on .*)?')  # what a lock says
_CONFIG_BEGINS = '{\n  "algorithm": '  # as `write_config` writes it
# what a killed writer may have left half
_PARTIAL_NAMES = r'config\.json|imported\.json|metrics\.jsonl|evaluate-\d+(-[0-9a-f]{8})?\.gif'
_NOT_FINITE = '$float'  # see `to_json`


class Imported(typing.NamedTuple):
  """The episodes of a run that were there before it collected any.

  Attributes:
    episodes: how many, from the first on.
    sources: for each import, in order, a dict: `from`, a list of what was named, `episodes`,
      `decisions`, and `sha256`, of the content of each episode.
  """
  episodes: int = 0
  sources: tuple = ()


def to_json(content) -> str:
  """Returns content as JSON that any reader takes.

  JSON has no numbers that are not finite: infinity, its negative and NaN are written as `{"$float": "inf"}`, `"-inf"`
  and `"nan"`. `from_json` gives the numbers back.
  """
  return json.dumps(_encoded(content), indent=2, allow_nan=False) + '\n'


def from_json(text: str):
  """Returns the content of which `to_json` made this text.

  Raises:
    ValueError: where it is no JSON.
  """
  return json.loads(text, object_hook=lambda value: float(value[_NOT_FINITE]) if value.keys() == {_NOT_FINITE} else value)


def config_to_dict(config) -> dict:
  """Returns a dataclass tree as dicts, lists and plain values: what JSON holds, and numbers that are not finite."""
  return from_json(to_json(dataclasses.asdict(config)))


def config_from_dict(config_class, values: dict):
  """Returns the dataclass tree that `config_to_dict` took apart; fields that are absent get their defaults.

  Raises:
    UserError: where a name is no field.
  """
  fields = {field.name: field for field in dataclasses.fields(config_class)}
  hints = typing.get_type_hints(config_class)
  arguments = {}
  for name, value in values.items():
    if name not in fields:
      raise errors.unknown_name(f'field of {config_class.__name__}', name, fields)
    if dataclasses.is_dataclass(hints[name]):
      if not isinstance(value, dict):
        raise errors.UserError(f'This part of a config must hold fields by name. Received: {name}={value!r}')
      value = config_from_dict(hints[name], value)
    elif isinstance(value, list):
      value = _as_tuples(value)
    arguments[name] = value
  return config_class(**arguments)


def flatten(values: dict, prefix: str = '') -> dict:
  """Returns `{'run.seed': 1}` of `{'run': {'seed': 1}}`. Empty dicts stay values."""
  flat = {}
  for name, value in values.items():
    if isinstance(value, dict) and value:
      flat.update(flatten(value, f'{prefix}{name}.'))
    else:
      flat[f'{prefix}{name}'] = value
  return flat


class RunDirectory:
  """Paths and the lock; usable in a `with` statement, which holds the lock.

  Attributes:
    path: of the folder.
    checkpoints, episodes, metrics, config_file, imported_file: paths inside it.
  """

  def __init__(self, path, host=0):
    """Creates nothing yet.

    Args:
      path: the folder.
      host: the number of this host, of which each has a lock of its own.
    """
    self.path = files.local_path(path, 'run_dir')
    self.checkpoints = self.path / 'checkpoints'
    self.episodes = self.path / 'episodes'
    self.metrics = self.path / 'metrics.jsonl'
    self.config_file = self.path / 'config.json'
    self.imported_file = self.path / 'imported.json'
    self._lock = None
    self._host = host

  def __enter__(self):
    """Makes this process its host's only one in the folder, until it ends in whatever way: the system then takes the lock.

    Raises:
      UserError: where another process owns it, it cannot be created, or the folder holds something
        else than a run; nothing in it is changed then.
    """
    lock = self.path / (f'lock-{self._host}' if self._host else _CHIEFS_LOCK)
    try:
      self._require_own()
      self.path.mkdir(parents=True, exist_ok=True)
      self._lock = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), 'r+')
    except OSError as error:
      raise errors.UserError(f'The run directory cannot be written ({error}). Received: run_dir={str(self.path)!r}') from error
    try:
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      self._lock.seek(0)
      owner = self._lock.read().strip()
      self._lock.close()
      raise errors.UserError(
          f'Another process trains in this run directory{f" ({owner})" if owner else ""}, and two would overwrite each other. '
          f'Received: run_dir={str(self.path)!r}') from error
    except OSError as error:
      self._lock.close()
      raise errors.UserError(f'This file system has no locks, and without one two trainers could overwrite each other ({error.strerror}). '
                             f'Received: run_dir={str(self.path)!r}') from error
    with files.writing(lock):  # who it is, for the message above; the lock itself is the system's
      self._lock.truncate(0)
      self._lock.write(f'process {os.getpid()} on {platform.node()}')
      self._lock.flush()
      os.fsync(self._lock.fileno())  # other hosts read it
    return self

  def __exit__(self, *unused):
    self._lock.close()  # which releases it

  def _require_own(self):
    """Raises a `UserError` where the folder may not be written: it is neither absent, empty nor a
    run's, or leads elsewhere.
    """
    if not self.path.is_dir():
      return
    locks = [path for path in self.path.iterdir() if _LOCK_NAME.fullmatch(path.name)]
    lasting = [self.config_file, self.imported_file, self.metrics, self.checkpoints, self.episodes,
               *self.episodes.glob('shard-*'), *locks]
    links = [str(path.relative_to(self.path)) for path in lasting if path.is_symlink()]
    if links:
      raise errors.UserError(
          'A run writes into its own folder alone and follows no links out of it: put the files '
          'themselves there. '
          f'Received: run_dir={str(self.path)!r}, links={links}')
    is_run = self.config_file.exists() and 'algorithm' in self.read_config()
    found = sorted(path.name for path in self.path.iterdir() if not _is_own(path, is_run))
    if found:
      raise errors.UserError(
          'A run begins in a folder that is absent or empty, and goes on where its config.json is. '
          'This one holds something else '
          f'({", ".join(found[:3])}{", ..." if len(found) > 3 else ""}), which stays as it is: '
          'choose another --run_dir. '
          f'Received: run_dir={str(self.path)!r}')

  def remove_partial(self):
    """Removes what a killed process left half written directly in the folder. For the owner of the
    run alone.
    """
    files.remove_partial(self.path, _PARTIAL_NAMES)

  def chief(self) -> str:
    """Returns which process is the first of the hosts that train here, as this host sees it; empty where it sees none."""
    try:
      return (self.path / _CHIEFS_LOCK).read_text()
    except OSError:
      return ''

  def runs_near(self):
    """A sentence on the runs in this folder, or on those beside it that are called nearly so; ''
    where there are none."""
    def runs(folder):
      try:
        return sorted(path.name for path in folder.iterdir() if (path / 'config.json').is_file())
      except OSError:
        return []
    if runs(self.path):
      return f' Runs in this folder: {", ".join(runs(self.path)[:5])}.'
    near = errors.near_names(self.path.name, runs(self.path.parent))
    return f' Nearest beside it: {", ".join(near)}.' if near else ''

  def read_config(self) -> dict:
    """Returns the config as `config_to_dict` gave it.

    Raises:
      UserError: where there is none.
    """
    try:
      content = from_json(self.config_file.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
      raise errors.UserError(f'There is no run here: config.json is missing.{self.runs_near()} '
                             f'Received: run_dir={str(self.path)!r}') from error
    except (OSError, ValueError, TypeError) as error:
      raise errors.UserError(f'config.json cannot be read ({error}). Received: run_dir={str(self.path)!r}') from error
    config = content.get('config') if isinstance(content, dict) else None
    if not isinstance(config, dict):
      raise errors.UserError(f"config.json is not as a run wrote it: 'config' with its fields is missing. "
                             f'Received: run_dir={str(self.path)!r}')
    return config

  def imported(self) -> Imported:
    """Returns what was imported; nothing where there is no `imported.json`.

    Raises:
      UserError: it is not as `write_imported` wrote it.
    """
    try:
      content = from_json(self.imported_file.read_text())
      found = Imported(content['episodes'], tuple(content['sources']))
      if sum(len(source['sha256']) for source in found.sources) != found.episodes:
        raise ValueError('its sources have not as many episodes as it says')
    except (FileNotFoundError, NotADirectoryError):
      return Imported()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
      raise errors.UserError(
          f'{self.imported_file.name} cannot be read, so nobody knows which episodes the run began '
          f'with ({type(error).__name__}: {error}). Received: run_dir={str(self.path)!r}') from error
    return found

  def write_imported(self, imported: Imported):
    """Writes `imported.json`, which makes its episodes the run's.

    Raises:
      StorageError: where the file cannot be written.
    """
    files.write_atomically(self.imported_file, to_json(imported._asdict()).encode())

  def check_config(self, config):
    """Checks that the folder holds no run, or one that goes on with this config.

    How long to train, when to evaluate and when to checkpoint may change; whatever influences the numbers may not.

    Raises:
      UserError: where the folder belongs to a run with another config; every field is told as `name: was -> is`.
    """
    if self.config_file.exists():
      stored = self.read_config()
      if stored.get('algorithm') == config.algorithm:
        # Through the class, so that a field that is newer than the file counts with its default.
        try:
          stored = config_to_dict(config_from_dict(type(config), stored))
        except errors.UserError as error:
          raise errors.UserError(f'{error} in {self.config_file}') from error
        _check_same(stored, config_to_dict(config), self.path)
      else:
        _check_same({'algorithm': stored.get('algorithm')}, {'algorithm': config.algorithm}, self.path)

  def write_config(self, config):
    """Writes the resolved config and versions.

    Raises:
      UserError: as `check_config`.
      StorageError: where the file cannot be written.
    """
    self.check_config(config)
    content = {'algorithm': config.algorithm, 'config': config_to_dict(config), 'versions': versions()}
    files.write_atomically(self.config_file, to_json(content).encode())


def _is_own(path, is_run):
  """Whether something directly in a folder is a run's: in one that is no run yet, what was there
  before its config.json.
  """
  if _LOCK_NAME.fullmatch(path.name):
    return is_run if path.is_dir() else bool(_OWNER.fullmatch(_beginning(path)))
  if path.name in ('checkpoints', 'episodes') and path.is_dir():
    return is_run or not any(path.iterdir())  # somebody made room, and nothing can be lost
  return is_run or (path.name == 'config.json.partial'
                    and _CONFIG_BEGINS.startswith(_beginning(path)[:len(_CONFIG_BEGINS)]))


def _beginning(path):
  """Returns the first characters of a file; a zero where there are none to be read."""
  try:
    with open(path, errors='replace') as file:
      return file.read(1000)
  except OSError:
    return '\0'


def versions() -> dict:
  """Returns the versions of what a result depends on."""
  found: typing.Dict[str, typing.Optional[str]] = {
      'python': platform.python_version(), 'mbrl_tf': mbrl_tf.__version__}
  for package in _PACKAGES:
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      found[package] = None
  return found


def _check_same(old, new, path):
  """Raises where two configs differ in what may not change between a run and its continuation."""
  old, new = flatten(old), flatten(new)
  different = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
  fixed = [name for name in different if name == _SEED or not name.startswith(_MAY_CHANGE)]
  if fixed:
    changes = ', '.join(f'{name}: {old.get(name)!r} -> {new.get(name)!r}' for name in fixed)
    raise errors.UserError(
        f'The run directory holds a run with another config ({changes}); continue it with its own '
        f'config, for which --run_dir alone is enough, or choose another --run_dir. Received: run_dir={str(path)!r}')


def _encoded(value):
  """Returns content with what JSON has no number for as `to_json` tells."""
  if isinstance(value, dict):
    return {name: _encoded(item) for name, item in value.items()}
  if isinstance(value, (list, tuple)):
    return [_encoded(item) for item in value]
  return {_NOT_FINITE: repr(float(value))} if isinstance(value, float) and not math.isfinite(value) else value


def _as_tuples(value):
  """Returns lists as tuples: JSON knows lists only, and configs hold tuples only."""
  return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value
