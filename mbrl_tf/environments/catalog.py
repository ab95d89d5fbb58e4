"""Environments by name."""

import dataclasses
import logging
import math
import numbers
from typing import NamedTuple, Optional

from mbrl_tf import errors, types
from mbrl_tf.environments import base, guests, hosts, native, parallel as parallel_simulators
from mbrl_tf.environments import observing, pixels, rendering, simulators, vectorized


class Facts(NamedTuple):
  """What one simulator tells of its task.

  Attributes:
    spec: of the task.
    render_fps: steps in a second of the simulator's own time; None where it does not tell.
    native: reads and writes episodes in the simulator's own arrays.
  """
  spec: types.EnvironmentSpec
  render_fps: Optional[float]
  native: native.Native


def draws_frames(name) -> bool:
  """Whether what makes a simulator takes `render_mode`, without which it draws no frames."""
  return simulators.takes_render_mode(name)


def facts(name, kwargs=None, time_limit=0, action_repeat=1, observation='vectors', image_size=64,
          camera=-1, images=observing.AUTO, place=0) -> Facts:
  """Returns what a simulator tells, of which one is built for a moment, in this process.

  Args:
    name, kwargs, time_limit, action_repeat, observation, image_size, camera, images: see `make`.
    place: of the simulator, see `make`.

  Raises:
    UserError, SimulatorError: as `make`.
  """
  return _facts(simulators.Recipe(
      name, dict(kwargs or {}), time_limit, action_repeat, observation=observation,
      image_size=image_size, camera=camera, images=images, place=place))


def make(name, num_envs=1, seed=0, kwargs=None, time_limit=0, action_repeat=1, parallel='auto', render_mode=None,
         observation='vectors', image_size=64, camera=-1, worker_timeout_seconds=300.0, first_index=0,
         images=observing.AUTO, first_place=None, known=None):
  """Returns N simulators of one task as a `vectorized.VectorizedEnvironment`.

  Args:
    name: `gym:<id>`, `gym:<module>:<id>` where the module is to be imported first, such as the one
      that registers the id, `dmc:<domain>_<task>`, `toy:<name>`, or `my.module:factory`, a callable
      that returns a `gymnasium.Env`.
    num_envs: how many simulators.
    seed: decides, with the simulator's index and the episode's number, how each episode begins.
    kwargs: keyword arguments of the simulator. In texts, `{index}` stands for its place, see
      `placeholders.filled`.
    time_limit: env steps per episode; 0 keeps the simulator's own.
    action_repeat: env steps per decision.
    parallel: `processes`, `in_process`, or `auto`: what is faster, and `processes` where frames may be drawn (see
      `parallel.choose`).
    render_mode: None, or `rgb_array` where `render` is to be called.
    observation: `vectors`: what the simulator observes; `pixels`: `{'image': uint8 [image_size, image_size, 3]}`, drawn
      once per decision; `both`: the image, and beside it the vector as `vector`, or the entries of the simulator's dict.
    image_size: of images that are observed, in pixels.
    camera: number of the camera, in MuJoCo tasks; -1 is the task's own choice.
    worker_timeout_seconds: after which a worker process that gives no answer is restarted.
    first_index: of the first simulator, where others of the same run are elsewhere.
    images: what is taken for an image, see `observing.Observing`.
    first_place: of the first simulator among all of a run, those included that evaluate; None where
      it is the first index.
    known: the `Facts` of the task, where one simulator has told them already.

  Raises:
    UserError: an argument that cannot be used, an unknown name (the nearest are listed), or a space not supported.
    SimulatorError: a simulator could not be built.
  """
  _check(num_envs=(num_envs, 1), seed=(seed, 0), time_limit=(time_limit, 0), action_repeat=(action_repeat, 1),
         image_size=(image_size, 1), camera=(camera, -1))
  if not worker_timeout_seconds > 0:
    raise errors.UserError(
        f'A worker needs time for its answers. Received: worker_timeout_seconds={worker_timeout_seconds!r}')
  if observation not in pixels.OBSERVATIONS:
    raise errors.unknown_name('observation', observation, pixels.OBSERVATIONS)
  if render_mode not in (None, 'rgb_array'):
    raise errors.UserError(f"render_mode must be None or 'rgb_array'. Received: render_mode={render_mode!r}")
  first_place = first_index if first_place is None else first_place
  recipe = simulators.Recipe(name, dict(kwargs or {}), time_limit, action_repeat, seed, 0, render_mode, observation,
                             image_size, camera, images, place=first_place)
  spec, render_fps, _ = known or _facts(recipe)
  draws_itself = simulators.draws_itself(name, spec.observation)
  kind = parallel_simulators.choose(parallel, recipe, draws_itself)
  gl = _back_end(recipe, draws_itself) if simulators.needs_gl(name) else None
  recipes = [dataclasses.replace(
      recipe, index=first_index + index, gl=gl, place=first_place + index)
             for index in range(num_envs)]
  simulated = (parallel_simulators.InProcess(recipes) if kind == 'in_process'
               else parallel_simulators.Processes(recipes, worker_timeout_seconds))
  return vectorized.VectorizedEnvironment(spec, simulated, num_envs, render_mode, render_fps)


def _facts(recipe):
  """Returns the `Facts` of a simulator; builds one for it."""
  host = hosts.Local(recipe)
  host.start()
  host.answer()
  try:
    with guests.blamed(f'{recipe.name} cannot be described'):
      metadata = host.env.metadata
      render_fps = metadata.get('render_fps') if isinstance(metadata, dict) else None
      is_rate = isinstance(render_fps, numbers.Real) and 0 < render_fps < math.inf
      return Facts(
          base.read_spec(host.env, recipe), float(render_fps) if is_rate else None,
          native.Native(host.env, recipe.name, recipe.action_repeat))
  finally:
    host.end()


def _back_end(recipe, draws_itself):
  """Returns the OpenGL back end for workers, or None; an error where frames are asked for and there is none."""
  try:
    return rendering.back_end() if recipe.renders or draws_itself else None
  except errors.UserError as error:
    if recipe.renders:
      raise
    # What it draws its images with is its own affair.
    logging.getLogger(__name__).warning('If %s draws with MuJoCo: %s', recipe.name, error)
    return None


def _check(**arguments):
  for name, (value, least) in arguments.items():
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
      raise errors.UserError(f'{name} must be a whole number of at least {least}. Received: {name}={value!r}')
