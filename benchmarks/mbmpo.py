"""What of MB-MPO is timed, and how many floating-point operations it takes.

Operations are those of the dense layers, two for each entry of a kernel and each row of input: a multiplication and an
addition. Activations, normalisation, sampling, rewards and baselines are left out, so a share of the peak is a lower
bound. `W` below is the number of entries in all kernels of one member or policy.

Rollouts start from noise and the fit learns noise: neither is slower or faster for it.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from benchmarks import benchmark
from mbrl_tf import types
from mbrl_tf.models import observations
from mbrl_tf.ops import actions

_FIT_EPOCHS = 3
_EPOCHS_OF_EARLY_STOPPING = 80
# Passes over the policy in one outer step, in units of a forward pass: the data before adaptation forward (1) and back
# (2) for the inner step, the data after it forward (1) and back (2), and back through the inner step (twice 3).
_OUTER_STEP_PASSES = 12


DEFAULT_CONFIG = 'configs.mbmpo.halfcheetah_published'


def rollout(run, config) -> benchmark.Benchmark:
  """Imagined rollouts of K policies in K members, compiled as in training."""
  parts = run.algorithm.state
  compiled = tf.function(parts.imagination.scan, jit_compile=True)
  parameters = [tf.convert_to_tensor(p) for p in parts.adapted.parameters]
  starts, seed = _starts(run, config)[0], tf.constant([1, 2])
  steps = _imagined_steps(config)
  return benchmark.Benchmark(lambda: compiled(parameters, starts, seed).reward.numpy(), steps, 'imagined steps',
                   steps * (_forward(parts.ensemble) + _forward(parts.policy)), _imagination_sizes(config))


def meta_update(run, config) -> benchmark.Benchmark:
  """Adapt, imagine again, and all outer steps: one of `updates_per_iteration`, compiled as in training."""
  parts, meta = run.algorithm.state, config.meta
  starts, seed = _starts(run, config), tf.constant([1, 2])
  steps = _imagined_steps(config)
  rollouts = (meta.inner_steps + 1) * steps * (_forward(parts.ensemble) + _forward(parts.policy))
  outer = meta.outer_epochs * _OUTER_STEP_PASSES * steps * _forward(parts.policy)
  return benchmark.Benchmark(lambda: parts.meta_learner.compiled_meta_update(starts, seed)['loss'].numpy(), 1, 'meta-updates',
                   rollouts + outer, {**_imagination_sizes(config), 'outer_epochs': meta.outer_epochs})


def fit(run, config) -> benchmark.Benchmark:
  """Epochs of the ensemble on as many transitions as it keeps, all members learning, with preparing the data.

  An epoch takes 2 W a transition forward, 2 W for the gradient of the kernels, and 2 W less the first layer for the
  gradient of the layers' inputs; validation takes 2 W.
  """
  parts = run.algorithm.state
  transitions, features = _noise_transitions(run.environment.spec, config.collect.capacity)
  held_out = round(config.collect.capacity * config.ensemble.validation_fraction)
  size = config.ensemble.batch_size
  trained = (config.collect.capacity - held_out) // size * size
  inputs, outputs = parts.ensemble.kernels[0].shape[1:]
  forward = _forward(parts.ensemble)
  flop = config.ensemble.members * (trained * (3 * forward - 2 * inputs * outputs) + held_out * forward)
  return benchmark.Benchmark(lambda: parts.fit.fit(transitions, features, 0), _FIT_EPOCHS, 'epochs', _FIT_EPOCHS * flop, {
      'epochs': _FIT_EPOCHS, 'members': config.ensemble.members, 'transitions': config.collect.capacity, 'batch_size': size,
      'hidden_sizes': config.ensemble.hidden_sizes})


def fit_outcomes(run, config) -> benchmark.Benchmark:
  """As `fit`, of the heads that learn reward and termination; nothing where a task has functions."""
  parts = run.algorithm.state
  transitions, features = _noise_transitions(run.environment.spec, config.collect.capacity)
  return benchmark.Benchmark(
      lambda: parts.outcome_fit.fit(transitions, features, 0), _FIT_EPOCHS, 'epochs', None, {
          'epochs': _FIT_EPOCHS, 'members': config.ensemble.members,
          'transitions': config.collect.capacity, 'batch_size': config.ensemble.batch_size,
          'hidden_sizes': config.outcomes.hidden_sizes})


def collect(run, config) -> benchmark.Benchmark:
  """Real steps with the adapted policies."""
  return benchmark.collect(run, config, run.algorithm.state.adapted)


ALL = {'rollout': rollout, 'fit': fit, 'fit_outcomes': fit_outcomes,
       'meta_update': meta_update, 'collect': collect}


def work(config):
  """How much of each part a whole run of a config takes, in the unit of the part's rate.

  A fit that stops early is counted with 80 epochs: with the published settings it takes 60 to 110.
  """
  settings, collect_settings = config.ensemble, config.collect
  repeat, end = config.environment.env_steps_per_decision, config.run.env_steps
  env_steps, iterations, epochs = collect_settings.random_env_steps, 0, 0.0
  while env_steps < end:
    rows = min(env_steps // repeat, collect_settings.capacity)
    batches = max(rows * (1 - settings.validation_fraction) // settings.batch_size, 1)
    taken = (-(-settings.annealed_updates // batches) if settings.annealed_updates
             else min(max(_EPOCHS_OF_EARLY_STOPPING, settings.min_epochs), settings.max_epochs))
    # An epoch is timed on as many transitions as are kept.
    epochs += taken * rows / collect_settings.capacity
    iterations += 1
    env_steps += max(collect_settings.env_steps_per_iteration,
                     round(collect_settings.growth * env_steps))
  return {'fit': epochs, 'fit_outcomes': epochs,
          'meta_update': iterations * config.meta.updates_per_iteration, 'collect': env_steps}


def prepared(config):
  """A copy of a config whose fit takes a known number of epochs: nobody stops early or late."""
  ensemble = dataclasses.replace(config.ensemble, min_epochs=_FIT_EPOCHS, max_epochs=_FIT_EPOCHS, annealed_updates=0)
  return dataclasses.replace(config, ensemble=ensemble)


def _forward(model):
  """Operations of one forward pass for one row of input: 2 W."""
  return benchmark.kernel_flop(model.kernels)


def _imagined_steps(config):
  return config.ensemble.members * config.imagination.rollouts_per_task * config.imagination.horizon


def _imagination_sizes(config):
  return {'members': config.ensemble.members, 'rollouts_per_task': config.imagination.rollouts_per_task,
          'horizon': config.imagination.horizon, 'hidden_sizes': config.ensemble.hidden_sizes}


def _starts(run, config):
  """Noise for states to start from, `[2, K, B, O]`."""
  rollouts = config.imagination.rollouts_per_task
  size = observations.Observations(run.environment.spec.observation).vector_size
  return tf.random.stateless_normal([2, config.ensemble.members, rollouts, size], [3, 4])


def _noise_transitions(spec, count):
  """As many transitions of noise, and their action features."""
  rng = np.random.default_rng(0)
  size = observations.Observations(spec.observation).vector_size
  observation, following = rng.standard_normal((2, count, size), np.float32)
  action = spec.action.sample(rng, (count,))
  features = actions.features(spec.action, tf.constant(action)).numpy()
  reward, terminated = rng.standard_normal(count, np.float32), np.zeros(count, bool)
  return types.Transitions(observation, action, reward, following, terminated), features
