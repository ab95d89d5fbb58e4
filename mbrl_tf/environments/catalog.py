"""Environments by name."""

import numbers

from mbrl_tf import errors
from mbrl_tf.environments import base, parallel as parallel_simulators, rendering, simulators, vectorized


def make(name, num_envs=1, seed=0, kwargs=None, time_limit=0, action_repeat=1, parallel='auto', render_mode=None):
  """Returns N simulators of one task as a `vectorized.VectorizedEnvironment`.

  Args:
    name: `gym:<id>`, `toy:<name>`, or `my.module:factory`, a callable that returns a `gymnasium.Env`.
    num_envs: how many simulators.
    seed: decides, with the simulator's index and the episode's number, how each episode begins.
    kwargs: keyword arguments of the simulator.
    time_limit: env steps per episode; 0 keeps the simulator's own.
    action_repeat: env steps per decision.
    parallel: `processes`, `in_process`, or `auto`: what is faster (see `_choose`).
    render_mode: None or `rgb_array`.

  Raises:
    UserError: an argument that cannot be used, an unknown name (the nearest are listed), or a space not supported.
    SimulatorError: a worker could not build its simulator.
  """
  _check(num_envs=(num_envs, 1), seed=(seed, 0), time_limit=(time_limit, 0), action_repeat=(action_repeat, 1))
  if render_mode not in (None, 'rgb_array'):
    raise errors.UserError(f"render_mode must be None or 'rgb_array'. Received: render_mode={render_mode!r}")
  recipe = simulators.Recipe(name, dict(kwargs or {}), time_limit, action_repeat, seed)
  example = recipe()
  spec = base.read_spec(example, recipe)
  example.close()
  kind = _choose(parallel, name, render_mode)
  gl = rendering.back_end() if render_mode and simulators.needs_gl(name) else None
  recipes = [simulators.Recipe(name, recipe.kwargs, time_limit, action_repeat, seed, index, render_mode, gl)
             for index in range(num_envs)]
  return vectorized.VectorizedEnvironment(spec, kind(recipes), num_envs, render_mode, example.metadata.get('render_fps'))


def _choose(parallel, name, render_mode):
  """Returns the class that runs the simulators.

  In this process unless frames are drawn. Env steps per second on 2 busy cores with 20 simulators, in process against in
  processes: point_mass 33,000 and 2,100; HalfCheetah 6,700 and 2,400; Hopper 3,200 and 1,800; Ant 1,800 and 1,400;
  Humanoid 1,800 and 1,400: the way through a pipe costs more than these simulators. Threads were slower than one.
  What renders with GL must not share a process with TensorFlow.
  """
  kinds = {'in_process': parallel_simulators.InProcess, 'processes': parallel_simulators.Processes}
  must_leave = render_mode is not None and not simulators.renders_without_gl(name)
  if parallel == 'auto':
    return kinds['processes' if must_leave else 'in_process']
  if parallel not in kinds:
    raise errors.unknown_name('parallel', parallel, [*kinds, 'auto'])
  if parallel == 'in_process' and must_leave:
    raise errors.UserError(
        f'{name} cannot render in this process, because software rendering and TensorFlow in one process crash; use '
        f"parallel='processes' or 'auto'. Received: parallel={parallel!r}")
  return kinds[parallel]


def _check(**arguments):
  for name, (value, least) in arguments.items():
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
      raise errors.UserError(f'{name} must be a whole number of at least {least}. Received: {name}={value!r}')
