"""Puts environment, data and algorithm of a run together. Imports TensorFlow: launchers import this inside `main`."""

import logging
import warnings
from typing import Any, NamedTuple

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.algorithms import catalog as algorithms
from mbrl_tf.data import shards
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.drivers import host_driver
from mbrl_tf.drivers import offline_driver
from mbrl_tf.environments import catalog as environments
from mbrl_tf.environments import report
from mbrl_tf.training import checkpoint
from mbrl_tf.training import evaluation
from mbrl_tf.training import loop
from mbrl_tf.training import metrics
from mbrl_tf.training import placement as placement_lib


class Run(NamedTuple):
  """The parts of a run."""
  facts: environments.Facts
  environment: object   # the batched `PyEnvironment` that collects
  store: object         # an `EpisodeStore` or a `ShardedStore`
  algorithm: Any        # an `algorithms.base.Algorithm`
  placement: placement_lib.Placement


class Trained(NamedTuple):
  """An algorithm as a checkpoint holds it, without simulators."""
  facts: environments.Facts
  algorithm: Any        # an `algorithms.base.Algorithm`


def make_environment(config, num_envs, seed, render_mode=None, first_index=0, first_place=None,
                     known=None):
  """Returns environments of a config's task; all others as `environments.catalog.make` has them."""
  settings = config.environment
  return environments.make(
      settings.name, num_envs, seed, settings.kwargs, settings.time_limit,
      settings.env_steps_per_decision,
      'auto' if render_mode else settings.parallel, render_mode, settings.observation, settings.image_size, settings.camera,
      settings.worker_timeout_seconds, first_index, settings.images, first_place, known)


def learn_facts(config, place=0) -> environments.Facts:
  """Returns what one simulator tells of a config's task."""
  settings = config.environment
  return environments.facts(
      settings.name, settings.kwargs, settings.time_limit, settings.env_steps_per_decision,
      settings.observation, settings.image_size, settings.camera, settings.images, place)


def learn_alike(config, known, place=0) -> environments.Facts:
  """As `learn_facts`, of a task in which a policy of another one is to act.

  Raises:
    UserError: it observes or takes something else than the task of which `known` tells.
  """
  facts = learn_facts(config, place)
  ours, theirs = _interface(facts.spec), _interface(known.spec)
  if ours != theirs:
    different = {name: (theirs.get(name), ours.get(name))
                 for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)}
    told = ', '.join(f'{name}: {was} -> {now}' for name, (was, now) in different.items())
    raise errors.UserError(
        'The policy was trained for other observations or actions than these '
        f'({told}). Received: environment.kwargs={config.environment.kwargs}')
  return facts


def _interface(spec):
  """Returns what a policy is given and gives, by name."""
  observed = spec.observation if isinstance(spec.observation, dict) else {'': spec.observation}
  told = {f'observation {key}'.strip(): (array.shape, array.dtype, array.choices, array.as_numbers)
          for key, array in observed.items()}
  return {**told, 'action': (spec.action.numbers, spec.action.choices)}


def assemble(config, directory, num_envs=None, placement=None) -> Run:
  """Builds everything that a run consists of; restores nothing.

  Args:
    config: the dataclass tree.
    directory: the `RunDirectory`.
    num_envs: instead of the config's.
    placement: where the run learns; None for one device, whatever the config says.

  Raises:
    UserError: where the algorithm cannot be built for the task.
  """
  tf.keras.utils.set_random_seed(config.run.seed)
  placement = placement or placement_lib.Placement(tf.distribute.get_strategy())
  # Offline, none collects.
  num_envs = num_envs or (1 if config.run.offline else config.environment.num_envs)
  first = placement.host * num_envs
  facts = learn_facts(config, first)
  environment = make_environment(
      config, num_envs, config.run.seed, first_index=first, known=facts)
  try:
    store = shards.open_store(directory.episodes, placement.host, placement.hosts)
    driver = _make_driver(config, environment, store, placement)
    algorithm = algorithms.build(config, environment.spec, driver, store, config.run.seed, placement.strategy)
    return Run(facts, environment, store, algorithm, placement)
  except BaseException:
    environment.close()
    raise


def _make_driver(config, environment, store, placement):
  """Returns what collects, or says that it did."""
  if config.run.offline:
    return offline_driver.OfflineDriver(environment.spec, placement.host, placement.hosts)
  if isinstance(store, shards.ShardedStore):
    return host_driver.HostDriver(
        environment, store, placement, config.run.seed, observers=(store.append,))
  return episode_driver.EpisodeDriver(environment, observers=(store.append,))


