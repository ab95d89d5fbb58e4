"""Two hosts, as processes on loopback: they learn what one does, tell of a host that is lost, and go on in another number."""

import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest

from mbrl_tf.training import cluster
from tests.launchers import bad_input_test
from tests.scale.hosts import finished, free_port, start

_ROOT = pathlib.Path(__file__).parent.parent.parent
# Few and short programs: most of such a run compiles.
_MBMPO = [
    f'--config={_ROOT / "configs" / "mbmpo" / "smoke.py"}', '--seed=3', '--config.ensemble.members=2', '--config.environment.num_envs=2',
    '--config.ensemble.max_epochs=3', '--config.ensemble.persistence=1', '--config.imagination.horizon=3',
    '--config.meta.updates_per_iteration=2', '--config.meta.outer_epochs=1', '--config.run.evaluate_every_env_steps=0']
_DREAMER = [
    f'--config={_ROOT / "configs" / "dreamer" / "smoke.py"}', '--seed=3', '--config.environment.observation=vectors',
    '--config.environment.num_envs=2', '--config.collect.random_env_steps=200', '--config.collect.env_steps_per_iteration=200',
    '--config.replay.batch_size=2', '--config.replay.batch_length=5', '--config.behavior.horizon=2',
    '--config.learner.first_gradient_steps=2', '--config.learner.env_steps_per_gradient_step=100',
    '--config.collect.overlap=true', '--config.run.evaluate_every_env_steps=0', '--config.run.checkpoint_every_env_steps=100000']


def metrics(path):
  return [json.loads(line) for line in (path / 'metrics.jsonl').read_text().splitlines()]


def await_metrics(path, lines, processes):
  """Returns as soon as a run has written so many lines."""
  end = time.monotonic() + 400
  while not (path / 'metrics.jsonl').exists() or len(metrics(path)) < lines:
    assert time.monotonic() < end and processes[0].poll() is None, finished(processes, 1)
    time.sleep(0.5)


def test_a_run_survives_a_host_that_is_killed_and_goes_on_with_one(tmp_path):
  path = tmp_path / 'run'
  command = ['launchers.train', f'--run_dir={path}', *_MBMPO]
  port = free_port()
  processes = [start(index, 2, port, [*command, '--config.run.env_steps=100000']) for index in range(2)]
  try:
    await_metrics(path, 3, processes)
    os.kill(processes[1].pid, signal.SIGKILL)
    told = processes[0].communicate(timeout=120)[1]
  finally:
    for process in processes:
      process.kill()
  assert processes[0].returncode == 1
  last = [line for line in told.splitlines() if line.startswith('error: ')]
  assert len(last) == 1 and 'Another host of this run ended' in last[0] and 'Received: host=0 of 2' in last[0]
  assert 'Traceback' not in told

  before = metrics(path)
  # Both hosts collected, and env steps are those of both.
  assert len(list((path / 'episodes' / 'shard-1').glob('*.npz'))) >= 3 and before[0]['env_steps'] == 2 * 300
  assert before[0]['collect/episodes'] == 12
  checkpoint = max(int(file.name.split('-')[1].split('.')[0]) for file in (path / 'checkpoints').glob('*.sha256'))
  assert bad_input_test.launch('train', *command[1:], f'--config.run.env_steps={checkpoint + 300}') == 0
  after = metrics(path)
  assert [line['env_steps'] for line in after if line['env_steps'] <= checkpoint] == [
      line['env_steps'] for line in before if line['env_steps'] <= checkpoint]
  assert after[-1]['env_steps'] >= checkpoint + 300


@pytest.mark.long
def test_a_run_of_one_host_goes_on_with_two_and_a_signal_to_either_stops_both(tmp_path):
  path = tmp_path / 'run'
  command = ['launchers.train', f'--run_dir={path}', *_DREAMER]
  assert bad_input_test.launch('train', *command[1:], '--config.run.env_steps=400') == 0
  port, before = free_port(), metrics(path)
  processes = [start(index, 2, port, [*command, '--config.run.env_steps=100000']) for index in range(2)]
  try:
    await_metrics(path, len(before) + 2, processes)
    processes[1].terminate()
  finally:
    printed = finished(processes, 120)
  assert [process.returncode for process in processes] == [0, 0], printed
  assert all('Stopped with a checkpoint' in told for _, told in printed), printed
  after = metrics(path)
  assert after[:len(before)] == before and after[-1]['env_steps'] == max(
      int(file.stem.split('-')[1]) for file in (path / 'checkpoints').glob('*.sha256'))
  # Both together took what one took, and learned as often as their common env steps say.
  assert after[-1]['env_steps'] - after[-2]['env_steps'] == before[-1]['env_steps'] - before[-2]['env_steps']
  assert len(list((path / 'episodes' / 'shard-1').glob('*.npz'))) >= 2
  assert after[-1]['learn/gradient_steps'] == 2 + (after[-2]['env_steps'] - before[0]['env_steps']) // 100


def test_hosts_with_different_configs_are_told(tmp_path):
  port = free_port()
  command = ['launchers.train', f'--run_dir={tmp_path / "run"}', *_MBMPO]
  processes = [start(index, 2, port, [*command, f'--config.meta.clip=0.{index + 2}']) for index in range(2)]
  printed = finished(processes)
  assert [process.returncode for process in processes] == [2, 2]
  for _, told in printed:
    assert 'Host 1 has another config than host 0' in told and 'Traceback' not in told


@pytest.mark.parametrize('text, expected', [
    ('', (0, 1)), ('{}', (0, 1)), ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}', (0, 1)),
    ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', (1, 2)),
    ('{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": "1"}}', (2, 3)),
    ('{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "chief", "index": 0}}', (0, 3))])
def test_which_host_this_is(monkeypatch, text, expected):
  monkeypatch.setenv('TF_CONFIG', text)
  assert cluster.host_and_hosts() == expected


def test_the_hosts_draw_each_their_own_seeds():
  from mbrl_tf.ops import seeds
  drawn = [seeds.of_host(12345, host) for host in range(4)]
  assert drawn[0] == 12345 and len(set(drawn)) == 4 and all(0 <= seed < 2**63 for seed in drawn)
  assert np.random.default_rng(drawn[1]).integers(2**30) != np.random.default_rng(drawn[2]).integers(2**30)
