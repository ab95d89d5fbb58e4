"""Arrows run one way: parses the imports of every file and holds them to the design."""

import ast
import pathlib

import pytest

from mbrl_tf.algorithms import catalog

ROOT = pathlib.Path(__file__).parent.parent
TENSORFLOW = {'tensorflow', 'tensorflow_probability', 'tf_keras', 'tf_agents'}

# Room to what it may import besides itself; everyone may import errors. `algorithm` is each folder under algorithms/.
ARROWS = {
    'launchers': {'assembly', 'compiled', 'library', 'shipped_configs', 'algorithms/catalog', 'environments/catalog', 'environments/examination',
                  'environments/minari_sets', 'environments/rendering', 'environments/report',
                  'environments/simulators', 'training', 'drivers', 'data', 'benchmarks'},
    'library': {'assembly', 'shipped_configs', 'training'},
    'assembly': {'algorithms/catalog', 'environments/catalog', 'environments/report', 'training',
                 'drivers', 'data'},
    'shipped_configs': set(),
    'compiled': set(),
    'configs': {'algorithms/base', 'algorithm/config'},
    'training': {'algorithms/base', 'algorithms/clock', 'drivers', 'data', 'ops', 'types'},
    'algorithm': {'algorithms/base', 'algorithms/clock', 'algorithms/ensembles', 'models', 'data', 'ops',
                  'drivers/policies', 'types'},
    'algorithms/ensembles': {'algorithms/base', 'algorithms/clock', 'models', 'data', 'ops', 'types'},
    'algorithms/base': {'types'},
    'algorithms/catalog': set(),
    'algorithms/clock': set(),
    'models': {'ops', 'types'},
    'drivers': {'environments', 'types'},
    'environments': {'ops', 'types'},
    'ops': {'types'},
    'data': {'types'},
    'types': set(),
    'errors': set(),
}

# Package to the places that may import it, as beginnings of paths.
OUTSIDE = {
    'gymnasium': ('mbrl_tf/environments/',),
    'minari': ('mbrl_tf/environments/',),
    'mujoco': ('mbrl_tf/environments/',),
    'dm_control': ('mbrl_tf/environments/',),
    # The launchers' command imports it only to keep quiet what it prints when it is first imported.
    'tf_agents': ('mbrl_tf/environments/', 'mbrl_tf/drivers/', 'mbrl_tf/training/export.py',
                  'mbrl_tf/training/serving.py', 'launchers/command.py',
                  *(f'mbrl_tf/algorithms/{name}/policy.py' for name in catalog.names())),
}

# What simulator processes and launchers read before they know whether they need TensorFlow.
FREE_OF_TENSORFLOW = [
    'mbrl_tf/__init__.py', 'mbrl_tf/compiled.py', 'mbrl_tf/environments/toy.py', 'mbrl_tf/environments/wrappers.py',
    'mbrl_tf/environments/actions.py',
    'mbrl_tf/environments/rendering.py', 'mbrl_tf/environments/simulators.py', 'mbrl_tf/environments/parallel.py',
    'mbrl_tf/environments/hosts.py', 'mbrl_tf/environments/guests.py',
    'mbrl_tf/environments/worker.py', 'mbrl_tf/environments/dm_control.py',
    'mbrl_tf/environments/pixels.py', 'mbrl_tf/environments/observed.py', 'mbrl_tf/environments/observing.py',
    'mbrl_tf/environments/placeholders.py', 'mbrl_tf/environments/native.py',
    'mbrl_tf/environments/action_rows.py',
    'mbrl_tf/environments/mujoco_setup.py',
    'mbrl_tf/environments/answers.py', 'mbrl_tf/environments/report.py',
    'mbrl_tf/environments/random_play.py', 'mbrl_tf/data/agreement.py',
    'mbrl_tf/algorithms/base.py', 'mbrl_tf/algorithms/catalog.py', 'mbrl_tf/algorithms/ensembles/config.py',
    *(f'mbrl_tf/algorithms/{name}/config.py' for name in catalog.names())]


def python_files(*folders):
  return sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob('*.py'))


FILES = python_files('mbrl_tf', 'launchers', 'configs')


def imports(source, top_level_only=False):
  """Dotted names that a source imports, `from a import b` as both `a` and `a.b`."""
  tree = ast.parse(source)
  nodes = tree.body if top_level_only else ast.walk(tree)
  names = []
  for node in nodes:
    if isinstance(node, ast.Import):
      names += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      if node.level:
        raise AssertionError(f'Relative imports are not used. Received: line {node.lineno}')
      names += [node.module, *(f'{node.module}.{alias.name}' for alias in node.names)]
  return names


def file_of(name):
  """The path of a module of the project, or None for packages and for what stands outside."""
  path = pathlib.Path(*name.split('.')).with_suffix('.py')
  return str(path) if (ROOT / path).exists() else None


def room(path):
  """The room that a file stands in, and for algorithms the folder's name."""
  parts = pathlib.Path(path).with_suffix('').parts
  if parts[0] != 'mbrl_tf':
    return parts[0], None
  if parts[1] == 'algorithms' and len(parts) > 3 and parts[2] != 'ensembles':
    return 'algorithm', parts[2]
  return ('/'.join(parts[1:3]) if parts[1] == 'algorithms' else parts[1]), None


