"""The ensemble's forward pass, losses and limits, against explicit formulas; how it is fitted is tested beside the fit."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.models import dynamics_ensemble

K, O, A, M = 3, 2, 1, 6
RNG = np.random.default_rng(0)
OBSERVATIONS = RNG.normal(2, 3, [M, O]).astype(np.float32)
ACTIONS = RNG.uniform(-1, 1, [M, A]).astype(np.float32)
NEXT = (OBSERVATIONS + RNG.normal(0.5, 0.2, [M, O])).astype(np.float32)


def make(**settings):
  ensemble = dynamics_ensemble.DynamicsEnsemble(O, A, K, (4,), [1, 2], **{'activation': 'tanh', **settings})
  ensemble.fit_normalizers(OBSERVATIONS, ACTIONS, NEXT)
  return ensemble


def tiled(values):
  return tf.tile(tf.constant(values)[None], [K, 1, 1])


def outputs_of(kernels, biases, k):
  """Member k's network on normalised inputs, in numpy."""
  normalized = lambda x: (x - x.mean(0)) / x.std(0)
  inputs = np.concatenate([normalized(OBSERVATIONS), normalized(ACTIONS)], -1)
  return np.tanh(inputs @ kernels[0][k] + biases[0][k]) @ kernels[1][k] + biases[1][k]


def moved(ensemble, scale=0.3):
  """Moves every parameter, so that biases and lengths matter."""
  for index, variable in enumerate(ensemble.parameters):
    variable.assign_add(scale * tf.random.stateless_uniform(variable.shape, [7, index]))
  return ensemble


def predictions(ensemble, noise=None):
  """In the units of the observations."""
  units = ensemble.observation_normalizer
  following = ensemble.next_state(ensemble.unpack(ensemble.parameters),
                                  tiled(units.normalize(OBSERVATIONS)), tiled(ACTIONS), noise)
  return units.denormalize(following).numpy()


def inputs_of(ensemble):
  return ensemble.network_inputs(ensemble.observation_normalizer.normalize(OBSERVATIONS), ACTIONS)


def test_members_predict_the_normalised_change():
  ensemble = moved(make())
  kernels, biases = [v.numpy() for v in ensemble.kernels], [v.numpy() for v in ensemble.biases]
  change = NEXT - OBSERVATIONS
  for k in range(K):
    expected = OBSERVATIONS + outputs_of(kernels, biases, k) * change.std(0) + change.mean(0)
    np.testing.assert_allclose(predictions(ensemble)[k], expected, rtol=1e-4, atol=1e-4)


def test_weight_normalisation_is_the_formula():
  ensemble = moved(make(weight_normalization=True))
  biases, effective = [v.numpy() for v in ensemble.biases], []
  for direction, length in zip(ensemble.kernels, ensemble.lengths):
    v, g = direction.numpy(), length.numpy()
    effective.append(np.stack([np.stack([
        g[k, j] * v[k, :, j] / np.sqrt(sum(v[k, i, j]**2 for i in range(v.shape[1]))) for j in range(v.shape[2])], 1)
        for k in range(K)]))
  change = NEXT - OBSERVATIONS
  for k in range(K):
    expected = OBSERVATIONS + outputs_of(effective, biases, k) * change.std(0) + change.mean(0)
    np.testing.assert_allclose(predictions(ensemble)[k], expected, rtol=1e-4, atol=1e-4)


def test_weight_normalisation_changes_nothing_at_the_start():
  np.testing.assert_allclose(predictions(make(weight_normalization=True)), predictions(make()), rtol=1e-5)


@pytest.mark.parametrize('settings', [{}, {'weight_normalization': True}, {'probabilistic': True}])
def test_members_start_different(settings):
  predicted = predictions(make(**settings))
  for k in range(K):
    assert not np.allclose(predicted[k], predicted[k - 1], atol=1e-3)


