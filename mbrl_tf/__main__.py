"""All launchers as one command: `mbrl-tf train --config=tdmpc2/vectors` and so on.

It does what `python -m launchers.train` does in a checkout, and works from any folder. A wheel
holds launchers, configs and benchmarks in `mbrl_tf/shipped/`, so that these plain names stay free
for other packages; in a checkout they stand beside `mbrl_tf/`.
"""

import ast
import pathlib
import runpy
import sys

import mbrl_tf
from mbrl_tf import errors

_HERE = pathlib.Path(__file__).parent
_SHIPPED = _HERE / 'shipped'
_LAUNCHERS = {'inspect': 'inspect_model'}  # those that are called otherwise; Python has an `inspect`


def main():
  """Runs the launcher that the first argument names; the others are its flags."""
  root = _SHIPPED if _SHIPPED.is_dir() else _HERE.parent
  known = commands(root / 'launchers')
  name, *arguments = sys.argv[1:] or ['--help']
  if name in ('--help', '-h', 'help'):
    print(_help(known))
    sys.exit(0)
  if name == '--version':
    print(mbrl_tf.__version__)
    sys.exit(0)
  name = name.replace('-', '_')
  name = next((called for called, launcher in _LAUNCHERS.items() if launcher == name), name)
  if name not in known:
    print(f'error: {errors.unknown_name("command", name, known)}', file=sys.stderr)
    sys.exit(2)
  # As with `python -m`, modules in the current folder are found: environments of one's own are.
  sys.path[:1] = [str(root), '']
  sys.argv[1:] = arguments
  runpy.run_module(f'launchers.{_LAUNCHERS.get(name, name)}', run_name='__main__', alter_sys=True)


def commands(folder):
  """Returns the name of each launcher in a folder as it is called here, and what it does in one
  line.
  """
  found, called = {}, {launcher: name for name, launcher in _LAUNCHERS.items()}
  for path in sorted(folder.glob('*.py')):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    if any(isinstance(node, ast.If) and '__main__' in ast.unparse(node.test) for node in tree.body):
      found[called.get(path.stem, path.stem)] = ast.get_docstring(tree).split('\n')[0]
  return found


def _help(known):
  width = max(map(len, known))
  lines = [f'  {name:{width}}  {said}' for name, said in known.items()]
  return '\n'.join(['mbrl-tf COMMAND --flag=value ..., and mbrl-tf COMMAND --help', '', *lines])


if __name__ == '__main__':
  main()
