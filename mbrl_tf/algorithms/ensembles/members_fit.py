"""Fits K networks to rows of data: each on its own split, with its own early stopping."""

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import adam, finite, replicas


class FitResult(NamedTuple):
  """What a fit tells, each `[K]`: epochs taken, losses of the weights that were kept, and the share
  of epochs left out.
  """
  epochs: Any
  validation_loss: Any
  train_loss: Any
  skipped_share: Any


class EarlyStopping:
  """Stops a member when the rolling average of its validation loss rises.

  The average starts above the first loss, so that the first epochs, whose loss falls fast, never
  stop it. This is the published rule (Clavera et al. 2018, authors' code), here for all members at
  once.
  """

  def __init__(self, members, persistence, min_epochs):
    self._persistence, self._min_epochs = persistence, min_epochs
    self._average, self._previous = np.zeros(members), np.zeros(members)
    self.epochs = np.zeros(members, int)
    self.stopped = np.zeros(members, bool)
    self.best_loss = np.full(members, np.inf)

  def update(self, losses):
    """Takes an epoch's validation losses.

    Args:
      losses: `[K]`; entries of stopped members are not read, nor are those that are not finite:
        such an epoch was none.

    Returns:
      bool `[K]`, where the loss is the member's best so far.
    """
    losses = np.asarray(losses, np.float64)
    active = ~self.stopped & np.isfinite(losses)
    first = active & (self.epochs == 0)
    # Half the magnitude of the loss above it: likelihoods may be negative.
    self._average[first], self._previous[first] = (losses + 0.5 * np.abs(losses))[first], (losses + np.abs(losses))[first]
    average = self._persistence * self._average + (1 - self._persistence) * losses
    self.epochs[active] += 1
    improved = active & (losses < self.best_loss)
    self.best_loss = np.where(improved, losses, self.best_loss)
    self.stopped |= active & (average > self._previous) & (self.epochs >= self._min_epochs)
    self._previous = np.where(active, average, self._previous)
    self._average = np.where(active, average, self._average)
    return improved


