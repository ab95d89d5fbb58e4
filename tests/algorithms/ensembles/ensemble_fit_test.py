"""Fitting the ensemble: what it recovers, when it stops, what it keeps, and what it never reads."""

from unittest import mock

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function

from mbrl_tf import types
from mbrl_tf.algorithms.ensembles import config as config_lib
from mbrl_tf.algorithms.ensembles import ensemble_fit
from mbrl_tf.algorithms.ensembles import members_fit
from mbrl_tf.models import dynamics_ensemble

O, A, K = 2, 1, 2
NOISE = np.array([0.1, 0.3])
DYNAMICS = np.array([[0.9, 0.2], [-0.1, 0.8]])
CONTROL = np.array([[0.5, -0.3]])


def true_mean(observation, action):
  return observation @ DYNAMICS + action @ CONTROL


def make_data(count, noise=0., seed=0):
  rng = np.random.default_rng(seed)
  observation = rng.normal(size=[count, O]).astype(np.float32)
  action = rng.uniform(-1, 1, [count, A]).astype(np.float32)
  following = (true_mean(observation, action) + noise * rng.normal(size=[count, O])).astype(np.float32)
  return types.Transitions(observation, action, np.zeros(count, np.float32), following, np.zeros(count, bool))


def make(capacity=100, hidden=(8,), probabilistic=False, members=K, weight_normalization=False, compiled=False, **settings):
  """A fitter and its ensemble; short fits take less time than to compile them."""
  config = config_lib.EnsembleConfig(**{
      'members': members, 'batch_size': 20, 'max_epochs': 3, 'learning_rate': 1e-2, 'validation_fraction': 0.25, **settings})
  ensemble = dynamics_ensemble.DynamicsEnsemble(O, A, members, hidden, [1, 2], 'tanh', probabilistic, weight_normalization)
  fitter = ensemble_fit.EnsembleFit(ensemble, config, capacity)
  if not compiled:
    fitter.compiled_epoch = fitter.epoch
  return fitter, ensemble


def fit(fitter, data, seed=0):
  return fitter.fit(data, data.action, seed)


def generators(seed=0):
  """Those with which a fit of this seed draws, one for each member."""
  return [np.random.default_rng([seed, member]) for member in range(K)]


def values(variables):
  return [v.numpy().copy() for v in variables]


def own_variables(fitter, ensemble):
  return [*ensemble.parameters, *fitter.first_moments, *fitter.second_moments, fitter.updates]


def test_probabilistic_members_recover_a_linear_gaussian_system_and_its_noise():
  fitter, ensemble = make(1000, hidden=(), probabilistic=True, batch_size=100, max_epochs=150, persistence=0.98,
                          compiled=True)
  result = fit(fitter, make_data(1000, NOISE))
  fresh = make_data(500, seed=1)
  distribution = ensemble((fresh.observation, fresh.action))
  expected = true_mean(fresh.observation, fresh.action)
  for k in range(K):
    assert np.abs(distribution.mean()[k] - expected).mean() < 0.03
    np.testing.assert_allclose(distribution.stddev().numpy()[k].mean(0), NOISE, rtol=0.15)
  assert (result.epochs > 20).all()


def test_members_that_stop_one_after_the_other_are_no_reason_to_warn_of_retracing():
  members = 6  # TensorFlow warns from 5 traces in short order on
  fitter, _ = make(members=members, hidden=(2,), compiled=True)
  data = make_data(100)
  prepared = fitter._normalized(data, data.action)
  own = [np.random.default_rng(member) for member in range(members)]
  train, validation = fitter.splits(100, own)
  with mock.patch.object(polymorphic_function.logging, 'warning') as warning:
    for going in range(members, 0, -1):
      orders, num_batches = fitter._batches(train[:going], own[:going])
      fitter.compiled_epoch(fitter._current_state(np.arange(going)), *prepared, orders, num_batches,
                            *fitter._padded(validation[:going]), tf.constant(1e-3))
  assert not warning.called


