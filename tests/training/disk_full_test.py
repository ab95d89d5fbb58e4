"""A disk that is full: one error that names the path, nothing lost, and the run goes on when there is room.

The disks are real: small file systems in memory where these may be mounted, and else a limit on the size of a file.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.data import episodes
from mbrl_tf.training import checkpoint, export, metrics, run_directory
from tests import fakes
from tests.data import episodes_test
from tests.launchers import bad_input_test, launchers_test
from tests.training import export_test, loop_test

algorithm = export_test.algorithm


@pytest.fixture
def disk(tmp_path):
  """A folder on a file system of its own, and a function that leaves so many KiB of it free."""
  folder = tmp_path / 'disk'
  folder.mkdir()
  mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', str(folder)], capture_output=True, text=True)
  if mounted.returncode:
    pytest.skip(f'No file system may be mounted here: {mounted.stderr}')

  def leave(kib):
    ballast = folder / 'ballast'
    ballast.unlink(missing_ok=True)
    if kib is not None:
      free = os.statvfs(folder)
      ballast.write_bytes(b'x' * (free.f_bavail * free.f_bsize - kib * 1024))

  yield folder, leave
  subprocess.run(['umount', '-l', str(folder)], check=True)


@contextlib.contextmanager
def told(*parts):
  """Expects the error of a full disk, with these parts."""
  with pytest.raises(errors.StorageError) as raised:
    yield
  for part in ('No space left on device', 'What was written before is intact', *map(str, parts)):
    assert part in str(raised.value), str(raised.value)


def test_an_episode(disk):
  folder, leave = disk
  store = episodes.EpisodeStore(folder / 'episodes')
  episode = episodes_test.make_episode(5000)
  store.append(episode)
  leave(20)
  with told(folder / 'episodes' / '00000001-5000.npz'):
    store.append(episode)
  assert len(store) == 1 and [path.name for path in (folder / 'episodes').iterdir()] == ['00000000-5000.npz']
  leave(None)
  assert store.append(episode) == 1
  for index in range(2):
    np.testing.assert_array_equal(episodes.EpisodeStore(folder / 'episodes').load(index).reward, episode.reward)


@pytest.mark.parametrize('kib', [0, 8, 100, 1000])
def test_a_checkpoint(disk, kib):
  folder, leave = disk
  state = tf.Module()
  state.weights = tf.Variable(tf.ones([500_000]))
  checkpointer = checkpoint.Checkpointer(folder / 'checkpoints', state)
  checkpointer.save()
  before = sorted((folder / 'checkpoints').iterdir())
  state.weights.assign_add(tf.ones([500_000]))
  checkpointer.progress.env_steps.assign(10)
  leave(kib)
  with told(folder / 'checkpoints' / 'checkpoint-10'):
    checkpointer.save()
  assert sorted((folder / 'checkpoints').iterdir()) == before  # half of one would only take room
  state.weights.assign(tf.zeros([500_000]))
  assert checkpointer.restore() and float(state.weights[0]) == 1
  leave(None)
  checkpointer.progress.env_steps.assign(10)
  checkpointer.save()
  assert checkpointer.restore() and int(checkpointer.progress.env_steps) == 10


def test_metrics(disk):
  folder, leave = disk
  file = metrics.MetricsFile(folder / 'metrics.jsonl', 0)
  file.write(10, 1, {'a': 1})
  leave(0)
  with told(folder / 'metrics.jsonl'):
    for number in range(1000):  # until the page that the file has is full
      file.write(20, 2, {'a': number, 'b' * 1000: 1})
  file.close()
  leave(None)
  metrics.MetricsFile(folder / 'metrics.jsonl', 10).close()
  assert metrics.recorded(folder / 'metrics.jsonl', 'a') == {10: 1}
  assert (folder / 'metrics.jsonl').read_bytes().count(b'\n') == 1


def test_event_files(disk):
  folder, leave = disk
  tensorboard = metrics.TensorBoard(folder, fakes.CountingConfig())
  leave(0)
  with told(folder / 'events.out.tfevents'):
    for _ in range(100):
      tensorboard.write(10, {}, {'h': np.random.default_rng(0).normal(size=10_000)})
      tensorboard.write_video('v', 10, np.random.default_rng(0).integers(0, 255, [20, 64, 64, 3], np.uint8), 10)
  with contextlib.suppress(errors.StorageError):
    tensorboard.close()
  leave(None)
  metrics.TensorBoard(folder, fakes.CountingConfig()).close()


def test_the_config(disk):
  folder, leave = disk
  config = fakes.CountingConfig()
  directory = run_directory.RunDirectory(folder)
  directory.write_config(config)
  config.environment.kwargs = {}
  config.run.env_steps = 99
  leave(0)
  with told(folder / 'config.json'):
    directory.write_config(config)
  assert directory.read_config()['run']['env_steps'] == 60


def test_an_export(disk, algorithm):
  folder, leave = disk
  arguments = algorithm, fakes.vector_spec(), fakes.CountingConfig(), folder / 'exported'
  export.export(*arguments)
  old = (folder / 'exported' / 'export.json').read_text()
  algorithm.state.counter.assign(99)
  leave(16)
  with told(folder / 'exported'):
    export.export(*arguments)
  assert [path.name for path in folder.iterdir() if path.name != 'ballast'] == ['exported']
  assert (folder / 'exported' / 'export.json').read_text() == old
  leave(None)
  export.export(*arguments)
  assert json.loads((folder / 'exported' / 'export.json').read_text())['env_steps'] == 99


@pytest.mark.parametrize('kib', [4, 40, 120])
def test_a_run_goes_on_when_there_is_room_as_if_nothing_had_been(disk, kib, tmp_path):
  folder, leave = disk
  loop_test.run(tmp_path / 'never', env_steps=200, evaluate_every_env_steps=40)
  loop_test.run(folder / 'run', env_steps=40, evaluate_every_env_steps=40)
  before = loop_test.record(folder / 'run')
  leave(kib)
  with told(folder / 'run'):
    loop_test.run(folder / 'run', env_steps=200, evaluate_every_env_steps=40)
  leave(None)
  loop_test.run(folder / 'run', env_steps=200, evaluate_every_env_steps=40)
  after = loop_test.record(folder / 'run')
  assert after[:len(before)] == before and after == loop_test.record(tmp_path / 'never')


def test_a_launcher_says_it_in_one_line_with_status_1(tmp_path, capfd):
  """With a limit on the size of files, which needs no rights: the event file reaches it, where TensorFlow may say nothing."""
  arguments = [sys.executable, '-m', 'launchers.train', *launchers_test.LITTLE_PETS,
               f'--run_dir={tmp_path / "run"}', '--config.run.env_steps=200',
               '--config.ensemble.hidden_sizes=(4,)']  # so that checkpoints are smaller than the limit
  limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
  # Without a folder for compiled programs, which may not be larger either.
  environment = {name: value for name, value in os.environ.items() if name != 'TF_XLA_FLAGS'}
  done = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=limit, env=environment)
  assert done.returncode == 1, done.stderr
  assert 'Traceback' not in done.stderr and done.stderr.count('error: ') == 1
  assert any(cause in done.stderr for cause in ('or a limit is reached', 'File too large')) and '{{' not in done.stderr
  assert f"Received: path='{tmp_path / 'run' / 'events'}" in done.stderr
  assert bad_input_test.launch('train', *arguments[3:]) == 0
  assert 'Finished. env_steps=200' in capfd.readouterr().err
