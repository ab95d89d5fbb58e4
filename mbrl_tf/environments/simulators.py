"""From a name to one simulator, as a picklable recipe that a worker process can follow without TensorFlow."""

import contextlib
import copy
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import math
import multiprocessing
import numbers
import os
import sys
import traceback
from typing import Any, Mapping, Optional

import gymnasium
from gymnasium import spaces, wrappers as gym_wrappers
from gymnasium.envs import registration
import numpy as np

from mbrl_tf import errors
from mbrl_tf.environments import (
    actions, dm_control, guests, mujoco_setup, observing, pixels, placeholders, rendering, toy,
    wrappers)

# What Gymnasium's own tasks import that it does not bring, by the module that has them.
_NEEDED = {'box2d': 'Box2D', 'phys2d': 'jax', 'tabular': 'jax'}
_KINDS = ('gym', 'dmc', 'toy')  # before the colon of a name; anything else is a user's module


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How to build one simulator with all its wrappers. Calling it builds.

  Attributes:
    name: as given to the catalog.
    kwargs: of the simulator; see `placeholders.filled` for what differs from one to another.
    time_limit: env steps per episode; 0 keeps the simulator's own.
    action_repeat: env steps per decision.
    seed: of the whole group of simulators.
    index: which simulator of the group this is.
    render_mode: None or `rgb_array`.
    observation: `vectors` (what the simulator observes by itself), `pixels` or `both`.
    image_size: of square images, in pixels.
    camera: number of the camera that draws, in MuJoCo tasks; -1 is the task's own choice.
    images: what is taken for an image, see `observing.Observing`.
    gl: value of MUJOCO_GL for a worker that draws; None leaves the variable alone.
    beside_tensorflow: whether a worker has TensorFlow, and so must not draw, as the main process
      must not.
    place: which simulator of the run this is, those included that evaluate; None where it is the
      index.
  """
  name: str
  kwargs: Mapping[str, Any]
  time_limit: int = 0
  action_repeat: int = 1
  seed: int = 0
  index: int = 0
  render_mode: Optional[str] = None
  observation: str = 'vectors'
  image_size: int = 64
  camera: int = -1
  images: str = observing.AUTO
  gl: Optional[str] = None
  beside_tensorflow: bool = False
  place: Optional[int] = None

  @property
  def renders(self):
    """Whether frames are drawn, to be observed or to be shown."""
    return self.render_mode is not None or self.observation != 'vectors'

  def __call__(self):
    """Returns the wrapped `gymnasium.Env`."""
    return self._built(self.wrap)

  def bare(self):
    """Returns the `gymnasium.Env` as its maker gave it, for who wants to see what our wrappers
    would mend or refuse.
    """
    return self._built(lambda env: env)

  def _built(self, finish):
    """Returns what `finish` makes of the simulator, where it may draw or must not."""
    in_worker = multiprocessing.parent_process() is not None and not self.beside_tensorflow
    if in_worker and self.gl:
      rendering.use(self.gl)  # before mujoco is imported
    render_mode = 'rgb_array' if self.renders else None
    if render_mode and not renders_without_gl(self.name):
      # One is built in the calling process too, only to read its spaces: that one must not load a software renderer
      # beside TensorFlow.
      if in_worker:
        self._prepare_rendering()
      else:
        render_mode = None
    # A user's simulator may draw on its own in a worker, but not in this process, where TensorFlow is.
    may_draw = render_mode or (in_worker and is_users(self.name))
    with contextlib.nullcontext() if may_draw else mujoco_setup.without_gl():
      return finish(build(self.name, self._simulator_kwargs(), render_mode))

  def _simulator_kwargs(self):
    """Returns the user's keyword arguments, after those that size and aim what MuJoCo draws."""
    drawing = {}
    if self.observation != 'vectors' and is_mujoco(self.name):
      drawing = {'width': self.image_size, 'height': self.image_size}
    if self.camera >= 0:
      if not is_mujoco(self.name):
        raise errors.UserError(
            f'Cameras can be chosen in the MuJoCo tasks of gym: and dmc: alone, so not in {self.name}. '
            f'Received: camera={self.camera}')
      drawing['camera_id'] = self.camera
    place = self.index if self.place is None else self.place
    # a simulator may change what it is given
    return {**drawing, **placeholders.filled(copy.deepcopy(dict(self.kwargs)), place)}

  def _prepare_rendering(self):
    """Makes sure that TensorFlow is not here, and that nothing looks for a display."""
    if has_factory(self.name):
      factory(self.name)
    elif is_users(self.name):
      gym_id(self.name)
    if 'tensorflow' in sys.modules:
      raise errors.UserError(
          f'A process that renders {self.name} has imported TensorFlow, and the two in one process crash. Keep TensorFlow '
          'out of the module of the simulator and out of the top of the main script (import it inside a function), and '
          "name functions that need it as strings: reward_function = 'my.functions:reward'. "
          f'Received: render_mode={self.render_mode!r}, observation={self.observation!r}')
    # Frames come back as arrays: Gymnasium's classic tasks need neither window nor sound to draw them.
    os.environ.setdefault('SDL_VIDEODRIVER', 'dummy')
    os.environ.setdefault('SDL_AUDIODRIVER', 'dummy')

  def wrap(self, env):
    """Returns a simulator of this recipe with all its wrappers; a UserError where it cannot be
    used.
    """
    time_limit = self.time_limit or own_time_limit(self.name, env)
    observed = getattr(env, 'observation_space', None)
    if not isinstance(observed, spaces.Space):
      raise errors.UserError(f'{self.name} must tell what it observes, as a '
                             f'gymnasium.spaces.Space. Received: observation_space={observed!r}')
    env = actions.ConvertActions(wrappers.CheckAnswers(env, self.name), self.name)
    env = wrappers.LimitTime(env, time_limit)
    env = wrappers.RepeatActions(env, self.action_repeat)
    if self.observation != 'vectors':
      env = pixels.AddImages(env, self.name, self.observation, self.image_size)
    env = wrappers.CheckObservations(env, self.name, self._images())
    return wrappers.SeedEpisodes(env, self.name, self.seed, self.index)

  def _images(self):
    """Returns what is taken for an image; a frame that is drawn is one, however small."""
    return self.images if self.observation == 'vectors' else f'{pixels.KEY}=hwc,{self.images}'


