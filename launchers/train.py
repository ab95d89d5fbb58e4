"""Trains, and resumes where the run directory holds a run already.

  python -m launchers.train --config=configs/mbmpo/pendulum.py
  python -m launchers.train --config=configs/dreamer/smoke.py
  python -m launchers.train --config=configs/mbmpo/halfcheetah.py --config.meta.inner_lr=0.01 --run_dir=runs/hc --seed=1
  python -m launchers.train --run_dir=runs/hc          continues that run

  python -m launchers.train --config=mbmpo/pendulum --dry_run    sizes, schedule and time; writes nothing

Where no --run_dir is given, it is runs/ALGORITHM-NAME-SEED with the name of the config.
Ctrl-C stops after the iteration with a checkpoint, and the same command goes on from there.
Watch with: tensorboard --logdir=runs
"""

import contextlib
import pathlib
import sys

from absl import flags

from launchers import command
from mbrl_tf.training import cluster, run_directory


_DRY_RUN = flags.DEFINE_bool(
    'dry_run', False, 'build everything, time three steps, print what a run would take, and write nothing')


def main():
  """Trains until the config's env steps, or a signal."""
  config = command.resolved_config(command.CONFIG.value, command.RUN_DIR.value, command.SEED.value)
  if _DRY_RUN.value:
    from launchers import dry_run

    dry_run.tell(config)
    return
  host, _ = cluster.host_and_hosts()
  path = command.RUN_DIR.value or _default_path(config)
  # Entered first: a folder that cannot be used is told of before TensorFlow is loaded.
  with run_directory.RunDirectory(path, host) as directory, contextlib.ExitStack() as stack:
    directory.check_config(config)
    command.load_tensorflow(config.algorithm, config.run.devices)
    from mbrl_tf import library

    run = stack.enter_context(library.opened(config, directory))
    finished = run.train()
    said = 'Finished' if finished else 'Stopped with a checkpoint; the same command goes on'
    print(f'{said}. env_steps={run.algorithm.env_steps} run_dir={directory.path}', file=sys.stderr)


def _default_path(config):
  """Returns `runs/ALGORITHM-NAME-SEED`."""
  name = pathlib.Path(flags.FLAGS['config'].config_filename.split(':')[0]).stem
  return pathlib.Path('runs') / f'{config.algorithm}-{name}-{config.run.seed}'


if __name__ == '__main__':
  command.run(main, __doc__, ('config', 'run_dir', 'seed', 'dry_run'))