@pytest.mark.parametrize('weight_normalization', [False, True])
def test_deterministic_members_recover_the_map(weight_normalization):
  fitter, ensemble = make(400, (16,), batch_size=50, max_epochs=150, persistence=0.95, compiled=True,
                          weight_normalization=weight_normalization)
  result = fit(fitter, make_data(400))
  fresh = make_data(200, seed=1)
  predicted = ensemble((fresh.observation, fresh.action)).mean().numpy()
  expected = true_mean(fresh.observation, fresh.action)
  for k in range(K):
    assert np.sqrt(np.mean((predicted[k] - expected)**2)) < 0.1 * (expected - fresh.observation).std()
  assert (result.validation_loss < 0.02).all() and (result.train_loss < 0.02).all()


def published_rule(losses, persistence):
  """The epoch after which the authors' code stops, for losses above 0, in plain Python."""
  average, previous = 1.5 * losses[0], 2 * losses[0]
  for epoch, loss in enumerate(losses, 1):
    average = persistence * average + (1 - persistence) * loss
    if average > previous:
      return epoch
    previous = average
  return None


def test_members_stop_as_published():
  rng = np.random.default_rng(0)
  epochs = np.arange(60)
  curves = np.stack([np.exp(-epochs / 5) + 0.02 * epochs, 2 - epochs / 60, np.full(60, 0.5), 1 + rng.normal(0, 0.2, 60),
                     np.exp(-epochs / 20) + 0.2 * rng.uniform(size=60)])
  stopping = members_fit.EarlyStopping(5, 0.8, 1)
  stopped_at = [None] * 5
  for epoch in epochs:
    before = stopping.stopped.copy()
    stopping.update(curves[:, epoch])
    for member in np.flatnonzero(stopping.stopped & ~before):
      stopped_at[member] = epoch + 1
  expected = [published_rule(curve, 0.8) for curve in curves]
  assert stopped_at == expected
  assert expected[1] is None and expected[2] is None and expected[0] is not None  # the rule was seen both ways
  np.testing.assert_array_equal(stopping.epochs, [epoch or 60 for epoch in expected])


def test_best_losses_are_told_and_stopped_members_are_left_alone():
  stopping = members_fit.EarlyStopping(2, 0., 1)
  np.testing.assert_array_equal(stopping.update([3., 5.]), [True, True])
  np.testing.assert_array_equal(stopping.update([2., 6.]), [True, False])  # member 1 rose, and stops
  np.testing.assert_array_equal(stopping.stopped, [False, True])
  np.testing.assert_array_equal(stopping.update([1., 0.]), [True, False])
  np.testing.assert_array_equal(stopping.best_loss, [1., 5.])
  np.testing.assert_array_equal(stopping.epochs, [3, 2])


def test_likelihoods_below_zero_do_not_stop_at_once():
  stopping = members_fit.EarlyStopping(1, 0.5, 1)
  for loss in (-1., -1.2, -1.3):
    stopping.update([loss])
  assert not stopping.stopped[0]
  for _ in range(3):
    stopping.update([-0.2])
  assert stopping.stopped[0]


def test_no_member_stops_before_the_least_number_of_epochs():
  stopping = members_fit.EarlyStopping(1, 0., 4)
  for loss in (1., 2., 3.):
    stopping.update([loss])
    assert not stopping.stopped[0]
  stopping.update([4.])
  assert stopping.stopped[0]


def test_the_best_weights_and_their_moments_are_kept():
  """A learning rate that overshoots: the last epoch is not the best one."""
  fitter, ensemble = make(learning_rate=0.3, max_epochs=12, persistence=1., batch_size=10)
  history, epoch = [], fitter.compiled_epoch

  def recorded(*args):
    state, losses = epoch(*args)
    history.append((tf.nest.map_structure(lambda x: x.numpy(), state), losses.numpy()))
    return state, losses

  fitter.compiled_epoch = recorded
  result = fit(fitter, make_data(60, NOISE))
  losses = np.stack([losses for _, losses in history])
  best = losses[:, 1].argmin(0)
  assert len(history) == 12 and (best < 11).all()
  np.testing.assert_allclose(result.validation_loss, losses[:, 1].min(0), rtol=1e-6)
  for k in range(K):
    np.testing.assert_allclose(result.train_loss[k], losses[best[k], 0, k], rtol=1e-6)
    kept = tf.nest.flatten(history[best[k]][0])
    for variable, value in zip(own_variables(fitter, ensemble), kept):
      np.testing.assert_array_equal(variable[k], value[k])


