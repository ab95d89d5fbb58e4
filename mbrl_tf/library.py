"""The toolkit from Python: read a config, train it, act and imagine with what it learned.

  from mbrl_tf import library

  config = library.config('mbmpo/pendulum', {'run.env_steps': 3000})
  with library.open_run(config, 'runs/pendulum') as run:
    run.train()
    policy = run.algorithm.evaluation_policy()

docs/examples/ has more. `mbrl_tf` must be imported before TensorFlow.
"""

import contextlib
import pathlib
from typing import Any, NamedTuple

from mbrl_tf import assembly, errors, shipped_configs
from mbrl_tf.training import cluster, export as exporting, loop, placement, run_directory


class OpenRun(NamedTuple):
  """A run that goes on from where its folder has it.

  Attributes:
    algorithm: an `algorithms.base.Algorithm`: `iterations()`, `evaluation_policy()`,
      `model_module()`, `env_steps`, `state`.
    environment: the batched `PyEnvironment` that collects; `environment.spec` tells of the task.
    store: all real episodes.
    config: the dataclass tree.
    directory: the `RunDirectory`.
    evaluator: an `Evaluator`.
    checkpointer: writes checkpoints.
    placement: devices and hosts.
  """
  algorithm: Any
  environment: Any
  store: Any
  config: Any
  directory: Any
  evaluator: Any
  checkpointer: Any
  placement: Any

  def train(self) -> bool:
    """Trains to the config's end, or a signal, with metrics, TensorBoard, evaluations and
    checkpoints.

    Returns:
      Whether the end was reached.
    """
    return loop.train(self.algorithm, self.config, self.directory, self.store, self.environment,
                      self.evaluator, self.checkpointer, self.placement)


@contextlib.contextmanager
def open_run(config, path):
  """Gives an `OpenRun`: a new one in a folder that is absent or empty, otherwise the run there.

  Args:
    config: an algorithm's config, see `config`.
    path: the folder of the run.

  Raises:
    UserError: where the config or the folder cannot be used; nothing was changed then.
  """
  config.validate()
  host, _ = cluster.host_and_hosts()
  with run_directory.RunDirectory(path, host) as directory, opened(config, directory) as run:
    yield run


@contextlib.contextmanager
def opened(config, directory):
  """As `open_run`, in a `RunDirectory` that this process has entered."""
  with contextlib.ExitStack() as stack:
    placed = placement.place(config.run.devices, config.shared_rows)
    stack.enter_context(placement.telling_of_lost_hosts(placed))
    run = assembly.assemble(config, directory, placement=placed)
    stack.callback(run.environment.close)
    directory.check_config(config)
    assembly.tell_of_observations(run.environment.spec)
    assembly.warn_of_random_play(config)
    assembly.warn_of_chance(run.environment)
    videos = config.run.evaluate_videos and assembly.draws_frames(config)
    evaluator = assembly.make_evaluator(
        config, config.run.evaluate_episodes, config.run.seed, videos,
        run.facts, placed.hosts)
    stack.callback(evaluator.close)
    if placed.host == 0:
      evaluator.require_frames()
    checkpointer = loop.restore(
        run.algorithm, config, directory, run.store, run.environment, placed)
    assembly.require_episodes(config, run)
    if placed.host == 0:
      # Only now: what cannot be built, or does not go on, must not occupy or change the folder.
      directory.write_config(config)
    placed.gather([0])  # no host writes episodes into what is no run yet
    yield OpenRun(run.algorithm, run.environment, run.store, config, directory, evaluator,
                  checkpointer, placed)


def export(run, path, lite=False):
  """Writes policy and model of an `OpenRun` as SavedModels; see `training.export.export`."""
  return exporting.export(run.algorithm, run.environment.spec, run.config, path, lite)


def config(name, fields=None):
  """Returns a config, with some fields changed.

  Args:
    name: of one that comes with mbrl_tf, such as 'tdmpc2/vectors', or the path of a Python file
      with `get_config()`, whose code is executed.
    fields: values by path, such as `{'environment.name': 'gym:Hopper-v5'}`.

  Raises:
    UserError: it has no such field, or a value cannot be used.
  """
  path = shipped_configs.names().get(name) or pathlib.Path(name)
  if not path.is_file():
    raise errors.unknown_name('config', name, shipped_configs.names())
  made = shipped_configs.load(path)
  for given, value in (fields or {}).items():
    *parts, last = given.split('.')
    owner = made
    for part in parts:
      owner = getattr(owner, part, None)
    if not hasattr(owner, last):
      known = run_directory.flatten(run_directory.config_to_dict(made))
      raise errors.unknown_name('config field', given, sorted(known))
    setattr(owner, last, value)
  made.validate()
  return made
