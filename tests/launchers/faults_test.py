"""Simulators that fail while a run trains: the run goes on, and its metrics count what was lost; or it stops and says why."""

import json

import pytest

from tests.launchers import bad_input_test

_NAME = 'tests.environments.user_environments:scripted'  # 5 steps an episode, here in two simulators


def train(path, **kwargs):
  """Trains for 100 env steps, all of them random, in worker processes; returns the exit status."""
  return bad_input_test.launch(
      'train', f'--config={bad_input_test.CONFIGS["mbmpo"]}', f'--run_dir={path}', f'--config.environment.name={_NAME}',
      '--config.run.env_steps=100', '--config.run.evaluate_every_env_steps=0', '--config.environment.parallel=processes',
      # Also the time that a busy machine has to start a worker.
      '--config.environment.worker_timeout_seconds=10', f'--config.environment.kwargs={json.dumps(kwargs)}')


@pytest.mark.filterwarnings('ignore:Simulator')
@pytest.mark.parametrize('failure', ['raise', 'die', 'hang', 'nan_reward'])
def test_a_simulator_that_fails_once_costs_its_episode_and_is_counted(tmp_path, capsys, failure):
  assert train(tmp_path / 'run', fail_at=3, failure=failure, once=str(tmp_path / 'failed')) == 0, capsys.readouterr().err
  assert (tmp_path / 'failed').exists() and 'Finished. env_steps=' in capsys.readouterr().err
  line, = map(json.loads, (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines())
  assert line['collect/simulator_restarts'] == 1 and line['collect/dropped_env_steps'] == 2
  assert line['collect/episodes'] == len(list((tmp_path / 'run' / 'episodes').iterdir())) == line['env_steps'] / 5 >= 20


@pytest.mark.filterwarnings('ignore:Simulator')
def test_one_that_fails_again_and_again_stops_the_run(tmp_path, capsys):
  assert train(tmp_path / 'run', fail_at=3, failure='die') == 1
  told = capsys.readouterr().err
  assert told.startswith('error: Simulator ') and 'for the 5th time in a row' in told and 'exit_code=3' in told
  assert not list(tmp_path.rglob('*.npz')) and not list(tmp_path.rglob('*.sha256'))
