"""Times the parts of a training run, and prints one JSON object per line.

  python -m launchers.benchmark                         all parts, at the published sizes of HalfCheetah
  python -m launchers.benchmark --what=rollout --config=configs/mbmpo/hopper_published.py

Where a part consists of matrix products, `share_of_peak` compares it with the fastest large matrix product in the same
process. Times are medians over repeats, after one call that compiles. What is counted: benchmarks/mbmpo.py.
"""

import importlib
import json
import os
import tempfile

from absl import flags

from launchers import command
from mbrl_tf.training import run_directory

_PARTS = ('rollout', 'fit', 'meta_update', 'collect')
_DEFAULT_CONFIG = 'configs.mbmpo.halfcheetah_published'
_WHAT = flags.DEFINE_enum('what', 'all', ('all', *_PARTS), f'which part: all, or one of {", ".join(_PARTS)}')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'timed calls, of which the median is taken', lower_bound=1)


def main():
  """Times and prints."""
  given = command.CONFIG.value
  config = command.resolved_config(
      importlib.import_module(_DEFAULT_CONFIG).get_config() if given is None else given, seed=command.SEED.value)
  command.load_tensorflow()
  from benchmarks import mbmpo
  from launchers import assembly

  config = mbmpo.fixed_epochs(config)
  with tempfile.TemporaryDirectory() as folder:
    run = assembly.assemble(config, run_directory.RunDirectory(folder))
    try:
      for name in _PARTS if _WHAT.value == 'all' else (_WHAT.value,):
        print(json.dumps(_measured(name, run, config)), flush=True)
    finally:
      run.environment.close()


def _measured(name, run, config):
  """Returns what is printed of one part."""
  from benchmarks import mbmpo
  from benchmarks import timing

  benchmark = mbmpo.ALL[name](run, config)
  seconds = timing.measure(benchmark.run, _REPEATS.value)
  told = {
      'what': name, 'seconds': seconds.median, 'first_call_seconds': seconds.first,
      'rate': benchmark.units / seconds.median, 'rate_unit': f'{benchmark.unit} per second'}
  if benchmark.flop is not None:
    peak = timing.peak_flop_per_second()
    told.update(gflop=benchmark.flop / 1e9, gflop_per_second=benchmark.flop / seconds.median / 1e9,
                peak_gflop_per_second=peak / 1e9, share_of_peak=benchmark.flop / seconds.median / peak)
  return {**told, **benchmark.sizes, 'device': timing.device(), 'cores': len(os.sched_getaffinity(0)), 'repeats': _REPEATS.value}


if __name__ == '__main__':
  command.run(main, __doc__, ('what', 'config', 'repeats', 'seed'))