def is_allowed(path, imported):
  (own, folder), (other, other_folder) = room(path), room(imported)
  if other == 'errors' or (own == other and folder == other_folder):
    return True
  names = {other, '/'.join(pathlib.Path(imported).with_suffix('').parts[1:])}
  if other == 'algorithm':
    names = {'algorithm/config'} if imported.endswith('config.py') else set()
  return bool(names & ARROWS[own])


def violations(path, source):
  """What a file imports and may not."""
  names = imports(source)
  inside = {file_of(name) for name in names} - {None}
  found = [imported for imported in sorted(inside) if not is_allowed(path, imported)]
  for package in {name.split('.')[0] for name in names} & set(OUTSIDE):
    if not path.startswith(OUTSIDE[package]):
      found.append(package)
  return found


@pytest.mark.parametrize('path', [path for path in FILES if not path.endswith('__init__.py')])
def test_imports_follow_the_arrows(path):
  assert violations(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize('path, source, wrong', [
    ('mbrl_tf/ops/new.py', 'from mbrl_tf.models import mlp', 'mbrl_tf/models/mlp.py'),
    ('mbrl_tf/models/new.py', 'def f():\n  import mbrl_tf.drivers.driver', 'mbrl_tf/drivers/driver.py'),
    ('mbrl_tf/training/new.py', 'from mbrl_tf.algorithms.mbmpo import config', 'mbrl_tf/algorithms/mbmpo/config.py'),
    ('mbrl_tf/training/new.py', 'from mbrl_tf.algorithms import catalog', 'mbrl_tf/algorithms/catalog.py'),
    ('mbrl_tf/algorithms/mbmpo/new.py', 'from mbrl_tf.environments import toy', 'mbrl_tf/environments/toy.py'),
    ('mbrl_tf/algorithms/mbmpo/new.py', 'from mbrl_tf.training import loop', 'mbrl_tf/training/loop.py'),
    ('mbrl_tf/algorithms/mbmpo/new.py', 'from mbrl_tf.drivers import driver', 'mbrl_tf/drivers/driver.py'),
    ('mbrl_tf/algorithms/other/new.py', 'from mbrl_tf.algorithms.mbmpo.losses import adapt', 'mbrl_tf/algorithms/mbmpo/losses.py'),
    ('mbrl_tf/data/new.py', 'import gymnasium.spaces', 'gymnasium'),
    ('mbrl_tf/models/new.py', 'from tf_agents.trajectories import time_step', 'tf_agents'),
    ('launchers/new.py', 'from mbrl_tf.algorithms.mbmpo import build', 'mbrl_tf/algorithms/mbmpo/build.py'),
])
def test_an_arrow_against_the_direction_is_found(path, source, wrong):
  assert violations(path, source) == [wrong]


@pytest.mark.parametrize('path, source', [
    ('mbrl_tf/ops/new.py', 'from mbrl_tf import errors, types\nfrom mbrl_tf.ops import masks'),
    ('mbrl_tf/algorithms/mbmpo/new.py', 'from mbrl_tf.drivers import policies\nfrom mbrl_tf.algorithms import base'),
    ('mbrl_tf/training/new.py', 'from mbrl_tf.algorithms import base\nfrom mbrl_tf.drivers.driver import EpisodeDriver'),
])
def test_an_arrow_in_the_direction_is_not(path, source):
  assert violations(path, source) == []


def reached(path):
  """All files of the project that importing a file imports at once, with itself."""
  seen, waiting = set(), [path]
  while waiting:
    current = waiting.pop()
    if current in seen:
      continue
    seen.add(current)
    names = imports((ROOT / current).read_text(), top_level_only=True)
    waiting += [imported for imported in map(file_of, names) if imported]
  return seen


@pytest.mark.parametrize('path', [path for path in FREE_OF_TENSORFLOW if (ROOT / path).exists()] + python_files('configs'))
def test_simulators_and_configs_are_free_of_tensorflow(path):
  assert not {name.split('.')[0] for name in imports((ROOT / path).read_text())} & TENSORFLOW
  for other in reached(path):
    names = imports((ROOT / other).read_text(), top_level_only=True)
    assert not {name.split('.')[0] for name in names} & TENSORFLOW, other


def test_launchers_import_tensorflow_inside_main():
  """A spawned simulator process imports the main module."""
  launchers = [path for path in python_files('launchers') if "__name__ == '__main__'" in (ROOT / path).read_text()]
  assert 'launchers/train.py' in launchers
  for launcher in launchers:
    for path in reached(launcher):
      names = imports((ROOT / path).read_text(), top_level_only=True)
      assert not {name.split('.')[0] for name in names} & TENSORFLOW, f'{launcher} reaches {path}'


@pytest.mark.parametrize('path', [path for path in FILES if path.endswith('__init__.py') and path != 'mbrl_tf/__init__.py'])
def test_packages_are_empty(path):
  assert (ROOT / path).read_text() == ''


def test_every_room_is_a_package():
  folders = {pathlib.Path(path).parent for path in FILES}
  assert all((ROOT / folder / '__init__.py').exists() for folder in folders)
