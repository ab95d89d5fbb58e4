"""Data sets of Minari (minari.farama.org), which need its package."""

import copy
import inspect
import shutil
import warnings

import gymnasium
import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.environments import simulators

PREFIX = 'minari:'
_REPEAT = 'mbrl_tf_action_repeat'  # in the metadata of what is written here
_AT_ONCE = 100  # episodes that are in memory while a data set is written


def episodes(name, native):
  """Returns pairs of a name and a function that reads an episode of a data set on this machine.

  Rows are env steps, unless the data set was exported here with an action repeat.

  Args:
    name: `minari:ID`.
    native: of the task, `native.Native`.

  Raises:
    UserError: Minari is not installed, or has no such data set here.
  """
  minari, found = _library(), name[len(PREFIX):]
  try:
    data = minari.load_dataset(found)
    repeat = int(data.storage.metadata.get(_REPEAT, 1))
  except Exception as error:  # whatever Minari raises of an id or of what is there
    raise errors.UserError(
        f'Minari has no data set that can be read under this id here; `minari download {found}` '
        f'brings one that is published ({type(error).__name__}: {error}). Received: from={name!r}'
    ) from error

  def read(index):
    try:
      episode = next(iter(data.iterate_episodes([index])))
    except Exception as error:  # of what is damaged, h5py raises much
      raise errors.UserError('This episode cannot be read. '
                             f'Received: {type(error).__name__}: {error}') from error
    observation, action = native.flat(episode.observations, episode.actions)
    return types.NativeEpisode(observation, action, episode.rewards, episode.terminations,
                               episode.truncations, repeat)

  return [(f'{name}, episode {index}', lambda index=index: read(index))
          for index in data.episode_indices.tolist()]


def write(name, native, recipe_name, kwargs, found) -> str:
  """Writes a data set, whole or not at all.

  Args:
    name: `minari:ID`, of none that is there.
    native: of the task, `native.Native`.
    recipe_name: of the environment; of one that Gymnasium has registered, the data set tells how to
      make it.
    kwargs: of the environment.
    found: iterator of `types.NativeEpisode`s, one at least.

  Returns:
    The folder of the data set.

  Raises:
    UserError: Minari is not installed, or does not take the id, or has such a data set.
    StorageError: it cannot be written.
  """
  minari, wanted = _library(), name[len(PREFIX):]
  from minari.data_collector.episode_buffer import EpisodeBuffer
  from minari.storage.datasets_root_dir import get_dataset_path
  found = iter(found)
  first = next(found)

  def buffered(episode):
    observations, actions = native.nested(episode)
    return EpisodeBuffer(
        observations=observations, actions=actions, rewards=list(episode.reward),
        terminations=list(episode.terminated), truncations=list(episode.truncated), infos={})

  create = minari.create_dataset_from_buffers
  # Images stay as they are.
  lossless = {'jpeg_encoding': False} if (
      'jpeg_encoding' in inspect.signature(create).parameters) else {}
  place = get_dataset_path(wanted)
  if place.exists():
    raise errors.UserError('Minari has a data set of this id, which stays as it is. '
                           f'Received: to={name!r}')
  try:
    # It warns of each author and link that is not told.
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', UserWarning)
      data = create(wanted, buffer=[buffered(first)], observation_space=native.observation_space,
                    action_space=native.action_space, data_format='hdf5', **lossless)
    _require_kept(name, native, first)
  except Exception as error:  # Minari and h5py raise whatever an id or a key of a space makes them
    shutil.rmtree(place, ignore_errors=True)
    if isinstance(error, OSError):
      raise _not_written(name, error) from error
    raise errors.UserError(
        f'Minari does not take this id, or these spaces ({type(error).__name__}: {error}). '
        f'Received: to={name!r}, observation_space={native.observation_space}, '
        f'action_space={native.action_space}') from error
  try:
    for part in _parts(found):
      data.update_dataset_from_buffer([buffered(episode) for episode in part])
    told = {_REPEAT: first.action_repeat}
    if recipe_name.startswith('gym:') and first.action_repeat == 1:
      told['env_spec'] = _env_spec(recipe_name, kwargs, native.time_limit).to_json()
    data.storage.update_metadata(told)
  except BaseException as error:
    shutil.rmtree(place, ignore_errors=True)
    if isinstance(error, OSError):
      raise _not_written(name, error) from error
    raise
  return str(place)


def _not_written(name, error):
  return errors.StorageError(f'The data set could not be written ({error}), and nothing of it is '
                             f'left. Received: to={name!r}')


def _require_kept(name, native, written):
  """Raises where the only episode of a data set is read as another one than was written."""
  (_, read), = episodes(name, native)
  found = read()
  for part in ('observation', 'action'):
    for key, array in getattr(written, part).items():
      if not np.array_equal(getattr(found, part)[key], array):
        raise ValueError(f'{key} comes back as another array')


def _env_spec(name, kwargs, time_limit):
  """Returns how Gymnasium makes an environment of this id."""
  found = copy.deepcopy(gymnasium.spec(simulators.gym_id(name)))
  found.kwargs.update(kwargs)
  found.max_episode_steps = time_limit or None
  return found


def _parts(found):
  """Yields lists of some episodes each."""
  part = []
  for episode in found:
    part.append(episode)
    if len(part) == _AT_ONCE:
      yield part
      part = []
  if part:
    yield part


def _library():
  """Returns the package; a `UserError` where it is not installed."""
  try:
    import minari
  except ImportError as error:
    raise errors.UserError(
        "Minari's data sets need its package, which `pip install 'minari[hdf5]'` brings, or "
        f'`pip install .[minari]`. Received: {error}') from error
  return minari
