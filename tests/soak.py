"""Trains for very many env steps on a toy with tiny nets, and tells whether memory, descriptors or processes grow.

  python -m tests.soak --folder=FOLDER                         1,000,000 env steps
  python -m tests.soak --folder=FOLDER --env_steps=100000

All algorithms go through the whole of a run: parallel environments in process, and for a fifth of the steps in worker processes,
replay, learner, checkpoints, metrics. Prints one JSON object. Slopes are of resident memory, in MiB per 100,000 env steps, after a
third of the run that is not counted. What grows by design: the names of the episodes, about 1 KiB for each.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import pathlib
import resource
import shutil
import time
from multiprocessing import resource_tracker
from typing import Any, Dict, List, NamedTuple

import mbrl_tf  # noqa: F401
import numpy as np

_MIB = 2**20
_WARM_UP = 1 / 3  # of the samples
_SETTINGS = {
    'mbmpo': {'collect.capacity': 2000, 'ensemble.members': 2, 'ensemble.hidden_sizes': (8,), 'ensemble.max_epochs': 1,
              'policy.hidden_sizes': (4,), 'imagination.horizon': 3, 'imagination.rollouts_per_task': 2,
              'meta.updates_per_iteration': 1, 'meta.outer_epochs': 1},
    'dreamer': {'environment.observation': 'vectors', 'replay.cache_mib': 4, 'replay.batch_size': 4, 'replay.batch_length': 8,
                'model.deterministic': 8, 'model.hidden': 8, 'model.units': 8, 'behavior.units': 8, 'behavior.horizon': 3,
                'learner.first_gradient_steps': 1, 'learner.env_steps_per_gradient_step': 500.0},
    'pets': {'collect.capacity': 2000, 'ensemble.hidden_sizes': (8,), 'ensemble.max_epochs': 1, 'ensemble.min_epochs': 1,
             'planner.horizon': 2, 'planner.samples': 4, 'planner.elites': 2, 'planner.rounds': 1},
    'tdmpc2': {'replay.cache_mib': 4, 'replay.batch_size': 4, 'replay.horizon': 1, 'value.returns': 1,
               'policy.imagined_steps': 1, 'model.latent': 8, 'model.units': 8, 'planner.samples': 4,
               'planner.rounds': 1, 'planner.elites': 2, 'planner.policy_samples': 2, 'learner.updates_per_decision': 0.002}}
_SHARED = {'environment.num_envs': 4, 'run.evaluate_videos': False, 'run.evaluate_episodes': 2}
_ITERATIONS = 100  # of a run, or fewer where it is so short that each takes but one episode of each environment
_EPISODE, _SHORTEST_EPISODE = 100, 10  # env steps; short runs have shorter ones, for they need iterations too
_RANDOM = 500  # env steps at the beginning, or a fifth of a short run


class Sample(NamedTuple):
  """What this process has at one moment."""
  env_steps: int
  resident_mib: float
  descriptors: int
  processes: int   # children, without multiprocessing's own


def soak(env_steps, folder) -> Dict[str, Any]:
  """Trains all algorithms, four fifths of the steps in process and one in worker processes.

  Args:
    env_steps: of all runs together.
    folder: for the runs, each of which is removed when it has ended.

  Returns:
    A dict of what is printed.
  """
  resource_tracker.ensure_running()  # multiprocessing's, which stays for ever once there are workers
  import tensorflow as tf
  tf.zeros([]).numpy()
  begin, first, phases = time.monotonic(), _sample(0), []
  for parallel, share in (('in_process', 0.8), ('processes', 0.2)):
    for algorithm in _SETTINGS:
      samples = _train(algorithm, parallel, int(share * env_steps / len(_SETTINGS)), pathlib.Path(folder) / f'{algorithm}-{parallel}')
      phases.append({'algorithm': algorithm, 'parallel': parallel, **_growth(samples)})
  last = _sample(0)
  return {
      'what': 'soak', 'env_steps': sum(phase['env_steps'] for phase in phases), 'seconds': time.monotonic() - begin,
      'descriptors': [first.descriptors, last.descriptors], 'processes': [first.processes, last.processes], 'phases': phases}


def _train(algorithm, parallel, env_steps, path) -> List[Sample]:
  """Trains as the launcher does; returns a sample of each iteration."""
  from mbrl_tf import assembly
  from mbrl_tf.training import loop
  from mbrl_tf.training import run_directory
  config = _config(algorithm, parallel, env_steps)
  samples = []
  with run_directory.RunDirectory(path) as directory:
    run = assembly.assemble(config, directory)
    evaluator = assembly.make_evaluator(config, config.run.evaluate_episodes, config.run.seed)
    try:
      iterations = run.algorithm.iterations

      def sampled():
        for report in iterations():
          samples.append(_sample(run.algorithm.env_steps))
          yield report

      run.algorithm.iterations = sampled
      checkpointer = loop.restore(run.algorithm, config, directory, run.store, run.environment)
      directory.write_config(config)
      loop.train(run.algorithm, config, directory, run.store, run.environment, evaluator, checkpointer)
    finally:
      evaluator.close()
      run.environment.close()
  shutil.rmtree(path)
  return samples


def _config(algorithm, parallel, env_steps):
  """Returns a smoke config with tiny nets."""
  config = importlib.import_module(f'configs.{algorithm}.smoke').get_config()
  changes = {**_SHARED, **_SETTINGS[algorithm], 'environment.parallel': parallel, 'run.env_steps': env_steps,
             'environment.time_limit': min(_EPISODE, max(_SHORTEST_EPISODE, env_steps // _ITERATIONS)),
             'collect.random_env_steps': min(_RANDOM, env_steps // 5),
             'collect.env_steps_per_iteration': env_steps // _ITERATIONS, 'run.evaluate_every_env_steps': env_steps // 10,
             'run.checkpoint_every_env_steps': env_steps // 20}
  for path, value in changes.items():
    part, field = path.split('.')
    assert hasattr(getattr(config, part), field), path
    setattr(getattr(config, part), field, value)
  config.validate()
  return config


def _growth(samples) -> Dict[str, Any]:
  """Returns by how much memory and descriptors grew after the warm-up."""
  kept = samples[int(_WARM_UP * len(samples)):]
  slope = np.polyfit([sample.env_steps for sample in kept], [sample.resident_mib for sample in kept], 1)[0]
  return {'env_steps': samples[-1].env_steps, 'slope_mib_per_100000_env_steps': round(float(slope) * 100_000, 3),
          'resident_mib': [round(kept[0].resident_mib, 1), round(kept[-1].resident_mib, 1)],
          'descriptors': [kept[0].descriptors, kept[-1].descriptors], 'processes': [kept[0].processes, kept[-1].processes]}


def _sample(env_steps) -> Sample:
  pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
  return Sample(env_steps, pages * resource.getpagesize() / _MIB, len(os.listdir('/proc/self/fd')),
                len(multiprocessing.active_children()))


def main():
  """Reads the command line and prints."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--env_steps', type=int, default=1_000_000, help='of all runs together')
  parser.add_argument('--folder', required=True, help='for the runs')
  arguments = parser.parse_args()
  print(json.dumps(soak(arguments.env_steps, arguments.folder)))


if __name__ == '__main__':
  main()
