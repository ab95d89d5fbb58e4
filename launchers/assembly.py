"""Puts environment, data and algorithm of a run together. Imports TensorFlow: launchers import this inside `main`."""

import logging
import warnings
from typing import NamedTuple

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.algorithms import catalog as algorithms
from mbrl_tf.data import shards
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.drivers import host_driver
from mbrl_tf.environments import catalog as environments
from mbrl_tf.environments import report
from mbrl_tf.training import checkpoint
from mbrl_tf.training import evaluation
from mbrl_tf.training import loop
from mbrl_tf.training import metrics
from mbrl_tf.training import placement as placement_lib


class Run(NamedTuple):
  """The parts of a run."""
  environment: object   # the batched `PyEnvironment` that collects
  store: object         # an `EpisodeStore` or a `ShardedStore`
  algorithm: object     # an `algorithms.base.Algorithm`
  placement: placement_lib.Placement


def make_environment(config, num_envs, seed, render_mode=None, first_index=0):
  """Returns environments of a config's task; `num_envs`, seed and rendering as given."""
  settings = config.environment
  return environments.make(
      settings.name, num_envs, seed, settings.kwargs, settings.time_limit,
      settings.env_steps_per_decision,
      'auto' if render_mode else settings.parallel, render_mode, settings.observation, settings.image_size, settings.camera,
      settings.worker_timeout_seconds, first_index, settings.images)


def assemble(config, directory, num_envs=None, placement=None) -> Run:
  """Builds everything that a run consists of; restores nothing.

  Args:
    config: the dataclass tree.
    directory: the `RunDirectory`.
    num_envs: instead of the config's, where nothing is collected.
    placement: where the run learns; None for one device, whatever the config says.

  Raises:
    UserError: where the algorithm cannot be built for the task.
  """
  tf.keras.utils.set_random_seed(config.run.seed)
  placement = placement or placement_lib.Placement(tf.distribute.get_strategy())
  num_envs = num_envs or config.environment.num_envs
  environment = make_environment(config, num_envs, config.run.seed, first_index=placement.host * num_envs)
  try:
    store = shards.open_store(directory.episodes, placement.host, placement.hosts)
    if isinstance(store, shards.ShardedStore):
      driver = host_driver.HostDriver(environment, store, placement, config.run.seed, observers=(store.append,))
    else:
      driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
    algorithm = algorithms.build(config, environment.spec, driver, store, config.run.seed, placement.strategy)
    return Run(environment, store, algorithm, placement)
  except BaseException:
    environment.close()
    raise


def tell_of_observations(spec):
  """Says what is observed, and warns of what is left out, of an `EnvironmentSpec`."""
  observed = spec.observation if isinstance(spec.observation, dict) else {'': spec.observation}
  logging.getLogger('mbrl_tf').info('%s observes %s.', spec.name, report.parts(observed))
  if spec.left_out:
    warnings.warn(
        'Texts are left out of what is observed, for no model reads them; '
        'gymnasium.wrappers.TransformObservation can make numbers of them. '
        f'Received: {spec.name} with observation keys={", ".join(spec.left_out)}', stacklevel=2)


def warn_of_chance(environment):
  """Says so where a run with these simulators can be repeated by nobody."""
  if not environment.repeats_itself():
    warnings.warn(
        f'{environment.spec.name} does not begin two episodes alike that have the same seed: it '
        'ignores what reset(seed=...) is given, or '
        'draws its noise elsewhere. The run can be stopped and goes on, but not as one that was '
        'never stopped, and nobody can repeat it. '
        'With gymnasium, call super().reset(seed=seed) and draw from self.np_random alone.',
        stacklevel=2)


def assemble_trained(config, directory, best=False) -> Run:
  """Builds a run and restores its algorithm from the newest checkpoint or the best one, without touching the directory.

  Args:
    config: the dataclass tree.
    directory: the `RunDirectory`.
    best: take the checkpoint with the highest evaluation.

  Raises:
    UserError: where there is no checkpoint yet, or none was evaluated and the best is asked for.
  """
  evaluations = metrics.recorded(directory.metrics, loop.EVALUATION) if best else None
  run = assemble(config, directory, num_envs=1)
  checkpointer = checkpoint.Checkpointer(directory.checkpoints, run.algorithm.state)
  try:
    if best and checkpointer.best(evaluations) is None:
      raise errors.UserError('No checkpoint of this run was evaluated, so none is the best; run.evaluate_every_env_steps tells '
                             f'when training evaluates. Received: run_dir={str(directory.path)!r}')
    if not checkpointer.restore(evaluations):
      raise errors.UserError(f'This run has no checkpoint yet. Received: run_dir={str(directory.path)!r}')
  except BaseException:
    run.environment.close()
    raise
  return run


def make_evaluator(config, episode_count, seed, video=False) -> evaluation.Evaluator:
  """Returns the `Evaluator` of a config's task."""
  return evaluation.Evaluator(
      lambda num_envs, environment_seed, render_mode: make_environment(config, num_envs, environment_seed, render_mode),
      episode_count, seed, video, _num_evaluated(config))


def _num_evaluated(config):
  """How many environments evaluate in parallel. One that draws what it observes is a process of 250 MB, and busy.

  The config alone decides, because episodes depend on it: a run that goes on elsewhere must not be measured by others.
  """
  return 16 if config.environment.observation == 'vectors' else 4