def test_a_stopped_member_is_as_if_the_other_had_not_gone_on():
  """Both members stop at their own epoch; the weights kept are those of a fit that was cut there."""
  settings = {'learning_rate': 0.1, 'persistence': 0.3, 'batch_size': 10}
  data = make_data(60, NOISE)
  fitter, ensemble = make(max_epochs=30, **settings)
  result = fit(fitter, data)
  first = int(result.epochs.argmin())
  assert result.epochs.min() < result.epochs.max() < 30
  cut_fitter, cut_ensemble = make(max_epochs=int(result.epochs.min()), **settings)
  cut = fit(cut_fitter, data)
  assert cut.validation_loss[first] == result.validation_loss[first]
  for variable, other in zip(own_variables(fitter, ensemble), own_variables(cut_fitter, cut_ensemble)):
    np.testing.assert_array_equal(variable[first], other[first])


def test_a_second_fit_goes_on_from_the_first():
  fitter, ensemble = make(persistence=1.)
  fit(fitter, make_data(40))
  updates, weights = fitter.updates.numpy(), values(ensemble.parameters)
  assert (updates == 3).all()  # 30 training transitions are one batch of 20, three times
  fitter._config.learning_rate = 0.
  fit(fitter, make_data(40))
  assert (fitter.updates.numpy() > updates).all()
  for variable, weight in zip(ensemble.parameters, weights):
    np.testing.assert_array_equal(variable, weight)


def test_one_batch_is_one_step_on_the_mean_loss():
  """Against Keras' Adam and its gradient, for each member alone."""
  fitter, ensemble = make(batch_size=30, max_epochs=1, members=1, hidden=())
  kernel, bias = ensemble.kernels[0].numpy()[0], ensemble.biases[0].numpy()[0]
  data = make_data(40)
  fit(fitter, data)
  standard = lambda x: (x - x.mean(0)) / x.std(0)
  inputs = np.concatenate([standard(data.observation), standard(data.action)], -1)
  targets = standard(data.next_observation - data.observation)
  train = fitter.splits(40, generators())[0][0]
  weights = [tf.Variable(kernel), tf.Variable(bias)]
  with tf.GradientTape() as tape:
    loss = tf.reduce_mean(tf.square(inputs[train] @ weights[0] + weights[1] - targets[train]))
  tf.keras.optimizers.Adam(1e-2).apply_gradients(zip(tape.gradient(loss, weights), weights))
  np.testing.assert_allclose(ensemble.kernels[0][0], weights[0], atol=1e-4)
  np.testing.assert_allclose(ensemble.biases[0][0], weights[1], atol=1e-4)


def test_an_ensemble_epoch_is_that_of_its_members_alone():
  fitter, ensemble = make(probabilistic=True)
  rng = np.random.default_rng(3)
  inputs, targets = rng.normal(size=[100, O + A]).astype(np.float32), rng.normal(size=[100, O]).astype(np.float32)
  orders, num_batches = fitter._batches(np.tile(np.arange(70, dtype=np.int32), (K, 1)), generators())
  validation, count = fitter._padded(np.stack([np.arange(70, 100), np.arange(60, 90)]).astype(np.int32))
  state = fitter._current_state(np.arange(K))
  joint, losses = fitter.epoch(state, inputs, targets, orders, num_batches, validation, count, 1e-2)
  for k in range(K):
    row = lambda x: x[k:k + 1]
    alone, own = fitter.epoch(
        tf.nest.map_structure(row, state), inputs, targets, row(orders), num_batches, row(validation), count, 1e-2)
    np.testing.assert_allclose(own[:, 0], losses[:, k], rtol=1e-4)
    for one, many in zip(tf.nest.flatten(alone), tf.nest.flatten(joint)):
      np.testing.assert_allclose(one[0], many[k], rtol=1e-3, atol=1e-5)


