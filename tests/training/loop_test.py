"""A run that is stopped and resumed is the run that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver
from mbrl_tf.training import evaluation
from mbrl_tf.training import loop
from mbrl_tf.training import run_directory
from tests import fakes

_LENGTHS = [[5, 3, 4], [2, 5]]


class Interrupted(Exception):
  pass


def run(path, env_steps=60, stop_at=None, crash_at=None, spoil_at=None, number=signal.SIGTERM,
        **changes):
  """Trains as the launcher does; a signal or a crash comes after the iteration that reaches the given env steps."""
  config = fakes.CountingConfig()
  config.run.env_steps = env_steps
  for name, value in changes.items():
    setattr(config.run, name, value)
  with run_directory.RunDirectory(path) as directory:
    store = episodes.EpisodeStore(directory.episodes)
    environment = fakes.CountingEnvironment(_LENGTHS)
    algorithm = fakes.CountingAlgorithm(driver.EpisodeDriver(environment, [store.append]), store, seed=4, spoil_at=spoil_at)
    iterations = algorithm.iterations

    def watched():
      for report in iterations():
        if crash_at and algorithm.env_steps >= crash_at:
          raise Interrupted
        if stop_at and algorithm.env_steps >= stop_at:
          os.kill(os.getpid(), number)
        yield report

    algorithm.iterations = watched
    evaluator = evaluation.Evaluator(lambda num_envs, seed, render_mode: fakes.CountingEnvironment([[4]] * num_envs), 3, 0)
    checkpointer = loop.restore(algorithm, config, directory, store, environment)
    directory.write_config(config)
    return loop.train(algorithm, config, directory, store, environment, evaluator, checkpointer)


def record(path):
  """Returns all lines without what depends on the clock."""
  timed = ('seconds', 'collect/seconds', 'collect/env_steps_per_second')
  return [{name: value for name, value in json.loads(line).items() if name not in timed}
          for line in (path / 'metrics.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """The record of a run that was never stopped."""
  path = tmp_path_factory.mktemp('whole')
  assert run(path, env_steps=110, evaluate_every_env_steps=40) is True
  return record(path)


def test_a_run_ends_where_it_should(whole):
  steps = [line['env_steps'] for line in whole]
  assert steps[-2] < 110 <= steps[-1]
  evaluated = [before // 40 < now // 40 or now >= 110 for before, now in zip([0] + steps, steps)]
  assert [('evaluate/return_mean' in line) for line in whole] == evaluated
  assert whole[-1]['evaluate/return_mean'] == 1 + 2 + 3 + 4


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_with_a_checkpoint_and_the_same_command_goes_on(
    tmp_path, whole, number, request):
  # As in a terminal, whatever started these tests.
  started_with = signal.signal(number, signal.default_int_handler)
  request.addfinalizer(lambda: signal.signal(number, started_with))
  before = signal.getsignal(number)
  assert run(tmp_path, env_steps=110, evaluate_every_env_steps=40, stop_at=50,
             number=number) is False
  stopped = record(tmp_path)
  assert 50 <= stopped[-1]['env_steps'] < 110
  assert signal.getsignal(number) == before
  assert run(tmp_path, env_steps=110, evaluate_every_env_steps=40) is True
  assert record(tmp_path) == whole


def test_a_hangup_that_is_ignored_stays_ignored(tmp_path, whole):
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
  try:
    assert run(tmp_path, env_steps=110, evaluate_every_env_steps=40, stop_at=50,
               number=signal.SIGHUP) is True
    assert record(tmp_path) == whole and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


_IN_A_TERMINAL = """
import fcntl, os, pathlib, signal, sys, termios, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as in a terminal, whatever started these tests
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from tests.training import loop_test
from mbrl_tf.training import metrics
write, path = metrics.MetricsFile.write, pathlib.Path(sys.argv[1])
def slowly(self, *arguments):
  write(self, *arguments)
  (path.parent / 'begun').touch()
  time.sleep(0.5)
