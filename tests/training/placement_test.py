"""Which devices `run.devices` means. What GPUs there are is played; real ones are not needed to choose among them."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.training import placement


@pytest.fixture
def gpus(monkeypatch):
  """Sets how many GPUs TensorFlow sees, and returns what is made visible and mirrored."""
  chosen = []

  def see(count):
    monkeypatch.setattr(placement, '_physical', lambda kind: list(range(count)) if kind == 'GPU' else ['cpu'])
    monkeypatch.setattr(tf.config, 'set_visible_devices', lambda devices, kind: chosen.append((devices, kind)))
    monkeypatch.setattr(placement, 'mirrored', lambda devices: chosen.append(devices) or 'strategy')
    return chosen

  return see


@pytest.mark.parametrize('devices, count, rows, expected', [
    ('auto', 4, 8, [[f'GPU:{index}' for index in range(4)]]), ('auto', 4, 6, [['GPU:0', 'GPU:1', 'GPU:2']]),
    ('auto', 4, 5, []), ('gpu:2', 4, 5, [['GPU:0', 'GPU:1']]), ('auto', 1, 5, []), ('gpu:1', 4, 5, [])])
def test_auto_takes_as_many_gpus_as_can_share_the_work(gpus, devices, count, rows, expected):
  chosen = gpus(count)
  placed = placement.place(devices, rows)
  assert [names for names in chosen if isinstance(names, list)] == expected
  # TensorFlow takes the memory of all GPUs that it sees: those that do not learn are another run's.
  assert [seen for seen in chosen if isinstance(seen, tuple)] == [([*range(len(expected[0]) if expected else 1)], 'GPU')]
  assert placed.strategy == ('strategy' if expected else tf.distribute.get_strategy()) and (placed.host, placed.hosts) == (0, 1)


def test_a_cpu_leaves_the_gpus_alone(gpus):
  assert gpus(2) == [] and placement.place('cpu:1').strategy is tf.distribute.get_strategy()
  assert gpus(2) == [([], 'GPU')]


def test_gpus_that_are_not_there_are_told(gpus):
  gpus(1)
  with pytest.raises(errors.UserError, match="TensorFlow sees 1 GPUs.*Received: run.devices='gpu:2'"):
    placement.place('gpu:2')


def test_one_host_gathers_its_own_numbers():
  np.testing.assert_array_equal(placement.Placement().gather([1, 2]), [[1, 2]])


def test_several_cpus_are_logical_ones_and_too_late_is_told():
  code = ("import json, mbrl_tf, tensorflow as tf\nfrom mbrl_tf import errors\nfrom mbrl_tf.training import placement\n"
          "placed = placement.place('cpu:3')\nprint(json.dumps([placed.strategy.num_replicas_in_sync, len(tf.config.list_logical_devices('CPU'))]))\n"
          "try:\n  placement.place('cpu:4')\nexcept errors.UserError as error:\n  print(error)")
  printed = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.splitlines()
  assert json.loads(printed[0]) == [3, 3]
  assert printed[1].startswith('Logical CPUs must be asked for before') and "Received: run.devices='cpu:4'" in printed[1]


def test_what_tensorflow_says_of_a_lost_host_is_one_line():
  message = '\nGraph execution error:\n\nCollective ops is aborted by: /job:worker/replica:0/task:1 is gone\nmore'
  with pytest.raises(errors.HostError, match=r'task:1 is gone\).*Received: host=0 of 2$') as error:
    with placement.telling_of_lost_hosts(placement.Placement(hosts=2)):
      raise tf.errors.UnavailableError(None, None, message)
  assert '\n' not in str(error.value)
  with pytest.raises(tf.errors.UnavailableError):
    with placement.telling_of_lost_hosts(placement.Placement()):
      raise tf.errors.UnavailableError(None, None, message)


@pytest.mark.parametrize('error', [
    tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating on /job:worker/replica:0/task:1'),
    tf.errors.InvalidArgumentError(None, None, 'Incompatible shapes'), tf.errors.InternalError(None, None, 'Blas SGEMM failed')])
def test_what_is_wrong_on_this_host_is_not_told_as_a_lost_one(error):
  with pytest.raises(type(error)) as raised:
    with placement.telling_of_lost_hosts(placement.Placement(hosts=2)):
      raise error
  assert raised.value is error


def test_a_port_in_use_is_told(tmp_path):
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    address = f'127.0.0.1:{taken.getsockname()[1]}'
    config = {'cluster': {'worker': [address, '127.0.0.1:1']}, 'task': {'type': 'worker', 'index': 0}}
    done = subprocess.run(
        [sys.executable, '-m', 'launchers.train', '--config=configs/mbmpo/smoke.py', f'--run_dir={tmp_path / "run"}'],
        env={**os.environ, 'TF_CONFIG': json.dumps(config)}, capture_output=True, text=True, timeout=120)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  last = done.stderr.splitlines()[-1]
  assert last.startswith('error: The hosts did not find each other') and address in last


def test_gpus_that_a_variable_hides_are_told_with_it(monkeypatch):
  monkeypatch.setattr(placement, '_physical', lambda kind: [])
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '99')
  received = "run.devices='gpu:1', CUDA_VISIBLE_DEVICES='99'"
  with pytest.raises(errors.UserError, match=f'sees 0 GPUs on this host. Received: {received}'):
    placement.place('gpu:1')
