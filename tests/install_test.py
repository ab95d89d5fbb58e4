"""What a person is told whose Python cannot be used, and what is delivered beside the code."""

import pathlib
import shutil
import subprocess
import sys

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


def install(folder, version):
  """Runs install.sh in an empty folder with a Python that says this version; returns (exit status, stderr)."""
  for name in ('install.sh', 'requirements.txt', 'setup.py', 'pyproject.toml'):
    shutil.copy(_ROOT / name, folder)
  interpreter = folder / 'interpreter'
  interpreter.write_text(_INTERPRETER.format(version=version, python=sys.executable))
  interpreter.chmod(0o755)
  done = subprocess.run([folder / 'install.sh'], env={'PATH': '/usr/bin:/bin', 'PYTHON': str(interpreter)},
                        capture_output=True, text=True)
  assert not (folder / '.venv').exists()
  return done.returncode, done.stderr


@pytest.mark.parametrize('version', ['3.12.1', '3.13.0', '3.9.18'])
def test_another_python_is_refused_in_one_sentence(tmp_path, version):
  status, said = install(tmp_path, version)
  assert status == 2 and said.count('\n') == 1
  assert said.startswith('mbrl_tf needs Python 3.10 or 3.11') and 'PYTHON=' in said
  assert said.endswith(f'Received: Python {version}\n')


@pytest.mark.parametrize('version', ['3.10.4', '3.11.9'])
def test_a_python_that_fits_is_taken(tmp_path, version):
  status, said = install(tmp_path, version)
  assert status == 7 and said == f'Installing into .venv with Python {version}; this takes some minutes.\n'


def test_results_stay_small_enough_to_be_cloned():
  assert sum(path.stat().st_size for path in (_ROOT / 'results').rglob('*') if path.is_file()) < 20e6
