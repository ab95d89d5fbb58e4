"""What a person is told whose Python cannot be used, and what is delivered beside the code."""

import pathlib
import shutil
import subprocess
import sys

from packaging import requirements
import pytest

_ROOT = pathlib.Path(__file__).parent.parent
# A Python that says another version of itself, and makes no environment.
_INTERPRETER = '''#!/usr/bin/env bash
case $1 in
  --version) echo 'Python {version}' ;;
  -c) exec {python} -c 'import sys; sys.version_info = tuple(map(int, "{version}".split("."))); exec(sys.argv[1])' "$2" ;;
  *) exit 7 ;;
esac
'''
# A uv that has that Python once it was asked to install one.
_UV = '''#!/usr/bin/env bash
echo "$@" >> asked
case $2 in
  find) [ -e has_one ] && echo {interpreter} ;;
  install) echo 'warning: something' >&2; cat /dev/null > has_one ;;
esac
'''
_UV_WITHOUT_NETWORK = '''#!/usr/bin/env bash
printf 'error: Request failed after 3 retries\\n  cause: dns error\\n' >&2
exit 1
'''


def program(path, text):
  path.write_text(text)
  path.chmod(0o755)
  return path


@pytest.fixture
def folder(tmp_path):
  """Holds what is installed, and in bin/ what install.sh calls, but for a Python and uv."""
  for name in ('install.sh', 'requirements.txt', 'setup.py', 'pyproject.toml'):
    shutil.copy(_ROOT / name, tmp_path)
  (tmp_path / 'bin').mkdir()
  for name in ('bash', 'cat', 'cksum', 'dirname', 'env', 'head'):
    (tmp_path / 'bin' / name).symlink_to(shutil.which(name))
  return tmp_path


def interpreter(path, version):
  return program(path, _INTERPRETER.format(version=version, python=sys.executable))


def install(folder, **variables):
  """Runs install.sh; returns (exit status, stderr)."""
  environment = {'PATH': str(folder / 'bin'), **variables}
  done = subprocess.run([folder / 'install.sh'], env=environment, capture_output=True, text=True)
  return done.returncode, done.stderr


@pytest.mark.parametrize('version', ['3.14.0', '3.9.18'])
@pytest.mark.parametrize('named', [True, False])
def test_another_python_is_refused_in_one_sentence(folder, version, named):
  path = interpreter(folder / 'bin' / 'python3', version)
  status, said = install(folder, **({'PYTHON': str(path)} if named else {}))
  assert status == 2 and said.count('\n') == 1 and not (folder / '.venv').exists()
  assert said.startswith('mbrl_tf needs Python 3.10 to 3.13')
  assert 'PYTHON=' in said and 'or uv' in said
  assert said.endswith(f'Received: Python {version}\n')


def test_no_python_at_all_is_told_in_one_sentence(folder):
  status, said = install(folder)
  assert status == 2 and said.count('\n') == 1 and said.endswith('Received: no python3\n')


@pytest.mark.parametrize('version', ['3.10.4', '3.11.9', '3.12.1', '3.13.0'])
def test_a_python_that_fits_is_taken_whatever_the_first_one_is(folder, version):
  interpreter(folder / 'bin' / 'python3', '3.14.0')
  interpreter(folder / 'bin' / f'python{version.rpartition(".")[0]}', version)
  assert install(folder) == (7, '')  # of making the environment


def test_uv_gets_a_python_where_none_fits(folder):
  path = interpreter(folder / 'bin' / 'python3', '3.14.0')
  program(folder / 'bin' / 'uv', _UV.format(interpreter=interpreter(folder / 'of_uv', '3.13.5')))
  assert install(folder) == (7, '')  # of making the environment
  find = 'python find --python-preference only-managed >=3.10,<3.14\n'
  download = 'python install --quiet >=3.10,<3.14\n'
  assert (folder / 'asked').read_text() == find + download + find
  assert install(folder) == (7, '')
  assert (folder / 'asked').read_text() == find + download + find + find  # it has one now
  assert install(folder, PYTHON=str(path))[0] == 2  # what is named is not replaced


def test_a_uv_that_gets_none_is_told_in_one_sentence(folder):
  interpreter(folder / 'bin' / 'python3', '3.14.0')
  program(folder / 'bin' / 'uv', _UV_WITHOUT_NETWORK)
  status, said = install(folder)
  assert status == 2 and said.count('\n') == 1
  assert said.endswith('Python 3.14.0, and from uv: error: Request failed after 3 retries\n')


def test_an_environment_of_another_python_is_made_anew_where_one_is_named(folder):
  (folder / '.venv' / 'bin').mkdir(parents=True)
  made = interpreter(folder / '.venv' / 'bin' / 'python', '3.11.9')
  subprocess.run('cat requirements.txt setup.py pyproject.toml | cksum > .venv/installed',
                 shell=True, cwd=folder, check=True)
  assert install(folder) == (0, '') and install(folder, PYTHON=str(made)) == (0, '')
  assert install(folder, PYTHON=str(interpreter(folder / 'other', '3.12.1'))) == (7, '')


def test_pip_is_told_in_one_sentence_which_pythons_there_are():
  code = 'import sys; sys.version_info = (3, 14, 0); exec(open("setup.py").read())'
  done = subprocess.run([sys.executable, '-c', code], cwd=_ROOT, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.count('\n') == 1
  assert done.stderr.startswith('mbrl_tf needs Python 3.10 to 3.13')
  assert done.stderr.endswith('Received: Python 3.14\n')


def test_each_version_is_pinned_once_for_each_python():
  lines = (_ROOT / 'requirements.txt').read_text().splitlines()
  pins = [requirements.Requirement(line) for line in lines if line and not line.startswith('#')]
  for version in ('3.10', '3.11', '3.12', '3.13'):
    names = [pin.name.lower() for pin in pins
             if pin.marker is None or pin.marker.evaluate({'python_version': version})]
    assert len(names) == len(set(names)) and 'tf-agents' in names and 'labmaze' not in names
  assert all(str(pin.specifier).startswith('==') for pin in pins)


def test_results_stay_small_enough_to_be_cloned():
  assert sum(path.stat().st_size for path in (_ROOT / 'results').rglob('*') if path.is_file()) < 20e6
