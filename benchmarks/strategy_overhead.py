"""What a strategy costs where it has nothing to share: updates on one device with and without one, in turns, in one process.

  python -m benchmarks.strategy_overhead --config=configs/dreamer/vectors.py
  python -m benchmarks.strategy_overhead --config=configs/mbmpo/halfcheetah.py --repeats=20

Prints one JSON object: medians in seconds, and `overhead`, the median over turns of the one by the other, less 1.
"""

import contextlib
import importlib
import os
import statistics
import tempfile
import time

from absl import flags

from launchers import command, own_process

_REPEATS = flags.DEFINE_integer('repeats', 30, 'turns', lower_bound=1)
_PARTS = {'mbmpo': ('fit', 'meta_update'), 'dreamer': ('gradient_step',), 'tdmpc2': ('update',),
          'pets': ('fit',)}


def measure(config, repeats):
  """Times the learning parts of a config's algorithm.

  Args:
    config: the dataclass tree.
    repeats: turns, after one call each that compiles.

  Returns:
    A dict by part of dicts of seconds.
  """
  from mbrl_tf import assembly
  from mbrl_tf.training import placement, run_directory

  parts = importlib.import_module(f'benchmarks.{config.algorithm}')
  config = parts.prepared(config)
  with contextlib.ExitStack() as stack:
    runs = []
    for name, strategy in (('alone', None), ('strategy', placement.mirrored(['CPU:0']))):
      directory = run_directory.RunDirectory(os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), name))
      runs.append(assembly.assemble(config, directory, placement=placement.Placement(strategy)))
      stack.callback(runs[-1].environment.close)
    return {name: _in_turns([parts.ALL[name](run, config).run for run in runs], repeats) for name in _PARTS[config.algorithm]}


def _in_turns(functions, repeats):
  """Times two functions in turns, so that what slows the machine slows both."""
  turns = [[_seconds(function) for function in functions] for _ in range(repeats + 1)][1:]
  alone, strategy = zip(*turns)
  return {'alone': statistics.median(alone), 'strategy': statistics.median(strategy), 'turns': repeats,
          'overhead': statistics.median(mine / other for other, mine in turns) - 1}


def _seconds(function):
  begin = time.perf_counter()
  function()
  return time.perf_counter() - begin


def main():
  """Measures and prints."""
  config = command.resolved_config(command.CONFIG.value, seed=command.SEED.value)
  command.load_tensorflow(config.algorithm, None)
  own_process.tell(measure(config, _REPEATS.value))


if __name__ == '__main__':
  command.run(main, __doc__, ('config', 'seed', 'repeats'))
