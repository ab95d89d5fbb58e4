"""Lists the configs that come with mbrl_tf, and the environments that it knows by name.

  python -m launchers.list
  python -m launchers.list --environments=dmc:walker     also builds each whose name begins so, and
                                                         says what it observes and is told to do

Any other Gymnasium environment is named `my.module:factory` or `gym:module:id`.
"""

import ast
import logging
import re

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors, shipped_configs

_ENVIRONMENTS = flags.DEFINE_string(
    'environments', None, 'list those alone whose names begin so, and describe each')


def main():
  """Prints what there is."""
  from mbrl_tf.environments import simulators
  environments = [name for name in _newest(simulators.names()) if simulators.is_task(name)]
  if _ENVIRONMENTS.value is not None:
    _describe(_ENVIRONMENTS.value, environments)
    return
  summaries = {name: _summary(path) for name, path in shipped_configs.names().items()}
  width = max(map(len, summaries))
  own_process.say('Configs, for --config=:')
  for name, summary in summaries.items():
    own_process.say(f'  {name:{width}}  {summary}')
  own_process.say('\nEnvironments, for --config.environment.name=:')
  for name in environments:
    lacking = simulators.lacking(name)
    own_process.say(f'  {name}' + (f'  (needs {lacking})' if lacking else ''))


def _summary(path):
  """Returns the first sentence of a config's documentation."""
  text = ' '.join((ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or '').split())
  return re.split(r'(?<!\bal)\. ', text)[0].rstrip('.') + '.'


def _newest(names):
  """Returns those names of which there is no later version."""
  newest = {}
  for name in names:
    task, _, version = name.partition('-v')
    if task not in newest or int(version or 0) > int(newest[task].partition('-v')[2] or 0):
      newest[task] = name
  return list(newest.values())


def _describe(prefix, names):
  """Prints what each environment is whose name begins with `prefix`."""
  chosen = [name for name in names if name.startswith(prefix)]
  if not chosen:
    raise errors.unknown_name('environment', prefix, names)
  command.load_tensorflow('mbmpo')  # no kernel is called
  from mbrl_tf.environments import catalog, report
  logging.getLogger('mbrl_tf').setLevel(logging.ERROR)  # what is drawn with is of no interest here
  width = max(map(len, chosen))
  for name in chosen:
    try:
      environment = catalog.make(name, parallel='in_process')
    except (errors.UserError, errors.SimulatorError) as error:
      own_process.say(f'{name:{width}}  {" ".join(report.in_short(error))}')
      continue
    own_process.say(f'{name:{width}}  {_what_it_is(environment.spec)}')
    environment.close()


def _what_it_is(spec):
  """Returns what an `EnvironmentSpec` says, in one line."""
  from mbrl_tf.environments import report
  observed = spec.observation if isinstance(spec.observation, dict) else {'': spec.observation}
  numbers = spec.action.numbers
  actions = [f'{numbers} number{"s" * (numbers > 1)}'] * bool(numbers)
  actions += [f'a choice of {count}' for count in spec.action.choices]
  known = ['reward'] * (spec.reward is not None) + ['termination'] * (spec.terminated is not None)
  return '; '.join([
      f'observes {report.parts(observed)}', f'decides {" and ".join(actions)}',
      f'{spec.time_limit:,} env steps an episode' if spec.time_limit else 'no time limit',
      f'functions: {", ".join(known) or "none"}'])


if __name__ == '__main__':
  command.run(main, __doc__, ('environments',))
