"""Examines the environment of a config: what it is, what becomes of it here, and what is wrong.

  python -m launchers.check --config=configs/mbmpo/pendulum.py
  python -m launchers.check --config=configs/mbmpo/smoke.py --config.environment.name=cart:Cart
  python -m launchers.check --config=configs/mbmpo/pendulum.py --json      one JSON object on stdout

Steps simulators with random actions, each in a process of its own, and trains nothing. The exit
status is 0 where nothing is wrong, 1 where there are warnings, 2 where there are errors.
"""

import functools
import math
import os
import pathlib
import tempfile

from absl import flags

from launchers import command, own_process, table
from mbrl_tf.algorithms import catalog
from mbrl_tf.data import agreement, episodes
from mbrl_tf.environments import examination, report

_JSON = flags.DEFINE_bool('json', False, 'print one JSON object instead of a table')
_ENV_STEPS = flags.DEFINE_integer(
    'env_steps', 1000, 'random env steps that are looked at; more where an episode is longer', 1)
_TIMEOUT = flags.DEFINE_float(
    'timeout_seconds', 60.0, 'a call of a simulator that takes longer counts as hung', 0.1)


def main():
  """Examines, prints, and returns the exit status."""
  config = command.resolved_config(command.CONFIG.value, None, command.SEED.value)
  # of the processes that import it
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  found = examination.examine(_task(config))
  if _JSON.value:
    # JSON has no other numbers than finite ones.
    measured = {name: None if value in (math.inf, -math.inf) or value != value else value
                for name, value in found.measured.items()}
    own_process.tell({
        'environment': config.environment.name, 'algorithm': config.algorithm,
        'status': found.status, 'errors': found.count(report.ERROR),
        'warnings': found.count(report.WARNING),
        'rows': [row._asdict() for row in found.rows], 'measured': measured})
  else:
    for line in table.lines(found):
      own_process.say(line)
  return found.status


def _task(config):
  """Returns the `examination.Task` of a config."""
  settings = config.environment
  replay = getattr(config, 'replay', None)
  return examination.Task(
      examination.recipe(settings, config.run.seed), settings.num_envs, settings.parallel,
      _TIMEOUT.value, _ENV_STEPS.value, config.algorithm, functools.partial(_accept, config),
      agreement.compare, functools.partial(command.load_tensorflow, config.algorithm),
      config.run.env_steps, replay.capacity if replay else config.collect.capacity,
      replay.cache_mib * 2**20 if replay else None)


def _accept(config, spec):
  """Builds the algorithm for a spec; a UserError where it cannot be built."""
  nowhere = pathlib.Path(tempfile.gettempdir()) / 'mbrl_tf_no_episodes'  # nothing is written there
  catalog.build(config, spec, None, episodes.EpisodeStore(nowhere), config.run.seed)


if __name__ == '__main__':
  command.run(main, __doc__, ('config', 'seed', 'json', 'env_steps', 'timeout_seconds'))
