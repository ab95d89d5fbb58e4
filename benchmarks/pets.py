"""What of PETS is timed, and how many floating-point operations it takes; counted as in
benchmarks/mbmpo.py.

A plan starts from noise, and is neither slower nor faster for it.
"""

import tensorflow as tf

from benchmarks import benchmark, ensembles

DEFAULT_CONFIG = 'configs.pets.vectors'
prepared = ensembles.prepared


def plan(run, config) -> benchmark.Benchmark:
  """One planned decision for all environments of the config, compiled as in training."""
  parts, count, settings = run.algorithm.state, config.environment.num_envs, config.planner
  observations = tf.random.stateless_normal([count, parts.ensemble.observation_size], [3, 4])
  mean, seed = tf.repeat(parts.planner.initial_mean()[None], count, 0), tf.constant([1, 2])
  steps = count * settings.rounds * settings.samples * settings.particles * settings.horizon
  models = [parts.ensemble, parts.reward_heads, parts.termination_heads]
  flop = steps * sum(ensembles.forward(model) for model in models if model is not None)
  return benchmark.Benchmark(
      lambda: parts.planner(observations, mean, seed).action.numpy(), count, 'decisions', flop,
      {'samples': settings.samples, 'rounds': settings.rounds, 'horizon': settings.horizon,
       'particles': settings.particles, 'num_envs': count,
       'hidden_sizes': config.ensemble.hidden_sizes})


def collect(run, config) -> benchmark.Benchmark:
  """Real steps, before each of which is planned."""
  return benchmark.collect(run, config, run.algorithm.state.planning_policy)


ALL = {'plan': plan, 'fit': ensembles.fit, 'fit_outcomes': ensembles.fit_outcomes,
       'collect': collect}


def work(config):
  """How much of each part a whole run of a config takes, in the unit of the part's rate: plans are
  part of collecting."""
  collect_settings, end = config.collect, config.run.env_steps
  starts = range(collect_settings.random_env_steps, end, collect_settings.env_steps_per_iteration)
  epochs = sum(ensembles.epochs(config, env_steps) for env_steps in starts)
  return {'fit': epochs, 'fit_outcomes': epochs, 'collect': end}