def test_log_variances_follow_the_network_between_their_bounds():
  ensemble = make(probabilistic=True)
  lower, upper = -2., 1.
  ensemble.log_variance_bounds[0].assign(tf.fill([K, O], lower))
  ensemble.log_variance_bounds[1].assign(tf.fill([K, O], upper))
  softplus = lambda x: np.log1p(np.exp(x))
  for raw in (-8., -0.5, 8.):
    ensemble.kernels[-1].assign(tf.zeros_like(ensemble.kernels[-1]))
    ensemble.biases[-1].assign(tf.fill(ensemble.biases[-1].shape, raw))
    mean, log_variance = ensemble.change_moments(ensemble.unpack(ensemble.parameters), tf.zeros([K, M, O + A]))
    np.testing.assert_allclose(mean, np.full([K, M, O], raw))
    below = upper - softplus(upper - raw)
    np.testing.assert_allclose(log_variance, np.full([K, M, O], lower + softplus(below - lower)), rtol=1e-5)
    assert lower < log_variance.numpy().min() and log_variance.numpy().max() < upper + 0.05


def test_the_loss_is_the_squared_error_or_the_negative_log_likelihood():
  inputs, targets = tf.random.stateless_normal([K, M, O + A], [1, 1]), tf.random.stateless_normal([K, M, O], [2, 2])
  ensemble = moved(make())
  unpacked = ensemble.unpack(ensemble.parameters)
  mean = ensemble.change_moments(unpacked, inputs)[0].numpy()
  np.testing.assert_allclose(
      ensemble.losses_per_example(unpacked, inputs, targets), ((mean - targets)**2).numpy().mean(-1), rtol=1e-5)
  ensemble = moved(make(probabilistic=True))
  unpacked = ensemble.unpack(ensemble.parameters)
  mean, log_variance = (x.numpy() for x in ensemble.change_moments(unpacked, inputs))
  std = np.exp(log_variance / 2)
  density = np.exp(-0.5 * ((targets - mean) / std)**2) / (std * np.sqrt(2 * np.pi))
  expected = -np.log(density).mean(-1) - 0.5 * np.log(2 * np.pi)
  np.testing.assert_allclose(ensemble.losses_per_example(unpacked, inputs, targets), expected, rtol=1e-4, atol=1e-5)


def test_the_penalty_draws_the_bounds_together():
  ensemble = make(probabilistic=True)
  with tf.GradientTape() as tape:
    penalty = ensemble.bounds_penalty(ensemble.unpack(ensemble.parameters))
  np.testing.assert_allclose(penalty, np.full(K, 0.01 * O * 10.5), rtol=1e-6)
  lower, upper = tape.gradient(penalty, ensemble.log_variance_bounds)
  assert (lower.numpy() < 0).all() and (upper.numpy() > 0).all()
  np.testing.assert_array_equal(make().bounds_penalty(make().unpack(make().parameters)), np.zeros(K))


def test_noise_spreads_probabilistic_members_by_their_deviation():
  ensemble = moved(make(probabilistic=True))
  noise = tf.random.stateless_normal([K, M, O], [3, 3])
  features = tiled(inputs_of(ensemble))
  log_variance = ensemble.change_moments(ensemble.unpack(ensemble.parameters), features)[1].numpy()
  expected = predictions(ensemble) + np.exp(log_variance / 2) * (NEXT - OBSERVATIONS).std(0) * noise
  np.testing.assert_allclose(predictions(ensemble, noise), expected, rtol=1e-4, atol=1e-4)


