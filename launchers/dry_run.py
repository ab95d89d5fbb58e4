"""What a run of a config would take: sizes, schedule and time, of which nothing is written."""

import importlib
import os
import resource
import tempfile

from launchers import command, own_process, table
from mbrl_tf.environments import report
from mbrl_tf.training import progress, run_directory

_REPEATS = 3  # of each step that is timed
_LEAST_SHARE = 0.01  # of the time, below which a part is not told


def tell(config):
  """Builds everything that a config asks for, times its steps on one device, and prints rows."""
  command.load_tensorflow(config.algorithm)
  from mbrl_tf import assembly

  with tempfile.TemporaryDirectory() as folder:
    run = assembly.assemble(config, run_directory.RunDirectory(folder))
    try:
      assembly.tell_of_observations(run.environment.spec)
      _say('parameters', _of_networks(networks(run.algorithm.state)))
      _say('schedule', _schedule(config))
      # One after the other, because the first takes a while, and a person waits.
      parts = _timed(config, run)
      _say('memory', _memory(config, run))
      for topic, text in _time(config, run.environment.spec, parts):
        _say(topic, text)
    finally:
      run.environment.close()
  own_process.say('Nothing was written, and nothing was trained.')


def networks(state):
  """Returns how many numbers each network learns, by its name; each is counted once.

  Args:
    state: a `tf.Module` that owns the networks, or modules that do.
  """
  import tensorflow as tf

  counted, found = set(), {}

  def count(name, module):
    new = [v for v in module.trainable_variables if v.ref() not in counted]
    counted.update(v.ref() for v in new)
    if new:
      found[name] = found.get(name, 0) + sum(int(tf.size(v)) for v in new)

  for name, part in _modules(state):
    inner = [child for child in _modules(part) if child[1].trainable_variables]
    for child_name, child in inner if len(inner) > 1 else ():
      count(f'{name}.{child_name}', child)
    count(name, part)
  return found


def _modules(owner):
  """Yields names and modules that a module has as attributes, or in lists or dicts of them."""
  import tensorflow as tf

  for name, value in vars(owner).items():
    if not name.startswith('_'):
      for module in tf.nest.flatten(value):
        if isinstance(module, tf.Module):
          yield name, module


def _of_networks(found):
  told = [f'{name} {numbers:,}' for name, numbers in found.items()]
  return f'{", ".join(told)}; {sum(found.values()):,} in all'


def _schedule(config):
  run, collect = config.run, config.collect
  growth = getattr(collect, 'growth', 0.0)
  told = [f'{run.env_steps:,} env steps: {collect.random_env_steps:,} of random actions, then '
          f'{collect.env_steps_per_iteration:,} in an iteration'
          + (f' or {growth:.0%} of all so far, if that is more' if growth else '')]
  every = run.evaluate_every_env_steps
  told.append(f'{_evaluations(config)} evaluations of {run.evaluate_episodes} episodes' if every
              else 'no evaluation')
  every = run.checkpoint_every_env_steps
  told.append(f'a checkpoint every {every:,} env steps' if every
              else 'a checkpoint in each iteration')
  return '; '.join(told)


def _evaluations(config):
  every = config.run.evaluate_every_env_steps
  return -(-config.run.env_steps // every) if every else 0


def _timed(config, run):
  """Returns seconds of the whole run, of one unit and of its compilation, and the unit, by part."""
  from benchmarks import timing

  parts = importlib.import_module(f'benchmarks.{config.algorithm}')
  prepared, found = parts.prepared(config), {}
  for name, units in parts.work(config).items():
    benchmark = parts.ALL[name](run, prepared)
    seconds = timing.measure(benchmark.run, _REPEATS)
    each = seconds.median / benchmark.units
    found[name] = (units * each, each, max(seconds.first - seconds.median, 0), benchmark.unit)
  return found


def _memory(config, run):
  import tensorflow as tf

  spec = run.environment.spec
  # All that a checkpoint holds, moments of optimizers too.
  owned = tf.train.TrackableView(run.algorithm.state).descendants()
  variables = sum(each.shape.num_elements() * each.dtype.size for each in owned
                  if isinstance(each, tf.Variable))
  observed = spec.observation if isinstance(spec.observation, dict) else {'': spec.observation}
  replay = getattr(config, 'replay', None)
  decisions = -(-config.run.env_steps // config.environment.env_steps_per_decision)
  kept = min((replay or config.collect).capacity or decisions, decisions)
  each = report.bytes_of_decision(observed, spec.action)
  told = [f'{report.size(variables)} of variables, optimizers included',
          f'{report.size(each * kept)} of replay at the end'
          + (f', at most {report.size(replay.cache_mib * 2**20)} at once in memory'
             if replay else ''),
          f'this process took {report.size(_peak_bytes())} at most']
  workers = _worker_bytes()
  if workers:
    told.append(f'{len(workers)} simulator process{"es" * (len(workers) > 1)} of '
                f'{report.size(max(workers))}')
  return '; '.join(told)


def _peak_bytes():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _worker_bytes():
  """Returns what each child process takes now."""
  page, found = os.sysconf('SC_PAGE_SIZE'), []
  try:
    with open(f'/proc/self/task/{os.getpid()}/children', encoding='ascii') as file:
      children = file.read().split()
    for child in children:
      with open(f'/proc/{child}/statm', encoding='ascii') as file:
        found.append(int(file.read().split()[1]) * page)
  except OSError:  # a system without these files, or a process that just ended
    return found
  return found


def _time(config, spec, parts):
  """Yields rows of what takes how long, and of all together."""
  length = spec.time_limit or 1000
  evaluated = _evaluations(config) * config.run.evaluate_episodes * length
  _, each, _, _ = parts['collect']
  total = sum(seconds for seconds, *_ in parts.values()) + evaluated * each
  for name, (seconds, each, _, unit) in parts.items():
    if seconds > _LEAST_SHARE * total:
      yield f'time of {name}', (f'{_seconds(each)} for one of {round(seconds / each):,} {unit}: '
                                f'{progress.duration(seconds)}')
  if evaluated * each > _LEAST_SHARE * total:
    told = '' if spec.time_limit else ', if an episode takes 1,000 env steps'
    yield 'time of evaluations', f'{progress.duration(evaluated * each)}{told}'
  compiling = sum(first for _, _, first, _ in parts.values())
  yield 'time in all', (f'about {progress.duration(total + compiling)}, {progress.duration(compiling)} of it to '
                        'compile, on one device of this machine as busy as it is now')


def _seconds(seconds):
  return f'{seconds:.2g} s' if seconds >= 0.1 else f'{1000 * seconds:.2g} ms'


def _say(topic, text):
  for line in table.wrapped(text, topic):
    own_process.say(line)
