"""Times the parts of a training run, and prints one JSON object per line.

  python -m launchers.benchmark                         all parts of MB-MPO, at the published sizes of HalfCheetah
  python -m launchers.benchmark --what=gradient_step    Dreamer's, at the published sizes of walker-walk from pixels
  python -m launchers.benchmark --what=update           TD-MPC2's, at the sizes of vectors.py
  python -m launchers.benchmark --what=plan --config=configs/pets/vectors.py
  python -m launchers.benchmark --what=rollout --config=configs/mbmpo/hopper_published.py

Where a part consists of matrix products, `share_of_peak` compares it with the fastest large matrix product in the same
process. Times are medians over repeats, after one call that compiles. What is counted:
the file of the algorithm in benchmarks/.
"""

import importlib
import os
import tempfile

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.training import run_directory

_PARTS = {
    'mbmpo': ('rollout', 'fit', 'fit_outcomes', 'meta_update', 'collect'),
    'dreamer': ('gradient_step', 'encoder', 'decoder', 'observe', 'imagination', 'sequences',
                'collect'),
    'tdmpc2': ('update', 'plan', 'sequences', 'collect'),
    'pets': ('plan', 'fit', 'fit_outcomes', 'collect')}
_NAMES = sorted({name for names in _PARTS.values() for name in names})
_WHAT = flags.DEFINE_enum('what', 'all', ('all', *_NAMES), f'which part: all, or one of {", ".join(_NAMES)}')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'timed calls, of which the median is taken', lower_bound=1)


def main():
  """Times and prints."""
  given, what = command.CONFIG.value, _WHAT.value
  given = given if given is None else command.resolved_config(given, seed=command.SEED.value)
  first = next(name for name in _PARTS if what in ('all', *_PARTS[name]))
  algorithm = first if given is None else given.algorithm
  if what not in ('all', *_PARTS.get(algorithm, ())):
    raise errors.UserError(f'Of {algorithm} there are {", ".join(_PARTS.get(algorithm, ()))} to be timed. Received: what={what!r}')
  module = importlib.import_module
  command.load_tensorflow(algorithm, None)  # compiles, and says how long
  parts = module(f'benchmarks.{algorithm}')
  config = command.resolved_config(module(parts.DEFAULT_CONFIG).get_config() if given is None else given, seed=command.SEED.value)
  from mbrl_tf import assembly

  config = parts.prepared(config)
  with tempfile.TemporaryDirectory() as folder:
    run = assembly.assemble(config, run_directory.RunDirectory(folder))
    try:
      for name in _PARTS[algorithm] if what == 'all' else (what,):
        own_process.tell(_measured(name, parts.ALL[name](run, config)))
    finally:
      run.environment.close()


def _measured(name, benchmark):
  """Returns what is printed of one part."""
  from benchmarks import timing

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
