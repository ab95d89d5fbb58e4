"""What a linter and a type checker find without running anything; pyproject.toml says which rules
hold."""

import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parent.parent


def lint(*arguments):
  return subprocess.run(
      [sys.executable, '-m', 'ruff', 'check', '--no-cache', *arguments], cwd=_ROOT,
      capture_output=True, text=True)


def test_the_linter_finds_nothing():
  done = lint('.')
  assert done.returncode == 0, done.stdout + done.stderr


def test_it_would_find_something(tmp_path):
  file = tmp_path / 'wrong.py'
  file.write_text('import os\n\n\ndef f(x=[]):\n  return y\n')
  told = lint('--config=pyproject.toml', '--output-format=concise', str(file)).stdout
  assert all(rule in told for rule in ('F401', 'F821', 'B006'))


def types(folder, *arguments):
  return subprocess.run(
      [sys.executable, '-m', 'mypy', f'--cache-dir={folder}', *arguments], cwd=_ROOT,
      capture_output=True, text=True)


def test_the_type_checker_finds_nothing(tmp_path):
  done = types(tmp_path)
  assert done.returncode == 0, done.stdout + done.stderr


def test_it_would_find_a_wrong_type(tmp_path):
  file = tmp_path / 'wrong.py'
  file.write_text('from mbrl_tf import types\n\nlimit: str = types.EnvironmentSpec.time_limit\n')
  told = types(tmp_path, '--config-file=pyproject.toml', str(file))
  assert told.returncode == 1 and 'Incompatible types in assignment' in told.stdout