def build(name, kwargs, render_mode=None):
  """Returns the bare `gymnasium.Env` that `name` stands for.

  Args:
    name: `gym:<id>`, `gym:<module>:<id>`, `dmc:<domain>_<task>`, `toy:<name>` or
      `my.module:factory`.
    kwargs: keyword arguments of the simulator.
    render_mode: handed to the simulator when not None.

  Raises:
    UserError: unknown name, or keyword arguments that the simulator does not take.
  """
  kwargs = dict(kwargs)
  if render_mode:
    kwargs['render_mode'] = render_mode
  kind, _, rest = name.partition(':')
  if kind == 'gym':
    return _build_gym(name, kwargs, bool(render_mode))
  maker = _dmc_maker(rest, bool(render_mode)) if kind == 'dmc' else toy.TOYS.get(rest) if kind == 'toy' else factory(name)
  if maker is None:
    raise errors.unknown_name('environment', name, names())
  _require_frames(name, maker, render_mode)
  _check_kwargs(name, maker, kwargs)
  with _building(name, kwargs):
    env = maker(**kwargs)
  if not isinstance(env, gymnasium.Env):
    raise errors.UserError(
        f"The factory {name} must return a gymnasium.Env; shimmy makes one of an old gym's. "
        f'Received: {type(env).__name__}={env!r}')
  return env


def names():
  """Returns all names that are known without importing the user's modules, sorted."""
  kinds = {'gym': gymnasium.registry, 'dmc': dm_control.tasks(), 'toy': toy.TOYS}
  return sorted(f'{kind}:{name}' for kind, known in kinds.items() for name in known)


def is_task(name):
  """Whether there is a task behind one of `names()`: Gymnasium keeps some that only say what to
  install.
  """
  return isinstance(_entry_point(name), str)


def lacking(name):
  """Returns the package that the task needs and that is not installed; '' where there is none."""
  for module, package in _NEEDED.items():
    needs = _entry_point(name).startswith(f'gymnasium.envs.{module}.')
    if needs and importlib.util.find_spec(package) is None:
      return package
  return ''