def test_noise_spreads_deterministic_members_by_their_errors_which_are_none_before_a_fit():
  ensemble = moved(make())
  noise = tf.random.stateless_normal([K, M, O], [3, 3])
  np.testing.assert_array_equal(predictions(ensemble, noise), predictions(ensemble))
  errors = np.arange(1, K * O + 1, dtype=np.float32).reshape(K, 1, O) / 10
  ensemble.error_std.assign(errors[:, 0])
  expected = predictions(ensemble) + errors * (NEXT - OBSERVATIONS).std(0) * noise
  np.testing.assert_allclose(predictions(ensemble, noise), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('probabilistic', [False, True])
def test_the_deviation_that_is_told_is_that_of_the_noise(probabilistic):
  ensemble = moved(make(probabilistic=probabilistic))
  if not probabilistic:
    ensemble.error_std.assign(np.arange(1, K * O + 1, dtype=np.float32).reshape(K, O) / 10)
  unpacked, units = ensemble.unpack(ensemble.parameters), ensemble.observation_normalizer
  states = tiled(units.normalize(OBSERVATIONS))
  told = units.scale(ensemble.next_std(unpacked, states, tiled(ACTIONS)))
  by_one = predictions(ensemble, tf.ones([K, M, O])) - predictions(ensemble)
  np.testing.assert_allclose(told, by_one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('probabilistic', [False, True])
@pytest.mark.parametrize('margin', [0., 0.1])
def test_the_model_called_agrees_with_its_step(probabilistic, margin):
  ensemble = moved(make(probabilistic=probabilistic, observation_margin=margin), scale=2.)
  distribution = ensemble((OBSERVATIONS, ACTIONS))
  assert distribution.batch_shape == [K, M] and distribution.event_shape == [O]
  np.testing.assert_allclose(distribution.mean(), predictions(ensemble), rtol=1e-5)
  # The deviation is what noise of 1 adds; clipping may hide it, so it is asked of an ensemble that clips nothing.
  free = moved(make(probabilistic=probabilistic), scale=0.3)
  spread = predictions(free, tf.ones([K, M, O])) - predictions(free)
  np.testing.assert_allclose(free((OBSERVATIONS, ACTIONS)).stddev(), spread, rtol=1e-3, atol=1e-5)


def test_predictions_stay_within_a_thousand_deviations():
  ensemble = make()
  for sign in (-1, 1):
    ensemble.biases[-1].assign(tf.fill([K, O], sign * 1e7))
    expected = np.tile(OBSERVATIONS.mean(0) + sign * 1000 * OBSERVATIONS.std(0), [K, M, 1])
    np.testing.assert_allclose(predictions(ensemble), expected, rtol=1e-5)
    np.testing.assert_allclose(ensemble((OBSERVATIONS, ACTIONS)).mean(), expected, rtol=1e-5)


def test_a_margin_keeps_predictions_near_the_data():
  ensemble = make(observation_margin=0.25)
  highest, lowest = NEXT.max(0), NEXT.min(0)
  ensemble.biases[-1].assign(tf.fill([K, O], 1e7))
  np.testing.assert_allclose(predictions(ensemble)[1, 2], highest + 0.25 * (highest - lowest), rtol=1e-5)
  ensemble.biases[-1].assign(tf.fill([K, O], -1e7))
  np.testing.assert_allclose(predictions(ensemble)[1, 2], lowest - 0.25 * (highest - lowest), rtol=1e-5)


def test_constant_observations_stay_constant():
  constant = np.column_stack([OBSERVATIONS[:, 0], np.full(M, 0.3, np.float32)])
  following = np.column_stack([NEXT[:, 0], np.full(M, 0.3, np.float32)])
  ensemble = moved(make())
  ensemble.fit_normalizers(constant, ACTIONS, following)
  units = ensemble.observation_normalizer
  predicted = units.denormalize(ensemble.next_state(
      ensemble.unpack(ensemble.parameters), tiled(units.normalize(constant)), tiled(ACTIONS)))
  np.testing.assert_allclose(predicted[..., 1], np.full([K, M], 0.3), rtol=1e-6)
  assert np.ptp(predicted[..., 0]) > 0.1
  # One that differs from the data, which say nothing of how it would change.
  constant[:, 1] = 7
  np.testing.assert_array_equal(ensemble((constant, ACTIONS)).mean()[..., 1], np.full([K, M], 7))


def data_in_units(scale, shift, dtype):
  """The data of this file as `[3]` of observations, actions, next observations in other units."""
  changed = lambda data: (data.astype(np.float64) * scale + shift).astype(dtype)
  return changed(OBSERVATIONS), ACTIONS, changed(NEXT)


@pytest.mark.parametrize('dtype, shift', [
    ('f4', 0), ('f4', 300), ('f8', 0), ('f8', 1e6), ('f8', -1e6)])
@pytest.mark.parametrize('margin', [0.0, 0.2])
def test_the_units_of_observations_matter_to_nothing_that_is_learned(dtype, shift, margin):
  """Entries times 10^k, and shifted by so many of these units."""
  settings = {'rounding': np.finfo(dtype).eps, 'probabilistic': True, 'observation_margin': margin}
  expected = moved(make(**settings))
  distribution = expected((OBSERVATIONS, ACTIONS))
  mean, std = distribution.mean().numpy(), distribution.stddev().numpy()
  # What the type leaves of a change, in deviations of changes: these are 0.2, entries up to 10.
  error = 4 * np.finfo(dtype).eps * (abs(shift) + 20) / 0.2
  for power in range(-6, 7):
    scale = np.array([10.0**power, 10.0**-power])
    data = data_in_units(scale, shift * scale, dtype)
    ensemble = moved(make(**settings))
    ensemble.fit_normalizers(*data)
    states, unchanged = (of.observation_normalizer.normalize(given) for of, given in (
        (ensemble, data[0]), (expected, OBSERVATIONS)))
    np.testing.assert_allclose(states, unchanged, atol=error + 1e-6)
    np.testing.assert_allclose(
        ensemble.targets(data[0], data[2]), expected.targets(OBSERVATIONS, NEXT),
        atol=2 * error + 2e-5)
    np.testing.assert_allclose(ensemble.lower_limit, expected.lower_limit, rtol=1e-4)
    np.testing.assert_allclose(ensemble.upper_limit, expected.upper_limit, rtol=1e-4)
    predicted = ensemble((data[0], ACTIONS))
    assert predicted.dtype.as_numpy_dtype == np.dtype(dtype).type
    np.testing.assert_allclose(
        predicted.mean().numpy().astype(np.float64) / scale - shift, mean, rtol=1e-5,
        atol=2 * error + 1e-5)
    np.testing.assert_allclose(predicted.stddev() / scale, std, rtol=1e-4 + error)


@pytest.mark.parametrize('settings', [{}, {'weight_normalization': True}, {'probabilistic': True, 'weight_normalization': True}])
def test_some_of_the_members_are_a_smaller_ensemble(settings):
  ensemble = moved(make(**settings))
  rows = [2, 0]
  unpacked = ensemble.unpack([tf.gather(p, rows) for p in ensemble.parameters])
  inputs = tf.random.stateless_normal([K, M, O + A], [1, 1])
  targets = tf.random.stateless_normal([K, M, O], [2, 2])
  losses = ensemble.losses_per_example(ensemble.unpack(ensemble.parameters), inputs, targets)
  some = ensemble.losses_per_example(unpacked, tf.gather(inputs, rows), tf.gather(targets, rows))
  np.testing.assert_allclose(some, tf.gather(losses, rows), rtol=1e-4, atol=1e-6)


def test_members_see_sines_and_cosines_of_angles():
  ensemble = make(angles=(1,))
  ensemble.fit_normalizers(OBSERVATIONS, ACTIONS, OBSERVATIONS + 1)
  plain = make()
  plain.fit_normalizers(OBSERVATIONS, ACTIONS, OBSERVATIONS + 1)
  inputs, angle = inputs_of(ensemble).numpy(), np.asarray(OBSERVATIONS)[:, 1]
  assert inputs.shape[-1] == ensemble.input_size == ensemble.kernels[0].shape[1]
  np.testing.assert_array_equal(inputs[:, :O + A], inputs_of(plain))
  expected = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], -1)
  np.testing.assert_allclose(inputs[:, O + A:], expected, rtol=1e-5, atol=1e-6)
