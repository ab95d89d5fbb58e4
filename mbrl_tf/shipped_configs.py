"""The configs that come with mbrl_tf, and how a config's file is read."""

import contextlib
import importlib.util
import pathlib
import sys

_HERE = pathlib.Path(__file__).parent
# Inside of the package in a wheel, beside it in a checkout.
_ROOT = _HERE / 'shipped' if (_HERE / 'shipped').is_dir() else _HERE.parent


def names():
  """Returns the names of the configs, such as `mbmpo/pendulum`, and their files."""
  folder = _ROOT / 'configs'
  return {path.relative_to(folder).with_suffix('').as_posix(): path
          for path in sorted(folder.glob('*/*.py')) if path.stem != '__init__'}


def load(path):
  """Returns what `get_config()` of a Python file returns. The file's code is executed."""
  path = pathlib.Path(path)
  spec = importlib.util.spec_from_file_location(f'mbrl_tf_config_{path.stem}', path)
  module = importlib.util.module_from_spec(spec)
  with _importable():
    spec.loader.exec_module(module)
    return module.get_config()


@contextlib.contextmanager
def _importable():
  """Lets a config import others as `configs.*`, whatever packages of a user have that name."""
  is_ours = lambda name: name.split('.')[0] == 'configs'
  others = {name: sys.modules.pop(name) for name in list(sys.modules) if is_ours(name)}
  sys.path.insert(0, str(_ROOT))
  try:
    yield
  finally:
    sys.path.remove(str(_ROOT))
    for name in [name for name in sys.modules if is_ours(name)]:
      del sys.modules[name]
    sys.modules.update(others)
