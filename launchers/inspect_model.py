"""Compares what a run's model predicts with what really happened: figures, and one JSON object.

  python -m launchers.inspect_model --run_dir=runs/hc
  python -m launchers.inspect_model --run_dir=runs/hc --best --horizon=100    the best checkpoint, 100 decisions ahead
  python -m launchers.inspect_model --run_dir=runs/hc --out=looked            writes there, and not into runs/hc/inspect

writes PNG files, GIFs where images are predicted, inspection.json and an event file for TensorBoard: error against the number
of decisions ahead, return and termination real and predicted, whether deviations and disagreement say where the model is wrong,
real episodes beside predicted ones, and the returns of training real and imagined. What an earlier inspection wrote there is
replaced. `mbrl-tf inspect` is the same.
"""

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import run_directory

_HORIZON = flags.DEFINE_integer(
    'horizon', None, 'decisions ahead at most; where none is given, as many as the algorithm imagines while it learns, and '
    'at least 50', lower_bound=1)


def main():
  """Inspects, writes and prints."""
  if not command.RUN_DIR.value:
    raise errors.UserError(
        f'Which run? Give --run_dir=DIR. Received: run_dir={command.RUN_DIR.value!r}')
  if command.OUT.value == '':
    raise errors.UserError("--out is the folder that is written. Received: out=''")
  directory = run_directory.RunDirectory(command.RUN_DIR.value)
  config = command.stored_config(directory)
  out = (directory.path / 'inspect' if command.OUT.value is None
         else files.local_path(command.OUT.value, 'out'))
  command.load_tensorflow(config.algorithm)
  from mbrl_tf import assembly
  from mbrl_tf.training import inspection_files, inspector

  inspection_files.require_replaceable(out)
  trained = assembly.assemble_trained(config, directory, command.BEST.value)
  env_steps = trained.algorithm.env_steps
  groups = inspector.groups_of(directory, env_steps, command.EPISODES.value)
  predictor = trained.algorithm.predictor()
  seed = config.run.seed if command.SEED.value is None else command.SEED.value
  findings = inspector.inspect(predictor, groups, _HORIZON.value, seed % 2**31)
  told = {'run_dir': str(directory.path), 'algorithm': config.algorithm, 'env_steps': env_steps,
          'out': str(out), **inspector.told(findings)}
  videos = predictor.videos(groups['newest'].episodes)
  told['files'] = inspection_files.write(
      out, env_steps, inspector.pictures(findings, directory.metrics), videos, told)
  own_process.tell(told)


if __name__ == '__main__':
  command.run(main, __doc__, ('run_dir', 'best', 'out', 'episodes', 'horizon', 'seed'))