class MembersFit(tf.Module):
  """Fits K networks that know nothing of each other; weights and Adam's moments go on from the last
  fit.

  Made within the scope of a `tf.distribute.Strategy`, it shares the members among the strategy's
  replicas. A replica stops early by itself, and only the weights cross replicas, once at the end.
  """

  def __init__(self, networks, config, capacity, name='members_fit', told=''):
    """Makes the optimizer's variables.

    Args:
      networks: has `members`, `parameters` (a list of `[K, ...]`, kernels first), `kernels`,
        `unpack`, `losses_per_example` and `bounds_penalty`, as a `DynamicsEnsemble` has.
      config: `EnsembleConfig`.
      capacity: rows of data at most; the compiled epoch has room for so many, so that it is
        compiled once.
      name: of the module.
      told: how names of metrics begin after `fit/`, such as `reward_`; empty for the ensemble.
    """
    super().__init__(name=name)
    self._networks, self._config, self._capacity, self._told = networks, config, capacity, told
    self._strategy = tf.distribute.get_strategy()
    moments = adam.initial_state(networks.parameters)
    self.first_moments = [tf.Variable(m, trainable=False) for m in moments.first]
    self.second_moments = [tf.Variable(m, trainable=False) for m in moments.second]
    self.updates = tf.Variable(moments.count, trainable=False)
    # TensorFlow counts traces by a function's code, and warns of many: partial objects have none, and are counted each for itself.
    self._epochs = [tf.function(functools.partial(self.epoch), jit_compile=True, autograph=False)
                    for _ in range(networks.members + 1)]

  def generators(self, seed):
    """With which each member draws its split and its batches, for an integer."""
    return [np.random.default_rng([seed, member]) for member in range(self._networks.members)]

  def fit_rows(self, data, train, validation, generators):
    """Fits until each member's validation loss stops falling, or the annealing ends.

    Args:
      data: inputs `[capacity, ...]` and targets `[capacity, ...]`.
      train, validation: int `[K, ...]`, the rows that each member learns from, and that it holds
        out.
      generators: of all members' batches.

    Returns:
      `FitResult`.
    """
    if self._config.fresh_moments:
      for variable in (*self.first_moments, *self.second_moments, self.updates):
        variable.assign(tf.zeros_like(variable))
    shares = replicas.on_devices(
        self._strategy, self._networks.members, lambda members: self._fit_share(members, data, train, validation, generators))
    kept, result = replicas.joined(self._strategy, shares)
    self._restore(kept)
    return FitResult(*(value.numpy() for value in result))

  def _fit_share(self, members, data, train, validation, generators):
    """Fits some members, which one device does for itself.

    Args:
      members: int `[k]`, which ones.
      data: pair of inputs and targets.
      train, validation: int `[K, ...]`, of all members.
      generators: of all members' batches.

    Returns:
      The weights and moments to keep, as `epoch` has them, and `FitResult` of tensors `[k]`.
    """
    inputs, targets = data
    share, first = len(members), members[0]
    most = self._most_epochs(train.shape[1])
    least = most if self._config.annealed_updates else self._config.min_epochs
    stopping = EarlyStopping(share, self._config.persistence, least)
    current = self._current_state(members)
    kept, train_loss, skipped = current, np.full(share, np.nan), []
    rows = np.arange(share)  # of the members that still learn
    while len(rows) and stopping.epochs.max() < most:
      orders, num_batches = self._batches(train[first + rows], [generators[first + row] for row in rows])
      rate = self._learning_rate(stopping.epochs.max(), most)
      before = current
      current, losses = self.compiled_epoch(
          before, inputs, targets, orders, num_batches, *self._padded(validation[first + rows]), rate)
      all_losses = np.zeros([2, share])
      all_losses[:, rows] = losses.numpy()
      skipped.append(~np.isfinite(all_losses).all(0))
      if skipped[-1].any():
        _require_epochs(self._told, np.array(skipped), all_losses, rows, first)
        all_losses[1, skipped[-1]] = np.nan
        current = _undone(before, current, skipped[-1][rows])
      improved = stopping.update(all_losses[1])
      train_loss[improved] = all_losses[0][improved]
      kept = self._keep(kept, current, rows, improved)
      rows, current = self._drop_stopped(rows, current, stopping.stopped)
    if not stopping.epochs.all():  # too few epochs for the limit, and none that counts
      _require_epochs(
          self._told, np.array(skipped), all_losses, np.flatnonzero(stopping.epochs == 0), first, least=0)
    left_out = np.sum(skipped, 0)
    result = FitResult(stopping.epochs, stopping.best_loss, train_loss, left_out / (left_out + stopping.epochs))
    return kept, FitResult(*(tf.constant(value) for value in result))

  def compiled_epoch(self, state, *arguments):
    """As `epoch`. For each number of members a function: TensorFlow warns of one that is traced
    again and again.
    """
    return self._epochs[state[0][0].shape[0]](state, *arguments)

  def epoch(self, state, inputs, targets, orders, num_batches, validation, num_validation, learning_rate):
    """One pass over the data for all members that are still learning; pure.

    Args:
      state: pair of parameters (list of `[k, ...]` for the k members still learning) and
        `AdamState`.
      inputs, targets: `[capacity, ...]`, normalised.
      orders: int32 `[k, capacity]`, each member's order of its training rows, of which the first
        `num_batches * batch_size` are used.
      num_batches: int32 `[]`.
      validation: int32 `[k, capacity]`, each member's held-out rows, of which the first
        `num_validation` count.
      num_validation: int32 `[]`.
      learning_rate: float32 `[]`.

    Returns:
      The new state, and losses `[2, k]`: the mean over the epoch's batches, and over the validation
      data after it.
    """
    size = self._config.batch_size
    parameters, moments = state
    # Kernels come first, and are all that decays: neither biases nor bounds of variances are the larger for noise.
    num_kernels = len(self._networks.kernels)
    decays = [self._config.weight_decay] * num_kernels + [0.0] * (len(parameters) - num_kernels)

    def batch_losses(parameters, indices):
      unpacked = self._networks.unpack(parameters)
      losses = self._networks.losses_per_example(unpacked, tf.gather(inputs, indices), tf.gather(targets, indices))
      return losses, self._networks.bounds_penalty(unpacked)

    def train_batch(i, parameters, moments, total):
      indices = _columns(orders, i * size, size)
      with tf.GradientTape() as tape:
        tape.watch(parameters)
        losses, penalty = batch_losses(parameters, indices)
        loss = tf.reduce_mean(losses, -1)
        objective = tf.reduce_sum(loss + penalty)
      gradients = tape.gradient(objective, parameters)
      parameters, moments = adam.update(parameters, gradients, moments, learning_rate, weight_decays=decays)
      return i + 1, parameters, moments, total + loss

    zero = tf.zeros([orders.shape[0]])
    _, parameters, moments, total = tf.while_loop(
        lambda i, *_: i < num_batches, train_batch, (tf.constant(0), parameters, moments, zero))

    def validate_batch(i, total_validation):
      counts = tf.cast(i * size + tf.range(size) < num_validation, tf.float32)
      losses, _ = batch_losses(parameters, _columns(validation, i * size, size))
      return i + 1, total_validation + tf.reduce_sum(losses * counts, -1)

    _, total_validation = tf.while_loop(
        lambda i, _: i * size < num_validation, validate_batch, (tf.constant(0), zero))
    losses = tf.stack([total / tf.cast(num_batches, tf.float32), total_validation / tf.cast(num_validation, tf.float32)])
    return (parameters, moments), losses

  def _most_epochs(self, num_train):
    """How many epochs a fit to so many training transitions takes at most."""
    if not self._config.annealed_updates:
      return self._config.max_epochs
    return -(-self._config.annealed_updates // max(1, num_train // self._config.batch_size))

  def _learning_rate(self, epochs, most):
    """The learning rate after so many epochs of a fit that takes `most` of them."""
    share = 0.5 * (1 + np.cos(np.pi * (epochs + 0.5) / most)) if self._config.annealed_updates else 1.0
    return tf.constant(self._config.learning_rate * share, tf.float32)

  def roomy(self, *data):
    """Tensors of arrays `[M, ...]` with room for the capacity."""
    return [tf.constant(np.pad(rows, ((0, self._capacity - len(rows)), (0, 0)))) for rows in data]

  def splits(self, count, generators):
    """Each member's training and validation rows, int `[K, ...]`, drawn by its own generator."""
    held_out = min(max(1, int(round(count * self._config.validation_fraction))), count - 1)
    orders = np.stack([generator.permutation(count).astype(np.int32) for generator in generators])
    train, validation = orders[:, held_out:], orders[:, :held_out]
    if self._config.bootstrap:
      picks = np.stack([generator.integers(train.shape[1], size=train.shape[1]) for generator in generators])
      train = np.take_along_axis(train, picks, axis=1)
    return train, validation

  def _batches(self, train, generators):
    """A new order of each member's training data, and how many whole batches it holds; small data
    is repeated to fill one.
    """
    size = self._config.batch_size
    orders = np.stack([generator.permutation(own) for generator, own in zip(generators, train)])
    orders = np.tile(orders, (1, -(-size // orders.shape[1])))
    num_batches = orders.shape[1] // size
    return self._padded(orders)[0], tf.constant(num_batches)

  def _padded(self, indices):
    """Indices `[k, M]` with room for the capacity and one batch more, and their number."""
    room = max(self._capacity, self._config.batch_size) + self._config.batch_size - indices.shape[1]
    return tf.constant(np.pad(indices, ((0, 0), (0, room)))), tf.constant(indices.shape[1])

  def _current_state(self, members):
    read = lambda variables: [tf.gather(v, members) for v in variables]
    moments = adam.AdamState(read(self.first_moments), read(self.second_moments), tf.gather(self.updates, members))
    return read(self._networks.parameters), moments

  @staticmethod
  def _keep(kept, current, rows, improved):
    """`kept` of all rows, with those of `current`, of some rows, whose validation loss is their
    best so far.
    """
    better = np.flatnonzero(improved[rows])
    if not len(better):
      return kept
    return tf.nest.map_structure(
        lambda best, value: tf.tensor_scatter_nd_update(best, rows[better][:, None], tf.gather(value, better)), kept, current)

  @staticmethod
  def _drop_stopped(rows, current, stopped):
    """Leaves stopped members out of the program: they would cost as much as the others."""
    going = np.flatnonzero(~stopped[rows])
    if len(going) == len(rows):
      return rows, current
    return rows[going], tf.nest.map_structure(lambda value: tf.gather(value, going), current)

  def _restore(self, kept):
    """Writes the kept weights and moments into the variables."""
    parameters, moments = kept
    for variable, value in zip([*self._networks.parameters, *self.first_moments, *self.second_moments, self.updates],
                               [*parameters, *moments.first, *moments.second, moments.count]):
      variable.assign(value)


def _require_epochs(told, skipped, losses, rows, first_member, least=finite.LIMIT):
  """Raises where one of the rows was left out in each of its last epochs, bool `[epochs, k]`, and
  there were at least so many.
  """
  last = skipped[-finite.LIMIT:]
  for row in rows:
    if len(last) >= least and last[:, row].all():
      finite.require_steps(f'fit/{told}train_loss_member_{first_member + row}', last[:, row], 'a lower ensemble.learning_rate',
                           [tuple(losses[:, row])] * len(last))


def _undone(before, current, lost):
  """`current`, with the state `before` the epoch of the members, bool `[k]`, whose loss was not
  finite in it.
  """
  chosen = lambda old, new: tf.where(tf.reshape(lost, [-1] + [1] * (len(new.shape) - 1)), old, new)
  return tf.nest.map_structure(chosen, before, current)


def _columns(indices, start, size):
  """`indices[:, start:start + size]` with a length known to the compiler."""
  return tf.slice(indices, [0, start], [indices.shape[0], size])