def _entry_point(name):
  """Returns where Gymnasium finds a task: `module:name`, or what it calls; '' for other tasks."""
  kind, _, given = name.partition(':')
  return gymnasium.spec(given).entry_point if kind == 'gym' else ''


def has_factory(name):
  """Whether `name` is a user's `my.module:factory`."""
  return name.partition(':')[0] not in _KINDS


def is_users(name):
  """Whether `name` brings code of its own: a `my.module:factory`, or a `gym:<module>:<id>`."""
  return has_factory(name) or (name.startswith('gym:') and name.count(':') > 1)


def gym_id(name):
  """Returns the id in `gym:<id>` or `gym:<module>:<id>`, of which the module, which registers it,
  is imported before; a UserError where it cannot be.
  """
  module, _, found = name.partition(':')[2].rpartition(':')
  if module:
    _imported(module, name)
  return found


def _imported(module_name, name):
  """Returns a module that the name of an environment begins with."""
  try:
    return importlib.import_module(module_name)
  except ModuleNotFoundError as error:
    raise errors.UserError(
        'The name of this environment begins with a module, as all do but gym:<id>, dmc: and toy:, '
        f"and it cannot be found on Python's path ({error}). Received: environment={name!r}"
    ) from error
  except KeyboardInterrupt:
    raise
  except BaseException as error:  # a user's module may raise anything, and call sys.exit
    raise errors.UserError(
        f'The module of this environment cannot be imported ({type(error).__name__}: {error}). Received: environment={name!r}') from error


def factory(name):
  """Returns the callable that `my.module:factory` names, or a UserError that says what is missing."""
  module_name, _, attribute = name.partition(':')
  if not attribute:
    raise errors.unknown_name('environment', name, names())
  module = _imported(module_name, name)
  if not callable(getattr(module, attribute, None)):
    known = [f'{module_name}:{key}' for key, value in vars(module).items() if callable(value) and not key.startswith('_')]
    raise errors.unknown_name('environment', name, known or names())
  return getattr(module, attribute)


def renders_without_gl(name):
  """Whether rendering `name` is plain numpy, and so is safe beside TensorFlow."""
  return name.startswith('toy:')


def own_time_limit(name, env):
  """Returns the limit in env steps that a simulator (by its id, or an attribute `time_limit`) or its
  factory brings, 0 where none does.
  """
  if name.startswith('gym:'):
    registered = gymnasium.spec(gym_id(name)).max_episode_steps
    if registered:
      return int(registered)
  for attribute in ('time_limit', '_max_episode_steps'):
    if env.has_wrapper_attr(attribute):
      return _as_time_limit(env.get_wrapper_attr(attribute), name)
  return _as_time_limit(getattr(factory(name), 'time_limit', 0), name) if has_factory(name) else 0


def _as_time_limit(value, name):
  """Returns what a simulator tells as its limit as whole env steps; 0 for None and infinity, which
  are none.
  """
  value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
  if value is None or (isinstance(value, float) and value == math.inf):
    return 0
  is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
  if not is_number or not math.isfinite(value) or value < 0 or value != int(value):
    raise errors.UserError(
        f'The time limit of {name} must be a whole number of env steps, as an attribute; it can be '
        'given as environment.time_limit instead, '
        f'too. Received: time_limit={value!r}')
  return int(value)


def _build_gym(name, kwargs, renders):
  found = gym_id(name)
  if found not in gymnasium.registry:
    if is_users(name):
      module = name.split(':')[1]
      raise errors.UserError(f'Importing {module} registers no environment of this id with Gymnasium. '
                             f'Received: environment={name!r}')
    raise _unregistered(name)
  if is_mujoco(name):
    mujoco_setup.load('mujoco', renders)
  if is_users(name):
    _require_frames(name, _gym_maker(found), renders)
  with _building(name, kwargs):
    # The time limit is a wrapper of our own; gymnasium's checker and order enforcement cost more than a cheap simulator.
    env = gymnasium.make(found, max_episode_steps=-1, disable_env_checker=True, **kwargs)
  if is_mujoco(name) and hasattr(env.unwrapped, 'model'):
    mujoco_setup.prepare_model(env.unwrapped.model, kwargs.get('camera_id'))
  return env.env if isinstance(env, gym_wrappers.OrderEnforcing) else env