def require_episodes(config, run):
  """Raises a `UserError` where a run collects nothing and has nothing to learn from."""
  if config.run.offline and not len(run.store):
    raise errors.UserError(
        'Offline, a run learns from episodes that are there, and here are none: '
        'python -m launchers.import_episodes brings some. '
        f'Received: run.offline=True, episodes={str(run.store.folder)!r}')


def tell_of_observations(spec):
  """Says what is observed, and warns of what is left out, of an `EnvironmentSpec`."""
  observed = spec.observation if isinstance(spec.observation, dict) else {'': spec.observation}
  logging.getLogger('mbrl_tf').info('%s observes %s.', spec.name, report.parts(observed))
  if spec.left_out:
    warnings.warn(
        'Texts are left out of what is observed, for no model reads them; '
        'gymnasium.wrappers.TransformObservation can make numbers of them. '
        f'Received: {spec.name} with observation keys={", ".join(spec.left_out)}', stacklevel=2)


def warn_of_random_play(config):
  """Says so where a run ends before it learns anything."""
  if not config.run.offline and config.run.env_steps <= config.collect.random_env_steps:
    warnings.warn(
        'All of this run is random play, for nothing is learned before that ends: more env steps, '
        'or fewer random ones, let it learn. '
        f'Received: run.env_steps={config.run.env_steps}, '
        f'collect.random_env_steps={config.collect.random_env_steps}', stacklevel=2)


def draws_frames(config):
  """Whether the task can be asked for frames, as videos of evaluations need. Warns where not."""
  name = config.environment.name
  draws = environments.draws_frames(name)
  if not draws:
    warnings.warn(
        f'Evaluations come without videos, for {name} draws no frames: what makes it takes no '
        f'render_mode. Received: run.evaluate_videos={config.run.evaluate_videos}', stacklevel=2)
  return draws


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


def assemble_untrained(config, directory, place=0) -> Trained:
  """Builds the algorithm of a run as it begins, without touching the directory; see
  `assemble_trained`.
  """
  tf.keras.utils.set_random_seed(config.run.seed)
  facts = learn_facts(config, place)
  store = shards.open_store(directory.episodes)
  return Trained(facts, algorithms.build(
      config, facts.spec, offline_driver.OfflineDriver(facts.spec), store, config.run.seed))


def assemble_trained(config, directory, best=False, place=0) -> Trained:
  """Builds an algorithm and restores it from the newest checkpoint or the best one, without touching the directory.

  Args:
    config: the dataclass tree.
    directory: the `RunDirectory`.
    best: take the checkpoint with the highest evaluation.
    place: of the simulator that tells of the task, see `environments.catalog.make`.

  Raises:
    UserError: where there is no checkpoint yet, or none was evaluated and the best is asked for.
  """
  evaluations = metrics.recorded(directory.metrics, loop.EVALUATION) if best else None
  trained = assemble_untrained(config, directory, place)
  checkpointer = checkpoint.Checkpointer(directory.checkpoints, trained.algorithm.state)
  if best and checkpointer.best(evaluations) is None:
    raise errors.UserError('No checkpoint of this run was evaluated, so none is the best; run.evaluate_every_env_steps tells '
                           f'when training evaluates. Received: run_dir={str(directory.path)!r}')
  if not checkpointer.restore(evaluations):
    raise errors.UserError(f'This run has no checkpoint yet. Received: run_dir={str(directory.path)!r}')
  return trained


def make_evaluator(config, episode_count, seed, video=False, known=None,
                   hosts=1) -> evaluation.Evaluator:
  """Returns the `Evaluator` of a config's task.

  Args:
    config: the dataclass tree.
    episode_count, seed, video: see `Evaluator`.
    known: the `Facts` of the task, where they are known.
    hosts: that train, whose simulators have the places before those that evaluate.
  """
  num_envs = min(episode_count, _num_evaluated(config))
  first = first_evaluated_place(config, hosts)

  def make(num_envs_now, environment_seed, render_mode):
    place = first + (num_envs if render_mode else 0)  # what draws comes after the others
    return make_environment(config, num_envs_now, environment_seed, render_mode,
                            first_place=place, known=known)

  return evaluation.Evaluator(make, episode_count, seed, video, num_envs)


def first_evaluated_place(config, hosts=1):
  """Returns the place of the first simulator that evaluates, after all that collect."""
  return hosts * config.environment.num_envs


def _num_evaluated(config):
  """How many environments evaluate in parallel. One that draws what it observes is a process of 250 MB, and busy.

  The config alone decides, because episodes depend on it: a run that goes on elsewhere must not be measured by others.
  """
  return 16 if config.environment.observation == 'vectors' else 4
