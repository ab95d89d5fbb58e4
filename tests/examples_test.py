"""The examples do what they say: a notebook, and files that go on from what it wrote."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLES = ROOT / 'docs' / 'examples'


def execute(source, folder):
  """Runs code in this process, which has loaded TensorFlow already; returns what it printed."""
  printed = io.StringIO()
  with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
    patch.chdir(folder)
    exec(compile(source, 'example', 'exec'), {'__name__': '__main__'})
  return printed.getvalue()


def execute_alone(source, folder):
  """Runs code in a process of its own, and returns what it printed."""
  done = subprocess.run(
      [sys.executable, '-c', source], cwd=folder, capture_output=True, text=True,
      env={**os.environ, 'PYTHONPATH': str(ROOT)})
  assert done.returncode == 0, done.stderr
  return done.stdout


@pytest.fixture(scope='module')
def started(tmp_path_factory):
  """The folder in which the notebook was executed, and what it printed."""
  folder = tmp_path_factory.mktemp('examples')
  cells = json.loads((EXAMPLES / 'quick_start.ipynb').read_text())['cells']
  code = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
  return folder, execute('\n'.join(code), folder)


def numbers(line):
  return [float(word) for word in line.split('[')[1].rstrip(']').split()]


def test_the_notebook_imagines_what_really_happens(started):
  _, told = started
  real, imagined = map(numbers, told.splitlines()[-2:])
  assert imagined == pytest.approx(real, abs=0.1)


def test_the_exported_model_plans_without_this_package(started):
  source = (EXAMPLES / 'plan_with_exported_model.py').read_text()
  assert 'mbrl' not in source.split('"""')[2]
  told = execute_alone(source, started[0])
  # A point mass is paid for being near the middle; from beside it ten steps can pay ten at most.
  assert 4 < float(told.split()[-1]) <= 10.5


def test_the_policy_runs_under_tf_agents(started):
  told = execute((EXAMPLES / 'tf_agents_drivers.py').read_text(), started[0])
  assert float(told.split()[-1]) > 0
