"""What a linter finds without running anything; pyproject.toml says which rules hold."""

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
