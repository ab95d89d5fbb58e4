"""Train, stop, resume, evaluate and export as a person does."""

import json
import pathlib
import signal
import subprocess
import sys
import time

from absl import flags
from absl.testing import flagsaver
import pytest

from launchers import command
from launchers import evaluate
from launchers import export
from launchers import train
from mbrl_tf import errors

_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')
_TIMED = ('seconds', 'collect/seconds', 'collect/env_steps_per_second')


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  """A run that was stopped by Ctrl-C after its first iteration, and continued by the same command."""
  path = tmp_path_factory.mktemp('runs') / 'point_mass'
  arguments = [sys.executable, '-m', 'launchers.train', f'--config={_CONFIG}', f'--run_dir={path}', '--seed=3']
  process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
  deadline = time.monotonic() + 120
  while not (path / 'metrics.jsonl').exists() or not (path / 'metrics.jsonl').read_text():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signal.SIGINT)
  said = process.communicate(timeout=120)[1]
  assert process.returncode == 0 and 'Stopped with a checkpoint' in said or 'Finished' in said
  done = subprocess.run(arguments, capture_output=True, text=True, check=True)
  assert f'Finished. env_steps=200 run_dir={path}' in done.stderr
  noise = [line for line in done.stderr.splitlines() if not line.startswith(('Finished', '200/200', '100/200'))]
  assert noise == [] and done.stdout == ''
  return path


def parse(*arguments):
  """Parses flags as the command line does, for as long as a `flagsaver` lasts."""
  flags.FLAGS.unparse_flags()
  flags.FLAGS(['launcher', *arguments])


def record(path):
  return [{name: value for name, value in json.loads(line).items() if not name.startswith('seconds') and name not in _TIMED}
          for line in (path / 'metrics.jsonl').read_text().splitlines()]


def test_a_run_holds_what_is_promised(run_dir):
  assert {'checkpoints', 'episodes', 'config.json', 'metrics.jsonl'} < {path.name for path in run_dir.iterdir()}
  assert list(run_dir.glob('events.out.tfevents.*'))
  first, second = map(json.loads, (run_dir / 'metrics.jsonl').read_text().splitlines())
  for line, env_steps in ((first, 100), (second, 200)):
    assert line['env_steps'] == env_steps and line['seconds'] > 0
    assert {'collect/return_mean', 'evaluate/return_mean', 'collect/env_steps_per_second'} < line.keys()
  config = json.loads((run_dir / 'config.json').read_text())
  assert config['algorithm'] == 'mbmpo' and config['config']['run']['seed'] == 3


def test_stopped_and_resumed_equals_never_stopped(run_dir, tmp_path, monkeypatch):
  monkeypatch.setattr(sys, 'argv', ['launcher', f'--config={_CONFIG}', '--config.run.seed=3'])
  monkeypatch.chdir(tmp_path)
  with flagsaver.flagsaver():
    parse(*sys.argv[1:])
    train.main()
  assert record(tmp_path / 'runs' / 'point_mass_config-3') == record(run_dir)


def test_evaluate_prints_one_object_and_draws(run_dir, capsys):
  with flagsaver.flagsaver():
    parse(f'--run_dir={run_dir}', '--episodes=3', '--video')
    evaluate.main()
  told = json.loads(capsys.readouterr().out)
  assert told['env_steps'] == 200 and told['episodes'] == 3
  assert told['evaluate/return_min'] <= told['evaluate/return_mean'] <= told['evaluate/return_max']
  assert pathlib.Path(told['video']).read_bytes()[:6] == b'GIF89a'


def test_export_writes_both(run_dir, tmp_path, capsys):
  with flagsaver.flagsaver():
    parse(f'--run_dir={run_dir}', f'--export_dir={tmp_path / "exported"}')
    export.main()
  told = json.loads(capsys.readouterr().out)
  assert told == {'export_dir': str(tmp_path / 'exported'), 'env_steps': 200}
  assert (tmp_path / 'exported' / 'policy' / 'saved_model.pb').exists()
  assert (tmp_path / 'exported' / 'model' / 'saved_model.pb').exists()


def test_a_run_without_a_checkpoint_is_told(run_dir, tmp_path):
  (tmp_path / 'config.json').write_text((run_dir / 'config.json').read_text())
  with flagsaver.flagsaver(), pytest.raises(errors.UserError, match='no checkpoint yet'):
    parse(f'--run_dir={tmp_path}')
    evaluate.main()


def test_the_stored_config_is_the_resolved_one(run_dir):
  config = command.resolved_config(None, run_dir)
  assert config.run.seed == 3 and config.ensemble.hidden_sizes == (8,) and config.meta.outer_epochs == 1


def test_workers_of_a_launcher_never_load_tensorflow(tmp_path):
  # The factory raises in a worker that has. Videos go through a worker of their own.
  done = subprocess.run(
      [sys.executable, '-m', 'launchers.train', f'--config={_CONFIG}', f'--run_dir={tmp_path}', '--config.run.env_steps=100',
       '--config.environment.name=tests.launchers.suspicious_tasks:Suspicious', '--config.environment.parallel=processes',
       '--config.run.evaluate_videos=true'], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'Finished. env_steps=100' in done.stderr
  events = b''.join(path.read_bytes() for path in tmp_path.glob('events.out.tfevents.*'))
  assert b'evaluate/episode' in events and b'GIF89a' in events


def test_what_fails_otherwise_is_a_traceback_and_status_1(tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'launchers.train', f'--config={_CONFIG}', f'--run_dir={tmp_path}',
       '--config.environment.name=tests.launchers.suspicious_tasks:Suspicious', '--config.environment.parallel=in_process'],
      capture_output=True, text=True)
  assert done.returncode == 1
  assert 'not in a worker' in done.stderr and 'Traceback' in done.stderr
