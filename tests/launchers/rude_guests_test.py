"""Runs whose simulators are rude: no launcher ends without a word or with status 0 where it
failed, hangs, or prints what is not its own.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.launchers import bad_input_test

_ROOT = pathlib.Path(__file__).parent.parent.parent
_NAME = 'tests.environments.rude_guests:Rude'


def command(launcher, *arguments):
  return [sys.executable, '-m', f'launchers.{launcher}', *arguments]


def training(path, *arguments, name=_NAME, env_steps=100, **kwargs):
  """The arguments of a run of one iteration, all of whose actions are random."""
  return [f'--config={bad_input_test.CONFIGS["mbmpo"]}', f'--run_dir={path}',
          f'--config.environment.name={name}',
          f'--config.environment.kwargs={json.dumps(kwargs)}',
          f'--config.run.env_steps={env_steps}',
          '--config.run.evaluate_every_env_steps=0', *arguments]


def launch(*command_line, cwd=_ROOT, **variables):
  """Runs a command to its end, which must come; returns it."""

  return subprocess.run(
      command_line, capture_output=True, text=True, timeout=300, cwd=cwd,
      env={**os.environ, 'PYTHONPATH': str(_ROOT), **variables})


def test_whatever_a_guest_does_training_ends_and_evaluation_prints_one_object(tmp_path):
  """In one process with the trainer, under a name that is relative and odd, and with warnings that
  are to be errors.
  """
  manner = ', '.join(['prints', 'changes the directory', 'starts a thread', 'starts a process',
                      'replaces signal handlers', 'changes the action'])
  run = 'runs/läuft [1] {x}, back\\slash ~'
  arguments = training(run, manner=manner, at='close', way='sys.exit')
  done = launch(*command('train', *arguments), cwd=tmp_path, PYTHONWARNINGS='error')
  assert done.returncode == 0, done.stderr
  assert done.stdout == '' and 'a line from the simulator' in done.stderr
  assert 'another line' in done.stderr
  assert f'Finished. env_steps=120 run_dir={tmp_path / run}' in done.stderr
  assert "raised in close() (SystemExit" in done.stderr and "Received: ['error']" in done.stderr
  assert os.listdir(tmp_path) == ['runs']
  assert os.listdir(tmp_path / 'runs') == [pathlib.Path(run).name]
  done = launch(*command('evaluate', f'--run_dir={run}', '--episodes=2', '--video'), cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  told = json.loads(done.stdout)
  assert told['episodes'] == 2 and pathlib.Path(told['video']).read_bytes()[:6] == b'GIF89a'
  done = launch(*command('train', '--run_dir=' + run), cwd=tmp_path)
  assert done.returncode == 0 and 'Finished. env_steps=120' in done.stderr


@pytest.mark.parametrize('kwargs, part', [
    ({'at': 'step', 'way': 'os._exit', 'after': 30}, 'for the 5th time in a row'),
    ({'at': '__init__', 'way': 'os._exit'}, 'Rude cannot be built.'),
    ({'manner': 'starts a thread that ends the process'},
     'A simulator or a package ended this process. Received: os._exit(0)')])
def test_a_guest_that_ends_the_process_ends_the_run_with_a_word(kwargs, part, tmp_path):
  done = launch(*command('train', *training(tmp_path / 'run', **kwargs)))
  assert done.returncode == 1 and done.stdout == ''
  assert part in done.stderr and 'error: ' in done.stderr


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  path = tmp_path_factory.mktemp('trained') / 'run'
  assert bad_input_test.launch('train', *training(path)) == 0
  return path


@pytest.mark.parametrize('name, times', [('Unseeded', 1), ('UnseededLater', 1), ('Rude', 0)])
def test_that_nobody_can_repeat_a_run_is_said_once(name, times, tmp_path, recwarn):
  arguments = training(tmp_path / 'run', name=f'tests.environments.rude_guests:{name}')
  assert bad_input_test.launch('train', *arguments) == 0
  said = [str(warning.message) for warning in recwarn]
  assert sum('ignores what reset(seed=...) is given' in text for text in said) == times


def test_the_numbers_are_told_where_the_video_cannot_be_written(trained, capsys):
  (trained / 'evaluate-120.gif').mkdir()
  try:
    status = bad_input_test.launch('evaluate', f'--run_dir={trained}', '--episodes=2', '--video')
  finally:
    (trained / 'evaluate-120.gif').rmdir()
  said = capsys.readouterr()
  told = json.loads(said.out)
  assert told['episodes'] == 2 and told['video'] is None and 'evaluate/return_mean' in told
  bad_input_test.require_one_error(said.err, status, 2, ['evaluate-120.gif'])


def test_and_where_nothing_can_be_drawn(trained, tmp_path, capsys):
  config = json.loads((trained / 'config.json').read_text())
  kept = json.dumps(config)
  config['config']['environment']['kwargs'] = {'at': 'render', 'way': 'raise'}
  (trained / 'config.json').write_text(json.dumps(config))
  try:
    status = bad_input_test.launch('evaluate', f'--run_dir={trained}', '--episodes=2', '--video')
  finally:
    (trained / 'config.json').write_text(kept)
  said = capsys.readouterr()
  assert status == 1 and json.loads(said.out)['video'] is None and 'the gearbox broke' in said.err


@pytest.mark.parametrize('launcher, arguments', [
    ('train', ['--run_dir=gs://bucket/run']), ('evaluate', ['--run_dir=s3://bucket/run']),
    ('export', ['--run_dir=x', '--export_dir=gs://bucket/x']),
    ('export', ['--run_dir=x', '--export_dir=a[1]'])])
def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
    launcher, arguments, tmp_path, capsys, monkeypatch):
  monkeypatch.chdir(tmp_path)
  given = [f'--config={bad_input_test.CONFIGS["mbmpo"]}'] if launcher == 'train' else []
  status = bad_input_test.launch(launcher, *given, *arguments)
  flag = arguments[-1][2:].split('=')[0]
  bad_input_test.require_one_error(capsys.readouterr().err, status, 2, [f'Received: {flag}='])
  assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_a_run_stays_as_it_is(tmp_path, capsys):
  (tmp_path / 'episodes').mkdir()
  for name in ('episodes/00000000-5.npz', 'metrics.jsonl', 'film.mp4.partial', 'thesis.txt'):
    (tmp_path / name).write_text('years of work')
  before = bad_input_test.contents(tmp_path)
  status = bad_input_test.launch('train', *training(tmp_path))
  part = 'holds something else (episodes, film.mp4.partial, metrics.jsonl, ...)'
  bad_input_test.require_one_error(capsys.readouterr().err, status, 2, [part])
  assert bad_input_test.contents(tmp_path) == before and not (tmp_path / 'lock').exists()
