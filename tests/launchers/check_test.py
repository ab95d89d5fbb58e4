"""What `launchers.check` prints and exits with, and that it survives what it examines."""

import json
import pathlib
import subprocess
import sys

from absl.testing import flagsaver
import pytest

from launchers import check
from mbrl_tf import errors, types
from mbrl_tf.environments import bare_examination, examination, report
from tests.launchers import launchers_test, point_mass_config

_ROOT = pathlib.Path(__file__).parent.parent.parent
_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')
_ODD = 'tests.environments.odd_environments:Odd'
_ROWS = (report.Row('environment', 'ok', 'It is a point.'),
         report.Row('seeds', 'warning', 'It ignores ' + 20 * 'its seed ', 'step 3',
                    'Draw elsewhere'),
         report.Row('numbers', 'error', 'There is NaN', 'reward=nan', 'Find it'))


def run(monkeypatch, rows, *arguments):
  """Runs the launcher on an examination that finds these rows; returns the exit status."""
  monkeypatch.setattr(examination, 'examine', lambda task: report.Report(
      rows, {'random_return_mean': float('nan'), 'episodes': 3}))
  with flagsaver.flagsaver():
    launchers_test.parse(f'--config={_CONFIG}', *arguments)
    return check.main()


def test_the_table_tells_each_row_in_lines_that_fit(monkeypatch, capsys):
  assert run(monkeypatch, _ROWS) == 2
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == 'ok       environment          It is a point.'
  assert lines[1].startswith('warning  seeds                It ignores its seed its seed')
  assert [line.strip() for line in lines[-6:]] == [
      'Received: step 3', 'To do: Draw elsewhere', 'error    numbers              There is NaN',
      'Received: reward=nan', 'To do: Find it', '1 error, 1 warning.']
  assert max(map(len, lines)) <= 100


@pytest.mark.parametrize('count, status', [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_the_exit_status_is_that_of_the_worst_row_and_json_tells_all(
    monkeypatch, capsys, count, status):
  assert run(monkeypatch, _ROWS[:count], '--json') == status
  told = json.loads(capsys.readouterr().out)
  assert told['status'] == status and told['environment'] == 'toy:point_mass'
  assert (told['errors'], told['warnings']) == (int(count > 2), int(count > 1))
  assert told['rows'] == [each._asdict() for each in _ROWS[:count]]
  assert told['measured'] == {'random_return_mean': None, 'episodes': 3}


def test_the_algorithm_is_built_as_train_builds_it():
  config = point_mass_config.get_config()
  spec = types.EnvironmentSpec(
      'a:task', types.ArraySpec((3,), 'float32'), types.ActionSpec(1), 10,
      reward=lambda observation, action, following: following[..., 0])
  check._accept(config, spec)
  check._accept(config, types.EnvironmentSpec(**{**vars(spec), 'reward': None}))
  seen = {'observation': types.ArraySpec((32, 32, 3), 'uint8')}
  with pytest.raises(errors.UserError, match='with images='):
    check._accept(config, types.EnvironmentSpec(**{**vars(spec), **seen}))


def test_what_hangs_and_prints_is_a_row_and_stdout_is_one_object():
  done = subprocess.run(
      [sys.executable, '-m', 'launchers.check', f'--config={_CONFIG}', '--json',
       '--timeout_seconds=10', f'--config.environment.name={_ODD}',
       '--config.environment.kwargs={"way": "prints and hangs"}'],
      cwd=_ROOT, capture_output=True, text=True, timeout=300)
  assert done.returncode == 2, done.stderr
  told = json.loads(done.stdout)
  hangs = [row for row in told['rows'] if 'hangs' in row['found']]
  assert hangs and 'timeout_seconds=10' in hangs[0]['received'] and hangs[0]['level'] == 'error'
  assert told['rows'][-1]['topic'] == 'not looked at'
  assert 'a line' in done.stderr and 'Traceback' not in done.stderr


def test_a_process_that_ends_costs_a_row():
  with flagsaver.flagsaver():
    launchers_test.parse(f'--config={_CONFIG}')
    config = point_mass_config.get_config()
    config.environment.name, config.environment.kwargs = _ODD, {'way': 'os._exit'}
    tested = bare_examination.BareExamination(check._task(config))
  tested.describe()
  tested.play_bare()
  tested.end()
  failed, = [row for row in tested.rows if row.level == 'error']
  assert failed.topic == 'stepping' and 'died during step()' in failed.found
  assert failed.received == 'exit_code=3'
