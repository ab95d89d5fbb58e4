"""Where a run learns: on one device, on several of one machine, or on several hosts.

  run.devices   auto: the GPUs of this host, or the CPU; cpu:N: N logical CPUs; gpu:N: the first N GPUs
  TF_CONFIG     of `tf.distribute`: where it names more than one chief or worker, each of them is a host of one run

One device works without a strategy, whose `run` would only be in the way.
"""

import contextlib
import logging
import os
import re
import sys
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.ops import replicas
from mbrl_tf.training import cluster

_DEVICES = re.compile(r'^(cpu|gpu):([1-9][0-9]*)$')
# What is raised where another host is gone: always, and where the text speaks of what hosts do together.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
_PERHAPS_LOST = (tf.errors.InternalError, tf.errors.FailedPreconditionError, tf.errors.UnknownError)
_TOGETHER = re.compile('collective|coordination|heartbeat|barrier|rpc|peer|connect', re.IGNORECASE)


class Placement(NamedTuple):
  """Where a run learns.

  Attributes:
    strategy: of which all replicas learn together; `tf.distribute`'s default one for one device.
    host: the number of this host, 0 for the chief, which alone writes what all have in common.
    hosts: how many there are.
  """
  strategy: Any = None
  host: int = 0
  hosts: int = 1

  def gather(self, values):
    """The numbers of all hosts, `[hosts, ...]` in float64; all hosts call this together, with `values` of one shape."""
    values = np.asarray(values, np.float64)
    return values[None] if self.hosts == 1 else replicas.gather_hosts(self.strategy, values)


def place(devices='auto', shared_rows=1) -> Placement:
  """Decides where this process learns; before TensorFlow computes anything.

  Args:
    devices: `run.devices`.
    shared_rows: of the config; `auto` takes as many GPUs of a single host as can share them.

  Raises:
    UserError: devices that are not there, a TF_CONFIG that cannot be understood.
    HostError: the hosts did not find each other.
  """
  host, hosts = cluster.host_and_hosts()
  chosen = _chosen(devices, shared_rows if hosts == 1 else None)
  if hosts > 1:
    if chosen[0].startswith('CPU') and len(chosen) > 1:
      raise errors.UserError('With several hosts each learns on its CPU as one device, or on its GPUs. '
                             f'Received: run.devices={devices!r} with TF_CONFIG')
    return Placement(_found_each_other(host, hosts), host, hosts)
  return Placement(mirrored(chosen) if len(chosen) > 1 else tf.distribute.get_strategy())


def mirrored(devices):
  """A `MirroredStrategy` on devices such as `['CPU:0', 'CPU:1']`."""
  # Logical CPUs share their memory. TensorFlow's collectives would bind the process to one number of them for ever.
  exchange = tf.distribute.ReductionToOneDevice() if devices[0].startswith('CPU') else None
  return tf.distribute.MirroredStrategy(devices, cross_device_ops=exchange)


def _found_each_other(host, hosts):
  """A `MultiWorkerMirroredStrategy`, once all hosts of TF_CONFIG are there."""
  print(f'Host {host} waits for {hosts} hosts.', file=sys.stderr)
  try:
    return tf.distribute.MultiWorkerMirroredStrategy()
  except tf.errors.OpError as error:
    raise errors.HostError(
        f'The hosts did not find each other ({_reason(error)}). Each address of TF_CONFIG must lead to its host, and its port be free '
        f'there. Received: host={host}, TF_CONFIG={os.environ.get("TF_CONFIG")!r}') from error


def _chosen(devices, shared_rows):
  """The names of the local devices."""
  gpus = len(_physical('GPU'))
  match = _DEVICES.match(devices)
  kind, count = match.groups() if match else ('gpu' if gpus else 'cpu', gpus or 1)
  count = int(count)
  if not match and shared_rows:
    count = max(number for number in range(1, count + 1) if shared_rows % number == 0)
    if gpus > count:
      logging.getLogger(__name__).info('%d of %d GPUs learn, because more cannot share %d rows evenly.', count, gpus, shared_rows)
  if kind == 'gpu':
    if count > gpus:
      hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
      told = '' if hidden is None else f', CUDA_VISIBLE_DEVICES={hidden!r}'
      raise errors.UserError(f'TensorFlow sees {gpus} GPUs on this host. Received: '
                             f'run.devices={devices!r}{told}')
    tf.config.set_visible_devices(_physical('GPU')[:count], 'GPU')  # TensorFlow takes the memory of all that it sees
  else:
    tf.config.set_visible_devices([], 'GPU')
    _make_logical_cpus(count, devices)
  return [f'{kind.upper()}:{index}' for index in range(count)]


def _make_logical_cpus(count, devices):
  if count == 1:
    return
  try:
    tf.config.set_logical_device_configuration(_physical('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * count)
  except RuntimeError as error:  # TensorFlow has computed something; its devices are what they are
    if len(tf.config.list_logical_devices('CPU')) < count:
      raise errors.UserError('Logical CPUs must be asked for before TensorFlow computes anything in this process. '
                             f'Received: run.devices={devices!r}') from error


def _physical(kind):
  return tf.config.list_physical_devices(kind)


@contextlib.contextmanager
def telling_of_lost_hosts(placement):
  """Makes a `HostError` of what TensorFlow raises where another host is gone; within it all that hosts do together."""
  try:
    yield
  except _LOST + _PERHAPS_LOST as error:
    if placement.hosts == 1 or not (isinstance(error, _LOST) or _TOGETHER.search(str(error.message))):
      raise
    raise errors.HostError(
        f'Another host of this run ended, or cannot be reached ({_reason(error)}). Start all hosts again, in whatever number: the run '
        f'goes on from its newest checkpoint. Received: host={placement.host} of {placement.hosts}') from error


def _reason(error):
  """What TensorFlow says in one line: where it names a task, that line."""
  lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
  return next((line for line in lines if 'task' in line.lower()), lines[0] if lines else type(error).__name__)[:300]
