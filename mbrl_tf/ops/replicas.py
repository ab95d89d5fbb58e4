"""Work shared by the replicas of a `tf.distribute.Strategy`, with the numbers that one device gives for the same global batch.

Each of R replicas holds as many rows of a global batch as any other: replica r those from r n to (r + 1) n. What is random is
drawn for the global batch, of which a replica keeps its rows, so that a row sees the same noise wherever it is computed.

All functions but those that take the strategy are called in a replica's context, which without a strategy is the usual one.
"""

from concurrent import futures
import functools

import numpy as np
import tensorflow as tf

from mbrl_tf import errors


def share(strategy, values):
  """Hands each local replica its rows of what this host has of a global batch.

  Args:
    strategy: of which every replica gets the same number of rows.
    values: nest of tensors `[rows, ...]`.

  Returns:
    What `strategy.run` takes; with one replica the values as they are.
  """
  if strategy.num_replicas_in_sync == 1:
    return values
  local = len(strategy.extended.worker_devices)

  def rows(value, replica):
    size = value.shape[0] // local
    return value[replica % local * size:][:size]

  return tf.nest.map_structure(
      lambda value: strategy.experimental_distribute_values_from_function(
          lambda context: rows(value, context.replica_id_in_sync_group)), values)


def on_devices(strategy, rows, work):
  """Computes what each local replica can compute for itself, all at once.

  Args:
    strategy: whose replicas share some rows evenly.
    rows: how many, of all replicas.
    work: function of the numbers of a replica's rows, int `[n]`, that needs no other replica; called in a thread on its device.

  Returns:
    What it returned, by local replica; see `joined`.
  """
  count = strategy.num_replicas_in_sync
  if count == 1:
    return [work(np.arange(rows))]
  devices = strategy.extended.worker_devices
  before = _first_replica(strategy)

  def on_device(local):
    with tf.device(devices[local]):
      return work(np.split(np.arange(rows), count)[before + local])

  with futures.ThreadPoolExecutor(len(devices), thread_name_prefix='replica') as pool:
    return list(pool.map(on_device, range(len(devices))))


def joined(strategy, shares):
  """The rows of all replicas, in each of the tensors `[n, ...]` of the nests that `on_devices` returned."""
  if strategy.num_replicas_in_sync == 1:
    return shares[0]
  held = tf.nest.map_structure(
      lambda *values: strategy.experimental_distribute_values_from_function(
          lambda context: values[context.replica_id_in_sync_group % len(shares)]), *shares)
  return _compiled_gather(strategy)(held)


def gather_hosts(strategy, values):
  """A numpy array of each host, `[hosts, ...]`; all hosts call this together, with arrays of one shape."""
  held = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(values[None]))
  local = len(strategy.extended.worker_devices)
  return _compiled_gather(strategy)(held).numpy()[::local]


def first(strategy, values):
  """Of what replicas returned alike, that of this host's first one."""
  return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)


def require_even(strategy, name, rows):
  """Raises `UserError` unless the rows of a config's field can be shared evenly by the replicas."""
  replicas = strategy.num_replicas_in_sync
  if rows % replicas:
    lower = rows // replicas * replicas
    fields = ' or '.join(str(number) for number in (lower, lower + replicas) if number)
    counts = ', '.join(str(number) for number in range(1, rows + 1) if rows % number == 0)
    raise errors.UserError(
        f'{replicas} replicas cannot share {name}={rows} evenly; {name}={fields} would do, or one of these numbers of replicas: '
        f'{counts}. Received: {name}={rows} with {replicas} replicas')


def mean(values):
  """The mean over replicas of a nest of tensors, in one exchange; without gradients."""
  context = tf.distribute.get_replica_context()
  if context.num_replicas_in_sync == 1:
    return values
  return context.all_reduce(tf.distribute.ReduceOp.MEAN, _placed(values))


def gather(values):
  """The rows `[n, ...]` of all replicas in each of a nest of tensors, `[R n, ...]`; without gradients."""
  context = tf.distribute.get_replica_context()
  if context.num_replicas_in_sync == 1:
    return values
  return tf.nest.map_structure(lambda value: context.all_gather(value, axis=0), _placed(values))


def rows(value, axis=0):
  """This replica's rows along an axis of a tensor or variable that all replicas hold."""
  context = tf.distribute.get_replica_context()
  value, count = tf.convert_to_tensor(value), context.num_replicas_in_sync
  if count == 1:
    return value
  size = value.shape[axis] // count
  begin = [0] * value.shape.rank
  begin[axis] = size * context.replica_id_in_sync_group
  return tf.slice(value, begin, [*value.shape[:axis], size, *value.shape[axis + 1:]])


def normal(shape, seed, axis=0):
  """Standard normal noise for this replica's rows along an axis; `shape` is that of the rows."""
  return rows(tf.random.stateless_normal(_whole(shape, axis), seed), axis)


def uniform(shape, seed, axis=0):
  """As `normal`, uniform in [0, 1)."""
  return rows(tf.random.stateless_uniform(_whole(shape, axis), seed), axis)


def gumbel(shape, seed, axis=0):
  """As `normal`, with the Gumbel distribution, whose largest of `logits + gumbel` is a sample of the categories."""
  least = tf.experimental.numpy.finfo(tf.float32.as_numpy_dtype).tiny
  drawn = tf.random.stateless_uniform(_whole(shape, axis), seed, least, 1.0)
  return rows(-tf.math.log(-tf.math.log(drawn)), axis)


@functools.cache
def _compiled_gather(strategy):
  """`gather` from outside of the replicas. Collectives are slow when they are not compiled."""
  return tf.function(lambda held: first(strategy, strategy.run(gather, (held,))), reduce_retracing=True)


@functools.cache
def _first_replica(strategy):
  """The number of this host's first replica."""
  number = lambda: tf.identity(tf.distribute.get_replica_context().replica_id_in_sync_group)
  return int(first(strategy, tf.function(lambda: strategy.run(number))()))


def _placed(values):
  """The values as results of this replica's device; with several hosts an argument of a compiled function has none."""
  return tf.nest.map_structure(tf.identity, values)


def _whole(shape, axis):
  """The shape of what all replicas hold together."""
  whole = list(shape)
  whole[axis] *= tf.distribute.get_replica_context().num_replicas_in_sync
  return whole
