"""Train, stop, resume, evaluate and export as a person does."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from absl import flags
from absl.testing import flagsaver
import pytest
from tensorboard.backend.event_processing import event_accumulator

from launchers import command
from launchers import evaluate
from launchers import export
from launchers import inspect_model
from launchers import train
from mbrl_tf import errors
from mbrl_tf.environments import simulators
from tests.launchers import bad_input_test

_ROOT = pathlib.Path(__file__).parent.parent.parent
_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')
# The smoke config in little: most of such a run compiles, a program for each number of members that still learn.
_SMOKE = [
    f'--config={_ROOT / "configs" / "mbmpo" / "smoke.py"}', '--seed=3', '--config.run.evaluate_every_env_steps=150',
    '--config.ensemble.max_epochs=3', '--config.ensemble.persistence=1', '--config.imagination.horizon=3',
    '--config.meta.updates_per_iteration=2', '--config.meta.outer_epochs=1']
# Compiles the least.
LITTLE_PETS = [
    f'--config={_ROOT / "configs" / "pets" / "smoke.py"}', '--config.run.evaluate_every_env_steps=0',
    '--config.collect.random_env_steps=100', '--config.ensemble.max_epochs=3',
    '--config.ensemble.min_epochs=3', '--config.planner.samples=8', '--config.planner.rounds=1',
    '--config.planner.horizon=3']
_TIMED = ('seconds', 'collect/seconds', 'collect/env_steps_per_second')


def train_command(path, *arguments):
  return [sys.executable, '-m', 'launchers.train', f'--run_dir={path}', *arguments]


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  """A run of 800 env steps, which its episodes round up to 900."""
  path = tmp_path_factory.mktemp('runs') / 'smoke'
  command_line = train_command(path, *_SMOKE, '--config.run.env_steps=800')
  done = subprocess.run(command_line, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert f'Finished. env_steps=900 run_dir={path}' in done.stderr
  noise = [line for line in done.stderr.splitlines() if not re.match(
      r'Finished|\d+/800 env steps|toy:point_mass observes 4 numbers', line)]
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
  lines = [json.loads(line) for line in (run_dir / 'metrics.jsonl').read_text().splitlines()]
  assert [line['env_steps'] for line in lines] == [450, 600, 750, 900]
  assert all({'collect/return_mean', 'evaluate/return_mean', 'collect/env_steps_per_second'} < line.keys() for line in lines)
  seconds = [line['seconds'] for line in lines]
  assert seconds == sorted(seconds) and seconds[0] > 0
  config = json.loads((run_dir / 'config.json').read_text())
  assert config['algorithm'] == 'mbmpo' and config['config']['run']['seed'] == 3


def evaluated(path, capsys):
  """What evaluating the best checkpoint says, without the name of the run."""
  with flagsaver.flagsaver():
    parse(f'--run_dir={path}', '--episodes=3', '--best')
    evaluate.main()
  return {name: value for name, value in json.loads(capsys.readouterr().out).items() if name != 'run_dir'}


def test_an_inspection_is_drawn_and_told_and_leaves_the_run_as_it_was(run_dir, capsys):
  others = lambda: {path: path.read_bytes() for path in run_dir.rglob('*')
                    if path.is_file() and run_dir / 'inspect' not in path.parents}
  before = others()
  with flagsaver.flagsaver():
    parse(f'--run_dir={run_dir}', '--episodes=3', '--horizon=4')
    inspect_model.main()
  told = json.loads(capsys.readouterr().out)
  folder = run_dir / 'inspect'
  assert told['algorithm'] == 'mbmpo' and told['env_steps'] == 900 and told['out'] == str(folder)
  assert told['horizon'] == 4 and told['imagined_horizon'] == 3
  assert told['episodes']['newest'] == {'episodes': 3, 'learned_from': False}
  assert told['episodes']['older'] == {'episodes': 3, 'learned_from': True}
  names = {'error', 'return', 'episodes', 'calibration', 'disagreement', 'training'}
  assert {path.stem for path in folder.glob('*.png')} == names
  assert all(path.read_bytes().startswith(b'\x89PNG') for path in folder.glob('*.png'))
  assert sorted(told['files']) == sorted(path.name for path in folder.iterdir())
  assert json.loads((folder / 'inspection.json').read_text()) == {
      name: value for name, value in told.items() if name != 'files'}
  shown, = folder.glob('events.out.tfevents.*')
  accumulator = event_accumulator.EventAccumulator(str(shown), {'tensors': 0}).Reload()
  assert set(accumulator.Tags()['tensors']) == {f'inspect/{name}' for name in names}
  assert accumulator.Tensors('inspect/error')[0].step == 900
  assert others() == before


def test_the_best_checkpoint_is_evaluated_in_other_episodes_than_those_that_chose_it(run_dir, capsys):
  lines = {line['env_steps']: line for line in map(json.loads, (run_dir / 'metrics.jsonl').read_text().splitlines())}
  episodes = json.loads((run_dir / 'config.json').read_text())['config']['run']['evaluate_episodes']
  for best in (False, True):
    with flagsaver.flagsaver():
      parse(f'--run_dir={run_dir}', f'--episodes={episodes}', *(['--best'] if best else []))
      evaluate.main()
    told = json.loads(capsys.readouterr().out)
    same = told['evaluate/return_mean'] == pytest.approx(lines[told['env_steps']]['evaluate/return_mean'], rel=1e-6)
    assert same != best


@pytest.mark.long
def test_prolonged_equals_never_stopped(run_dir, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  for env_steps in (600, 800):
    arguments = ['launcher', *_SMOKE, f'--config.run.env_steps={env_steps}']
    monkeypatch.setattr(sys, 'argv', arguments)
    with flagsaver.flagsaver():
      parse(*arguments[1:])
      train.main()
  prolonged, never_stopped = record(tmp_path / 'runs' / 'mbmpo-smoke-3'), record(run_dir)
  assert len(never_stopped) == 4 and 'imagine/return_after_mean' in never_stopped[1]
  assert never_stopped == prolonged
  assert evaluated(tmp_path / 'runs' / 'mbmpo-smoke-3', capsys) == evaluated(run_dir, capsys)


def stop(process, ready):
  """Sends Ctrl-C as soon as `ready()`, for which the run must not end; returns what the process said."""
  deadline = time.monotonic() + 240
  while not ready():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signal.SIGINT)
  said = process.communicate(timeout=240)[1]
  assert process.returncode == 0, said
  assert 'Stopped with a checkpoint; the same command goes on' in said
  return said


def test_ctrl_c_stops_with_a_checkpoint_and_the_same_command_goes_on(tmp_path):
  # Too many steps to end by itself, however long the signal takes.
  command_line = train_command(tmp_path, *LITTLE_PETS, '--config.run.env_steps=100000000')
  start = lambda: subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True)
  checkpoints = lambda: {int(path.stem.split('-')[1]) for path in tmp_path.glob('checkpoints/*.sha256')}
  # Episodes appear while the first iteration collects, when signals are heeded already.
  stop(start(), lambda: any(tmp_path.glob('episodes/*.npz')))
  before = record(tmp_path)
  reached = before[-1]['env_steps']
  assert max(checkpoints()) == reached
  said = stop(start(), lambda: len((tmp_path / 'metrics.jsonl').read_text().splitlines()) > len(before))
  after = record(tmp_path)
  assert after[:len(before)] == before and after[len(before)]['env_steps'] == reached + 100
  assert max(checkpoints()) == after[-1]['env_steps'] and f'env_steps={after[-1]["env_steps"]}' in said


def test_evaluate_prints_one_object_and_draws(run_dir, capsys):
  with flagsaver.flagsaver():
    parse(f'--run_dir={run_dir}', '--episodes=3', '--video')
    evaluate.main()
  told = json.loads(capsys.readouterr().out)
  assert told['env_steps'] == 900 and told['episodes'] == 3
  assert told['evaluate/return_min'] <= told['evaluate/return_mean'] <= told['evaluate/return_max']
  assert pathlib.Path(told['video']).read_bytes()[:6] == b'GIF89a'


def test_another_environment_is_evaluated_in_and_told(run_dir, capsys, monkeypatch):
  built, build = [], simulators.build
  monkeypatch.setattr(simulators, 'build', lambda *arguments: built.append(arguments[1]) or build(*arguments))

  def told(*arguments):
    with flagsaver.flagsaver():
      parse(f'--run_dir={run_dir}', '--episodes=3', *arguments)
      evaluate.main()
    return json.loads(capsys.readouterr().out)

  same = told()
  assert 'evaluated_in' not in same and same['evaluate/episode_length_mean'] == 50
  assert len(built) == 1 + 3  # one to know the task
  films = [told('--time_limit=20', '--video')['video'], told('--time_limit=21', '--video')['video']]
  assert len({*films, str(run_dir / 'evaluate-900.gif')}) == 3  # none takes another's place
  other = told('--time_limit=20', '--kwargs={"start_radius": 0.0}')
  assert other['evaluated_in'] == {'kwargs': {'start_radius': 0.0}, 'time_limit': 20}
  assert other['trained_in'] == {'kwargs': {}, 'time_limit': 50}
  assert other['evaluate/episode_length_mean'] == 20
  # From the goal on there is nothing to lose but what actions cost.
  assert other['evaluate/return_mean'] / 20 > same['evaluate/return_mean'] / 50
  with pytest.raises(errors.UserError, match='keyword arguments'):
    told('--kwargs={"radius": 1}')


def test_export_writes_both(run_dir, tmp_path, capsys):
  with flagsaver.flagsaver():
    parse(f'--run_dir={run_dir}', f'--export_dir={tmp_path / "exported"}', '--lite')
    export.main()
  told = json.loads(capsys.readouterr().out)
  assert told == {'export_dir': str(tmp_path / 'exported'), 'env_steps': 900}
  assert (tmp_path / 'exported' / 'policy' / 'saved_model.pb').exists()
  assert (tmp_path / 'exported' / 'model' / 'saved_model.pb').exists()
  assert (tmp_path / 'exported' / 'lite' / 'policy.tflite').read_bytes()[4:8] == b'TFL3'
  told = json.loads((tmp_path / 'exported' / 'export.json').read_text())['lite']
  assert told == {'inputs': {'observation': {'shape': [4], 'dtype': 'float32', 'key': 'observation'}},
                  'outputs': {'action': {'shape': [2], 'dtype': 'float32'}}}


def test_a_run_without_a_checkpoint_is_told(run_dir, tmp_path):
  (tmp_path / 'config.json').write_text((run_dir / 'config.json').read_text())
  with flagsaver.flagsaver(), pytest.raises(errors.UserError, match='no checkpoint yet'):
    parse(f'--run_dir={tmp_path}')
    evaluate.main()


def test_the_stored_config_is_the_resolved_one(run_dir):
  config = command.resolved_config(None, run_dir)
  assert config.run.seed == 3 and config.ensemble.hidden_sizes == (32, 32) and config.meta.outer_epochs == 1


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


def test_what_fails_otherwise_is_a_traceback_and_status_1(tmp_path, capfd):
  arguments = (f'--config={_CONFIG}', f'--run_dir={tmp_path}', '--config.environment.parallel=in_process',
               '--config.environment.name=tests.launchers.suspicious_tasks:Suspicious')
  assert bad_input_test.launch('train', *arguments) == 1
  said = capfd.readouterr().err
  assert 'not in a worker' in said and 'Traceback' in said


@pytest.mark.parametrize('algorithm, given, used', [('dreamer', None, '1'), ('mbmpo', None, '0'), ('mbmpo', '1', '1')])
def test_each_algorithm_gets_the_kernels_that_are_faster_for_it(monkeypatch, algorithm, given, used):
  monkeypatch.delenv('TF_ENABLE_ONEDNN_OPTS', raising=False)
  if given is not None:
    monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', given)
  command.load_tensorflow(algorithm)
  assert os.environ['TF_ENABLE_ONEDNN_OPTS'] == used