metrics.MetricsFile.write = slowly
stopped = not loop_test.run(path, env_steps=100_000)
(path.parent / 'ended').write_text(str(stopped))
"""


def test_a_terminal_that_is_closed_stops_with_a_checkpoint(tmp_path):
  ours, theirs = os.openpty()
  process = subprocess.Popen([sys.executable, '-c', _IN_A_TERMINAL, tmp_path / 'run'], stdin=theirs,
                             stdout=theirs, stderr=theirs)
  os.close(theirs)
  while not (tmp_path / 'begun').exists() and process.poll() is None:
    time.sleep(0.05)
  os.close(ours)
  process.wait(60)
  assert (tmp_path / 'ended').read_text() == 'True'
  assert max(checkpoints(tmp_path / 'run')) == record(tmp_path / 'run')[-1]['env_steps']


@pytest.mark.parametrize('checkpoint_every', [0, 45])
def test_a_run_that_was_killed_goes_on_from_its_checkpoint(tmp_path, whole, checkpoint_every):
  changes = {'evaluate_every_env_steps': 40, 'checkpoint_every_env_steps': checkpoint_every}
  with pytest.raises(Interrupted):
    run(tmp_path, env_steps=110, crash_at=80, **changes)
  assert run(tmp_path, env_steps=110, **changes) is True
  assert record(tmp_path) == whole


def test_killed_before_the_first_checkpoint_it_begins_anew(tmp_path, whole):
  with pytest.raises(Interrupted):
    run(tmp_path, env_steps=110, crash_at=1, evaluate_every_env_steps=40)
  assert run(tmp_path, env_steps=110, evaluate_every_env_steps=40) is True
  assert record(tmp_path) == whole


@pytest.mark.parametrize('checkpoint_every', [0, 45])
def test_checkpoints_that_were_moved_away_do_not_cost_the_episodes(tmp_path, whole, checkpoint_every):
  changes = {'evaluate_every_env_steps': 40, 'checkpoint_every_env_steps': checkpoint_every}
  run(tmp_path, env_steps=80, **changes)
  stored = sorted(path.name for path in (tmp_path / 'episodes').iterdir())
  recorded = record(tmp_path)
  (tmp_path / 'checkpoints').rename(tmp_path / 'moved')
  with pytest.raises(errors.UserError, match=f"checkpoints are gone.*Received: run_dir='{tmp_path}'"):
    run(tmp_path, env_steps=110, **changes)
  assert sorted(path.name for path in (tmp_path / 'episodes').iterdir()) == stored and record(tmp_path) == recorded
  (tmp_path / 'moved').rename(tmp_path / 'checkpoints')
  assert run(tmp_path, env_steps=110, **changes) is True
  assert [line['counting/total'] for line in record(tmp_path)] == [line['counting/total'] for line in whole]


@pytest.mark.parametrize('lines', [1, 2])
def test_killed_while_the_first_checkpoint_is_written_it_begins_anew(tmp_path, whole, lines):
  # The checkpoint is due at the line at which the writing stops, and at none before it.
  changes = {'evaluate_every_env_steps': 40, 'checkpoint_every_env_steps': whole[lines - 1]['env_steps']}
  with pytest.raises(Interrupted):
    run(tmp_path, env_steps=110, crash_at=whole[lines - 1]['env_steps'] + 1, **changes)
  shutil.rmtree(tmp_path / 'checkpoints')
  assert len(record(tmp_path)) == lines
  assert run(tmp_path, env_steps=110, **changes) is True
  assert record(tmp_path) == whole


def test_evaluation_does_not_disturb_training(tmp_path, whole):
  run(tmp_path, env_steps=110)
  # The best is that of the evaluations where there are any.
  other = ('evaluate/', 'collect/return_best')
  without = lambda lines: [{name: value for name, value in line.items()
                            if not name.startswith(other)} for line in lines]
  assert without(record(tmp_path)) == without(whole)


def test_a_finished_run_may_be_prolonged_and_is_otherwise_left_alone(tmp_path, whole):
  run(tmp_path, env_steps=50)
  before = record(tmp_path)
  assert run(tmp_path, env_steps=50) is True
  assert record(tmp_path) == before
  run(tmp_path, env_steps=110)
  assert [line['counting/total'] for line in record(tmp_path)] == [line['counting/total'] for line in whole]


def test_seconds_go_on_over_a_resume(tmp_path):
  run(tmp_path, env_steps=50)
  run(tmp_path, env_steps=110)
  seconds = [json.loads(line)['seconds'] for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
  assert np.all(np.diff(seconds) >= 0) and seconds[-1] > 0


def test_a_loss_that_is_not_finite_stops_before_the_checkpoint(tmp_path, whole):
  first = whole[0]['env_steps']
  second = whole[1]['env_steps']
  with pytest.raises(FloatingPointError):
    run(tmp_path, env_steps=110, evaluate_every_env_steps=40, spoil_at=second)
  assert [path.name for path in (tmp_path / 'checkpoints').glob('*.sha256')] == [f'checkpoint-{first}.sha256']
  run(tmp_path, env_steps=110, evaluate_every_env_steps=40)
  assert record(tmp_path) == whole


def checkpoints(path):
  return {int(file.stem.split('-')[1]) for file in (path / 'checkpoints').glob('*.sha256')}


@pytest.mark.parametrize('values, best', [([3., 9., 5., 4., 6.], 1), ([3., 9., 5., 9., 6.], 3)], ids=['one', 'of equals the newest'])
def test_an_evaluation_that_is_the_best_so_far_is_a_checkpoint_and_stays(tmp_path, monkeypatch, whole, values, best):
  steps, returns = [line['env_steps'] for line in whole], iter(values)
  evaluate = evaluation.Evaluator.evaluate

  def scored(self, policy, env_steps):
    found = evaluate(self, policy, env_steps)
    return found._replace(metrics={**found.metrics, 'evaluate/return_mean': next(returns)})

  monkeypatch.setattr(evaluation.Evaluator, 'evaluate', scored)
  # Evaluated in each iteration; the schedule itself asks for checkpoints at the end alone.
  changes = {'evaluate_every_env_steps': 1, 'checkpoint_every_env_steps': 10**6, 'keep_checkpoints': 1}
  run(tmp_path, env_steps=steps[2], **changes)
  assert checkpoints(tmp_path) == {steps[1], steps[2]}
  run(tmp_path, env_steps=steps[4], **changes)
  assert checkpoints(tmp_path) == {steps[best], steps[4]}


def test_all_that_a_checkpoint_counts_is_on_the_disk_before_it(tmp_path, monkeypatch):
  events, sync, replace = [], os.fsync, os.replace
  named = lambda descriptor: os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))
  monkeypatch.setattr(os, 'fsync', lambda descriptor: events.append(f'synced {named(descriptor)}') or sync(descriptor))
  monkeypatch.setattr(os, 'replace', lambda old, new: events.append(os.path.basename(new)) or replace(old, new))
  run(tmp_path, env_steps=50)
  steps = [line['env_steps'] for line in record(tmp_path)]
  assert len(steps) > 1
  for lines, env_steps in enumerate(steps, 1):
    name = f'checkpoint-{env_steps}'
    before = events[:events.index(f'{name}.sha256')]
    assert before.count('synced metrics.jsonl') == lines
    assert {f'synced {name}{ending}' for ending in ('.index', '.data-00000-of-00001', '.sha256.partial')} <= set(before)


def test_without_evaluations_the_newest_alone_stay(tmp_path, whole):
  run(tmp_path, env_steps=110, keep_checkpoints=2)
  assert checkpoints(tmp_path) == {line['env_steps'] for line in whole[-2:]}


def test_what_a_killed_process_left_half_written_is_removed_also_where_nothing_is_left_to_do(tmp_path, whole):
  run(tmp_path, env_steps=50)
  before = sorted(tmp_path.rglob('*'))
  newest = max(checkpoints(tmp_path))
  for name in ('metrics.jsonl.partial', 'config.json.partial', 'episodes/00000099-5.npz.partial', 'checkpoints/checkpoint-99.index',
               'checkpoints/checkpoint-99.data-00000-of-00001', f'checkpoints/checkpoint-{newest}.sha256.partial'):
    (tmp_path / name).write_text('half')
  (tmp_path / 'checkpoints' / 'checkpoint-99_temp').mkdir()
  (tmp_path / '.exported.partial').mkdir()  # of another process, which may still be at it
  assert run(tmp_path, env_steps=50) is True
  found = [path for path in sorted(tmp_path.rglob('*')) if 'tfevents' not in path.name]
  assert found == sorted([*(path for path in before if 'tfevents' not in path.name), tmp_path / '.exported.partial'])


def test_a_damaged_checkpoint_costs_what_came_after_the_one_before_it(tmp_path, whole):
  run(tmp_path, env_steps=80, evaluate_every_env_steps=40)
  newest, before = sorted(checkpoints(tmp_path))[-1:-3:-1]
  data = next((tmp_path / 'checkpoints').glob(f'checkpoint-{newest}.data*'))
  data.write_bytes(data.read_bytes()[:-1] + b'x')
  with pytest.warns(UserWarning, match=f'Skipped a checkpoint .*checkpoint-{newest}'):
    assert run(tmp_path, env_steps=110, evaluate_every_env_steps=40) is True
  assert record(tmp_path) == whole and before < newest