def test_the_validation_loss_is_the_mean_over_the_held_out_transitions():
  """23 of them with batches of 20: the last batch is filled up with others, which must not count."""
  fitter, ensemble = make(learning_rate=1e-12, max_epochs=1, validation_fraction=0.23, members=1)
  data = make_data(100)
  result = fit(fitter, data)
  held_out = fitter.splits(100, generators())[1][0]
  assert len(held_out) == 23
  states = ensemble.observation_normalizer.normalize(data.observation)
  inputs = ensemble.network_inputs(states, data.action).numpy()[held_out]
  targets = ensemble.targets(data.observation, data.next_observation).numpy()[held_out]
  losses = ensemble.losses_per_example(ensemble.unpack(ensemble.parameters), inputs[None], targets[None])
  np.testing.assert_allclose(result.validation_loss[0], np.mean(losses), rtol=1e-5)


def test_members_split_the_data_each_for_itself():
  fitter, _ = make()
  train, validation = fitter.splits(40, generators())
  assert train.shape == (K, 30) and validation.shape == (K, 10)
  for k in range(K):
    assert sorted([*train[k], *validation[k]]) == list(range(40))
  assert set(validation[0]) != set(validation[1])


def test_bootstrap_draws_with_replacement_and_never_from_the_held_out():
  fitter, _ = make(bootstrap=True)
  train, validation = fitter.splits(40, generators())
  for k in range(K):
    assert train.shape[1] == 30 and 15 < len(set(train[k])) < 30
    assert not set(train[k]) & set(validation[k])


def test_batches_are_formed_anew_in_each_epoch_and_small_data_fill_one():
  fitter, _ = make()
  own, train = generators(), np.tile(np.arange(70, dtype=np.int32), (K, 1))
  (first, batches), (second, _) = fitter._batches(train, own), fitter._batches(train, own)
  assert int(batches) == 3
  for orders in (first, second):
    assert all(sorted(row[:70]) == list(range(70)) for row in orders.numpy())
  assert set(first.numpy()[0, :20]) != set(second.numpy()[0, :20]) and set(first.numpy()[0, :20]) != set(first.numpy()[1, :20])
  few, batches = fitter._batches(np.tile(np.array([4, 7, 9], np.int32), (K, 1)), own)
  assert int(batches) == 1 and set(few.numpy()[0, :20]) == {4, 7, 9}


@pytest.mark.parametrize('count', [4, 90])
def test_room_for_more_data_changes_nothing(count):
  """Rows beyond the data are never read, also where the data are fewer than a batch."""
  kept = []
  for capacity in (count, 150):
    fitter, ensemble = make(capacity=capacity, batch_size=20)
    normalized = fitter._normalized

    def with_garbage(*args, count=count, normalized=normalized):
      return [tf.where(tf.range(x.shape[0])[:, None] < count, x, 1e6) for x in normalized(*args)]

    fitter._normalized = with_garbage
    result = fit(fitter, make_data(count))
    kept.append([*values(own_variables(fitter, ensemble)), *result])
  for one, other in zip(*kept):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_fit_changes_the_ensemble_and_its_optimizer_and_repeats_with_its_seed():
  (fitter, ensemble), (again, twin), (other, stranger) = make(), make(), make()
  start = values(ensemble.parameters)
  fit(fitter, make_data(60)), fit(again, make_data(60)), fit(other, make_data(60), seed=1)
  for before, variable, same, different in zip(start, ensemble.parameters, twin.parameters, stranger.parameters):
    assert not np.allclose(before, variable)
    np.testing.assert_array_equal(variable, same)
    assert not np.array_equal(variable, different)


def test_the_learning_rate_falls_along_half_a_cosine_and_nothing_stops_early():
  # 60 transitions leave 48 for training: 4 batches of 12. 14 updates are 4 whole epochs.
  fitter, _ = make(annealed_updates=14, batch_size=12, validation_fraction=0.2, max_epochs=1, persistence=0.0)
  rates, epoch = [], fitter.compiled_epoch

  def recorded(*args):
    rates.append(float(args[-1]))
    state, losses = epoch(*args)
    return state, losses + len(rates)  # a loss that rises would stop early

  fitter.compiled_epoch = recorded
  assert (fit(fitter, make_data(60, NOISE)).epochs == 4).all()
  np.testing.assert_allclose(rates, 1e-2 * (0.5 + 0.5 * np.cos(np.pi * np.array([0.125, 0.375, 0.625, 0.875]))), rtol=1e-5)


