"""Lists the configs that come with mbrl_tf, and the environments that it knows by name.

  python -m launchers.list
  python -m launchers.list --environments=dmc:walker     also builds each whose name begins so, and
                                                         says what it observes and is told to do

Any other Gymnasium environment is named `my.module:factory` or `gym:module:id`.
"""

import ast
import importlib.util
import logging
import re

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors, shipped_configs

_ENVIRONMENTS = flags.DEFINE_string(
    'environments', None, 'list those alone whose names begin so, and describe each')


# What Gymnasium's own tasks import that it does not bring, by the module that has them.
_NEEDED = {'box2d': 'Box2D', 'phys2d': 'jax', 'tabular': 'jax'}


def main():
  """Prints what there is."""
  from mbrl_tf.environments import simulators
  environments = [name for name in _newest(simulators.names()) if _is_task(name)]
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
    own_process.say(f'  {name}{_lacking(name)}')


def _summary(path):
  """Returns the first sentence of a config's documentation."""
  text = ' '.join((ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or '').split())
  return re.split(r'(?<!\bal)\. ', text)[0].rstrip('.') + '.'


def _entry_point(name):
  """Returns where Gymnasium finds a task: `module:name`, or what it calls; '' for other tasks."""
  import gymnasium
  kind, _, given = name.partition(':')
  return gymnasium.spec(given).entry_point if kind == 'gym' else ''


def _is_task(name):
  """Whether there is a task behind a name: Gymnasium keeps names that only say what to install."""
  return isinstance(_entry_point(name), str)


def _lacking(name):
  """Says which package a task needs that is not installed; '' where it needs none."""
  for module, package in _NEEDED.items():
    needs = _entry_point(name).startswith(f'gymnasium.envs.{module}.')
    if needs and importlib.util.find_spec(package) is None:
      return f'  (needs {package})'
  return ''


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
