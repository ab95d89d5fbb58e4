"""What is timed of an ensemble, whatever algorithm it serves; `W` as in benchmarks/mbmpo.py."""

import dataclasses

import numpy as np
import tensorflow as tf

from benchmarks import benchmark
from mbrl_tf import types
from mbrl_tf.models import observations
from mbrl_tf.ops import actions

_FIT_EPOCHS = 3
_EPOCHS_OF_EARLY_STOPPING = 80


def fit(run, config) -> benchmark.Benchmark:
  """Epochs of the ensemble on as many transitions as it keeps, all members learning, with preparing
  the data.

  An epoch takes 2 W a transition forward, 2 W for the gradient of the kernels, and 2 W less the
  first layer for the gradient of the layers' inputs; validation takes 2 W.
  """
  parts = run.algorithm.state
  transitions, features = noise_transitions(run.environment.spec, config.collect.capacity)
  held_out = round(config.collect.capacity * config.ensemble.validation_fraction)
  size = config.ensemble.batch_size
  trained = (config.collect.capacity - held_out) // size * size
  inputs, outputs = parts.ensemble.kernels[0].shape[1:]
  once = forward(parts.ensemble)
  flop = config.ensemble.members * (
      trained * (3 * once - 2 * inputs * outputs) + held_out * once)
  return benchmark.Benchmark(
      lambda: parts.fit.fit(transitions, features, 0), _FIT_EPOCHS, 'epochs', _FIT_EPOCHS * flop, {
          'epochs': _FIT_EPOCHS, 'members': config.ensemble.members,
          'transitions': config.collect.capacity, 'batch_size': size,
          'hidden_sizes': config.ensemble.hidden_sizes})


def fit_outcomes(run, config) -> benchmark.Benchmark:
  """As `fit`, of the heads that learn reward and termination; nothing where a task has functions."""
  parts = run.algorithm.state
  transitions, features = noise_transitions(run.environment.spec, config.collect.capacity)
  return benchmark.Benchmark(
      lambda: parts.outcome_fit.fit(transitions, features, 0), _FIT_EPOCHS, 'epochs', None, {
          'epochs': _FIT_EPOCHS, 'members': config.ensemble.members,
          'transitions': config.collect.capacity, 'batch_size': config.ensemble.batch_size,
          'hidden_sizes': config.outcomes.hidden_sizes})


def epochs(config, env_steps):
  """Epochs of a fit after so many env steps, on as many transitions as an epoch is timed on: as are
  kept.

  A fit that stops early is counted with 80 epochs: with MB-MPO's published settings it takes 60 to
  110.
  """
  settings, capacity = config.ensemble, config.collect.capacity
  rows = min(env_steps // config.environment.env_steps_per_decision, capacity)
  batches = max(rows * (1 - settings.validation_fraction) // settings.batch_size, 1)
  taken = (-(-settings.annealed_updates // batches) if settings.annealed_updates
           else min(max(_EPOCHS_OF_EARLY_STOPPING, settings.min_epochs), settings.max_epochs))
  return taken * rows / capacity


def prepared(config):
  """A copy of a config whose fit takes a known number of epochs: nobody stops early or late."""
  ensemble = dataclasses.replace(
      config.ensemble, min_epochs=_FIT_EPOCHS, max_epochs=_FIT_EPOCHS, annealed_updates=0)
  return dataclasses.replace(config, ensemble=ensemble)


def forward(model):
  """Operations of one forward pass for one row of input: 2 W."""
  return benchmark.kernel_flop(model.kernels)


def noise_transitions(spec, count):
  """As many transitions of noise, and their action features."""
  rng = np.random.default_rng(0)
  size = observations.Observations(spec.observation).vector_size
  observation, following = rng.standard_normal((2, count, size), np.float32)
  action = spec.action.sample(rng, (count,))
  features = actions.features(spec.action, tf.constant(action)).numpy()
  reward, terminated = rng.standard_normal(count, np.float32), np.zeros(count, bool)
  return types.Transitions(observation, action, reward, following, terminated), features
