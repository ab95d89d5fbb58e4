"""Puts episodes from elsewhere into a run that has not learned yet, which train then begins with.

  python -m launchers.import_episodes --config=tdmpc2/vectors --run_dir=runs/mine --from=recorded
  python -m launchers.import_episodes --run_dir=runs/mine --from=runs/other
  python -m launchers.import_episodes --run_dir=runs/mine --from=minari:mujoco/hopper/expert-v0

A source is a folder of .npz files or one of them (docs/data.md tells what a file holds), the
directory of another run, or a data set of Minari, which needs its package. --from may be given
several times. A --run_dir that is no run yet becomes one, of the given config.

Prints one JSON object: what was imported, and of each episode that was refused why. What an earlier
import brought is passed over. The exit status is 0 where nothing was refused, 1 where something was,
and 2 where nothing could be imported: then everything is as it was.
"""

import sys

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.training import run_directory

_FROM = flags.DEFINE_multi_string(
    'from', [], 'a folder of .npz files, one such file, a run_dir, or minari:DATASET_ID')


def main():
  """Imports, prints, and returns the exit status."""
  if not command.RUN_DIR.value or not _FROM.value:
    raise errors.UserError('Into which run, and from where? Give --run_dir=DIR and --from=SOURCE. '
                           f'Received: run_dir={command.RUN_DIR.value!r}, from={_FROM.value!r}')
  config = command.resolved_config(command.CONFIG.value, command.RUN_DIR.value, command.SEED.value)
  with run_directory.RunDirectory(command.RUN_DIR.value) as directory:
    directory.check_config(config)
    command.load_tensorflow(config.algorithm)
    from launchers import sources
    from mbrl_tf import assembly
    from mbrl_tf.training import importing

    importing.require_unlearned(directory)
    # Built, because what cannot be must not become a run.
    native = assembly.assemble_untrained(config, directory).facts.native
    found = [episode for source in _FROM.value
             for episode in sources.open_source(source, config, directory, native)]
    outcome = importing.add(directory, found, native, _FROM.value,
                            lambda: directory.write_config(config))
  for name, sentence in outcome.refused.items():
    print(f'refused: {name}: {sentence}', file=sys.stderr)
  own_process.tell({'run_dir': str(directory.path), **outcome._asdict()})
  if not outcome.refused:
    return 0
  return 1 if outcome.episodes or outcome.known else 2


if __name__ == '__main__':
  command.run(main, __doc__, ('config', 'run_dir', 'from', 'seed'))