def test_kernels_alone_decay():
  """Where the gradient is 0, a step leaves all but the kernels as they were."""
  fitter, ensemble = make(weight_decay=0.5, annealed_updates=1, batch_size=48, validation_fraction=0.2, learning_rate=1e-2)
  start = values(ensemble.parameters)
  with mock.patch.object(tf.GradientTape, 'gradient', lambda tape, loss, sources: [tf.zeros_like(s) for s in sources]):
    fit(fitter, make_data(60))
  kernels = len(ensemble.kernels)
  rate = 1e-2 * 0.5  # in the middle of half a cosine
  for index, (before, variable) in enumerate(zip(start, ensemble.parameters)):
    np.testing.assert_allclose(variable, before * (1 - 0.5 * rate) if index < kernels else before, rtol=1e-6)


def test_the_spread_of_the_errors_is_that_on_held_out_data():
  """Of pure noise nothing can be predicted, so the error is the noise, which the normalizer scales to 1."""
  fitter, ensemble = make(max_epochs=2, learning_rate=1e-4, capacity=400)
  rng = np.random.default_rng(0)
  observation = rng.normal(size=[400, O]).astype(np.float32)
  data = types.Transitions(observation, rng.normal(size=[400, A]).astype(np.float32), np.zeros(400, np.float32),
                           observation + rng.normal(size=[400, O]).astype(np.float32), np.zeros(400, bool))
  result = fit(fitter, data)
  spread = ensemble.error_std.numpy()
  assert spread.shape == (K, O)
  np.testing.assert_allclose(np.square(spread).mean(1), result.validation_loss, rtol=1e-4)
  np.testing.assert_allclose(spread, 1, atol=0.5)


def spoiled_epochs(fitter, spoils):
  """Makes the epochs, by number, that `spoils` chooses lose the loss and the weights of member 0 (of those still learning)."""
  epoch, numbers = fitter.compiled_epoch, itertools.count()

  def spoiled(*args):
    state, losses = epoch(*args)
    if spoils(next(numbers)):
      lose = lambda value: tf.concat([tf.fill([1, *value.shape[1:]], tf.cast(np.nan, value.dtype)), value[1:]], 0)
      state = ([lose(p) for p in state[0]], state[1])
      losses = tf.concat([tf.fill([2, 1], np.float32(np.nan)), losses[:, 1:]], 1)
    return state, losses

  fitter.compiled_epoch = spoiled
  return numbers


def test_an_epoch_that_is_not_finite_is_undone_for_its_member_and_told():
  fitter, ensemble = make(60, (4,), batch_size=20, max_epochs=12, min_epochs=12)
  spoiled_epochs(fitter, lambda number: 2 <= number < 10)
  result = fit(fitter, make_data(60))
  assert result.epochs.tolist() == [4] + [12] * (K - 1) and result.skipped_share[0] == 8 / 12 and not result.skipped_share[1:].any()
  assert np.isfinite(result.validation_loss).all() and np.isfinite(result.train_loss).all()
  assert all(np.isfinite(p).all() for p in ensemble.parameters)


@pytest.mark.parametrize('max_epochs, tried', [(50, 13), (4, 4)])
def test_epochs_that_are_not_finite_again_and_again_stop_the_fit_and_keep_the_weights(max_epochs, tried):
  fitter, ensemble = make(60, (4,), batch_size=20, max_epochs=max_epochs, min_epochs=max_epochs)
  numbers = spoiled_epochs(fitter, (lambda number: number >= 3) if max_epochs > 4 else lambda number: True)
  before = [p.numpy() for p in ensemble.parameters]
  with pytest.raises(FloatingPointError, match='fit/train_loss_member_0 or its gradient is not finite'):
    fit(fitter, make_data(60))
  assert next(numbers) == tried
  for a, b in zip(before, ensemble.parameters):
    np.testing.assert_array_equal(a, b)