def _unregistered(name):
  """Returns the error of an id that nobody has registered with Gymnasium."""
  told = str(errors.unknown_name('environment', name, names()))
  before, _, received = told.rpartition('Received: ')
  return errors.UserError(
      f'{before}An id that a package registers is found where its module is imported first: '
      f'gym:MODULE:ID. Received: {received}')


def _dmc_maker(name, renders):
  """Returns the callable that builds a task of the DM Control suite, or None where there is none of this name."""
  return functools.partial(dm_control.SuiteTask, name) if name in dm_control.tasks(renders) else None


@contextlib.contextmanager
def _building(name, kwargs):
  """Tells keyword arguments that a simulator does not take from its other faults, which come with its own traceback."""
  try:
    yield
  except TypeError as error:
    raise errors.UserError(f'{name} does not take these keyword arguments ({error}). Received: kwargs={kwargs}') from error
  except guests.PASSING:
    raise
  except gymnasium.error.DependencyNotInstalled as error:
    raise wrappers.missing_package(name, error) from error
  except BaseException as error:
    advice = ''
    if is_users(name) and os.environ.get('MUJOCO_GL') == 'disable' and 'mujoco' in sys.modules:
      advice = ('One is built in the main process, to read its spaces, and MuJoCo draws nothing beside TensorFlow: if it is a renderer that '
                'failed, make it at the first frame instead of in the constructor. ')
    raise errors.SimulatorError(
        f'{name} cannot be built.\n{traceback.format_exc()}{advice}'
        f'Received: kwargs={kwargs}, {type(error).__name__}={str(error)!r}') from error


def takes_render_mode(name):
  """Whether what makes a simulator can be asked for frames; True where its signature does not
  say."""
  if not is_users(name):
    return True
  return _takes_render_mode(_gym_maker(gym_id(name)) if name.startswith('gym:') else factory(name))


def _gym_maker(found):
  """Returns what Gymnasium calls to make the environment of an id; None where it does not say."""
  entry = gymnasium.registry[found].entry_point if found in gymnasium.registry else None
  return registration.load_env_creator(entry) if isinstance(entry, str) else entry


def _takes_render_mode(maker):
  try:
    parameters = inspect.signature(maker).parameters.values()
  except (TypeError, ValueError):
    return True
  return any(each.name == 'render_mode' or each.kind == each.VAR_KEYWORD for each in parameters)


def _require_frames(name, maker, asked):
  """Raises where frames are asked for, and what makes a simulator takes no `render_mode`."""
  if asked and not _takes_render_mode(maker):
    raise errors.UserError(
        f"{name} draws no frames: what makes it takes no render_mode. With render_mode='rgb_array' "
        f'its render() is to return them. Received: environment={name!r}')


def _check_kwargs(name, maker, kwargs):
  try:
    inspect.signature(maker).bind(**kwargs)
  except TypeError as error:
    raise errors.UserError(f'{name} does not take these keyword arguments ({error}). Received: kwargs={kwargs}') from error


def draws_itself(name, observation):
  """Whether a simulator observes images, however small, which it draws itself.

  Args:
    name: of a simulator; those of the suite and the toys draw nothing that is not asked for.
    observation: of its `EnvironmentSpec`, as it is without images that are asked for.
  """
  observed = observation.values() if isinstance(observation, dict) else [observation]
  in_rows = (array.dtype == 'uint8' and len(array.shape) > 1 for array in observed)
  return name.partition(':')[0] not in ('dmc', 'toy') and any(in_rows)


def needs_gl(name):
  """Whether rendering `name` needs an OpenGL back end for MuJoCo."""
  return is_mujoco(name) or (is_users(name) and 'mujoco' in sys.modules)


def is_mujoco(name):
  """Whether `name` is a MuJoCo task that is registered with Gymnasium, or one of the DM Control suite."""
  if not name.startswith('gym:'):
    return name.startswith('dmc:')
  found = gym_id(name)
  return found in gymnasium.registry and 'mujoco' in str(gymnasium.spec(found).entry_point)
