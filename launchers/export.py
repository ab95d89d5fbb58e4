"""Exports the newest checkpoint of a run as SavedModels, which need no mbrl_tf to be loaded; with --best the best one.

  python -m launchers.export --run_dir=runs/hc --export_dir=exported

writes exported/policy (observation to action), exported/model (what the algorithm has learned of the environment) and
exported/export.json (what they expect). With --lite also exported/lite/policy.tflite, for LiteRT (TensorFlow Lite).
"""

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import destinations, run_directory

_EXPORT_DIR = flags.DEFINE_string('export_dir', None, 'folder to write; one that holds an earlier export is replaced')
_LITE = flags.DEFINE_bool('lite', False, 'also write the policy for LiteRT (TensorFlow Lite)')


def main():
  """Exports and prints where."""
  for flag in (command.RUN_DIR, _EXPORT_DIR):
    if not flag.value:
      raise errors.UserError(f'--{flag.name}=DIR is needed. Received: {flag.name}={flag.value!r}')
  destination = files.local_path(_EXPORT_DIR.value, 'export_dir')
  files.require_loadable(destination, 'export_dir')
  destinations.require_replaceable(destination)
  directory = run_directory.RunDirectory(command.RUN_DIR.value)
  config = command.stored_config(directory)
  command.load_tensorflow(config.algorithm)
  from mbrl_tf import assembly
  from mbrl_tf.training import export

  trained = assembly.assemble_trained(config, directory, command.BEST.value)
  path = export.export(trained.algorithm, trained.facts.spec, config, destination,
                       _LITE.value)
  own_process.tell({'export_dir': str(path), 'env_steps': trained.algorithm.env_steps})


if __name__ == '__main__':
  command.run(main, __doc__, ('run_dir', 'export_dir', 'best', 'lite'))
