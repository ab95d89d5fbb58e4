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
  path = command.RUN_DIR.value or _default_path(config)
  host, _ = cluster.host_and_hosts()
  with run_directory.RunDirectory(path, host) as directory, contextlib.ExitStack() as stack:
    command.load_tensorflow(config.algorithm)
    from launchers import assembly
    from mbrl_tf.training import loop, placement

    placed = placement.place(config.run.devices, config.shared_rows)
    stack.enter_context(placement.telling_of_lost_hosts(placed))
    run = assembly.assemble(config, directory, placement=placed)
    stack.callback(run.environment.close)
    directory.check_config(config)
    assembly.tell_of_observations(run.environment.spec)
    assembly.warn_of_chance(run.environment)
    evaluator = assembly.make_evaluator(
        config, config.run.evaluate_episodes, config.run.seed, config.run.evaluate_videos,
        run.facts, placed.hosts)
    stack.callback(evaluator.close)
    if host == 0:
      evaluator.require_frames()
    checkpointer = loop.restore(run.algorithm, config, directory, run.store, run.environment, placed)
    assembly.require_episodes(config, run)
    if host == 0:
      directory.write_config(config)  # only now: what cannot be built, or does not go on, must not occupy or change the folder
    placed.gather([0])  # no host writes episodes into what is no run yet
    finished = loop.train(run.algorithm, config, directory, run.store, run.environment, evaluator, checkpointer, placed)
    said = 'Finished' if finished else 'Stopped with a checkpoint; the same command goes on'
    print(f'{said}. env_steps={run.algorithm.env_steps} run_dir={directory.path}', file=sys.stderr)


def _default_path(config):
  """Returns `runs/ALGORITHM-NAME-SEED`."""
  name = pathlib.Path(flags.FLAGS['config'].config_filename.split(':')[0]).stem
  return pathlib.Path('runs') / f'{config.algorithm}-{name}-{config.run.seed}'


if __name__ == '__main__':
  command.run(main, __doc__, ('config', 'run_dir', 'seed', 'dry_run'))
