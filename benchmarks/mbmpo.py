"""What of MB-MPO is timed, and how many floating-point operations it takes.

Operations are those of the dense layers, two for each entry of a kernel and each row of input: a multiplication and an
addition. Activations, normalisation, sampling, rewards and baselines are left out, so a share of the peak is a lower
bound. `W` below is the number of entries in all kernels of one member or policy.

Rollouts start from noise and the fit learns noise: neither is slower or faster for it.
"""

import tensorflow as tf

from benchmarks import benchmark, ensembles
from mbrl_tf.models import observations

# Passes over the policy in one outer step, in units of a forward pass: the data before adaptation forward (1) and back
# (2) for the inner step, the data after it forward (1) and back (2), and back through the inner step (twice 3).
_OUTER_STEP_PASSES = 12


DEFAULT_CONFIG = 'configs.mbmpo.halfcheetah_published'
prepared = ensembles.prepared


def rollout(run, config) -> benchmark.Benchmark:
  """Imagined rollouts of K policies in K members, compiled as in training."""
  parts = run.algorithm.state
  compiled = tf.function(parts.imagination.scan, jit_compile=True)
  parameters = [tf.convert_to_tensor(p) for p in parts.adapted.parameters]
  starts, seed = _starts(run, config)[0], tf.constant([1, 2])
  steps = _imagined_steps(config)
  return benchmark.Benchmark(lambda: compiled(parameters, starts, seed).reward.numpy(), steps, 'imagined steps',
                   steps * (ensembles.forward(parts.ensemble) + ensembles.forward(parts.policy)), _imagination_sizes(config))


def meta_update(run, config) -> benchmark.Benchmark:
  """Adapt, imagine again, and all outer steps: one of `updates_per_iteration`, compiled as in training."""
  parts, meta = run.algorithm.state, config.meta
  starts, seed = _starts(run, config), tf.constant([1, 2])
  steps = _imagined_steps(config)
  rollouts = (meta.inner_steps + 1) * steps * (ensembles.forward(parts.ensemble) + ensembles.forward(parts.policy))
  outer = meta.outer_epochs * _OUTER_STEP_PASSES * steps * ensembles.forward(parts.policy)
  return benchmark.Benchmark(lambda: parts.meta_learner.compiled_meta_update(starts, seed)['loss'].numpy(), 1, 'meta-updates',
                   rollouts + outer, {**_imagination_sizes(config), 'outer_epochs': meta.outer_epochs})


def collect(run, config) -> benchmark.Benchmark:
  """Real steps with the adapted policies."""
  return benchmark.collect(run, config, run.algorithm.state.adapted)


ALL = {'rollout': rollout, 'fit': ensembles.fit, 'fit_outcomes': ensembles.fit_outcomes,
       'meta_update': meta_update, 'collect': collect}


def work(config):
  """How much of each part a whole run of a config takes, in the unit of the part's rate."""
  collect_settings, end = config.collect, config.run.env_steps
  env_steps, iterations, epochs = collect_settings.random_env_steps, 0, 0.0
  while env_steps < end:
    epochs += ensembles.epochs(config, env_steps)
    iterations += 1
    env_steps += max(collect_settings.env_steps_per_iteration,
                     round(collect_settings.growth * env_steps))
  return {'fit': epochs, 'fit_outcomes': epochs,
          'meta_update': iterations * config.meta.updates_per_iteration, 'collect': env_steps}


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
