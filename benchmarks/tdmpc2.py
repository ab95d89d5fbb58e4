"""What of TD-MPC2 is timed, and how many floating-point operations it takes.

Operations are those of dense layers and convolutions, two for each multiplication with an addition.
Activations, sampling, and the optimizers are left out, so a share of the peak is a lower bound.
Learning from noise is neither slower nor faster.
"""

import numpy as np
import tensorflow as tf

from benchmarks import benchmark

DEFAULT_CONFIG = 'configs.tdmpc2.vectors'
_SAMPLES = 128  # of a plan, where the config has none


def update(run, config) -> benchmark.Benchmark:
  """One update of world model and policy prior, compiled as in training."""
  parts, rows = run.algorithm.state, config.replay.batch_size
  length = parts.world_model.frames - 1 + config.replay.horizon + 1
  batch, seed = benchmark.noise(run.environment.spec, rows, length), tf.constant([1, 2])
  return benchmark.Benchmark(
      lambda: parts.learner.compiled_step(batch, seed)['model/loss'].numpy(), 1, 'updates',
      sum(flop_by_part(parts, config).values()),
      {'batch_size': rows, 'horizon': config.replay.horizon, 'units': config.model.units,
       'latent': config.model.latent, 'members': config.value.members,
       'observation': config.environment.observation})


def flop_by_part(parts, config):
  """Operations of an update, without terminations.

  What is learned takes three forward passes: one forward, and as much again for each of the
  gradients of inputs and kernels. The first observation is learned from; those after it are read.
  Targets are read. Of the steps that the policy imagines, and of the values after them, gradients
  flow to its actions alone: two. What each value of a choice brings is read.
  """
  kernels = kernel_flop_by_model(parts)
  rows, horizon, value = config.replay.batch_size, config.replay.horizon, config.value
  drawn, imagined = min(value.members, 2), config.policy.imagined_steps
  acting = rows // config.policy.sequence_stride * value.policy_steps
  step = kernels['dynamics'] + kernels['reward']
  policy, action = 3 * kernels['policy'], parts.prior.action
  if parts.prior.enumerates:
    policy += sum(action.choices) * (
        imagined * (kernels['policy'] + step) + drawn * kernels['value'])
  if action.numbers or not parts.prior.enumerates:
    policy += 3 * imagined * kernels['policy'] + 2 * (drawn * kernels['value'] + imagined * step)
  return {
      'encoder': rows * (3 + horizon) * kernels['encoder'],
      'model': 3 * rows * horizon * (kernels['dynamics'] + kernels['reward']),
      'values': rows * value.steps * (
          (3 * value.members + drawn) * kernels['value'] + kernels['policy']),
      'policy': acting * policy}


def kernel_flop_by_model(parts):
  """Operations of one row through each model, of one member of the value models."""
  world = parts.world_model
  of = lambda model: benchmark.kernel_flop(
      variable for variable in model.trainable_variables if 'kernel' in variable.name)
  convolutions = sum(
      2 * int(np.prod(layer.kernel.shape)) * positions
      for model in world.convolutions.values()
      for layer, positions in zip(model.convolutions, model.positions))
  return {'encoder': of(world.encoder) + convolutions, 'dynamics': of(world.dynamics),
          'reward': of(world.reward_model), 'value': of(world.value_model),
          'policy': of(parts.prior)}


def plan(run, config) -> benchmark.Benchmark:
  """One planned decision for all environments of the config, from their latents on."""
  parts, count = run.algorithm.state, config.environment.num_envs
  settings, kernels = config.planner, kernel_flop_by_model(run.algorithm.state)
  latent = tf.zeros([count, config.model.latent])
  mean = tf.repeat(parts.planner.initial_mean()[None], count, 0)
  seed, explores = tf.constant([1, 2]), tf.constant(True)
  step = kernels['dynamics'] + kernels['reward']
  last = kernels['policy'] + min(config.value.members, 2) * kernels['value']
  flop = count * (
      settings.rounds * settings.samples * (config.replay.horizon * step + last)
      + settings.policy_samples * config.replay.horizon * (kernels['policy'] + kernels['dynamics']))
  return benchmark.Benchmark(
      lambda: parts.planner(latent, mean, False, explores, seed).action.numpy(), count,
      'decisions', flop,
      {'samples': settings.samples, 'rounds': settings.rounds, 'horizon': config.replay.horizon,
       'num_envs': count})


def sequences(run, config) -> benchmark.Benchmark:
  """Batches of real sequences from disk, after the first of which most episodes are in memory."""
  length = run.algorithm.state.world_model.frames - 1 + config.replay.horizon + 1
  return benchmark.sequences(run, config, run.algorithm.state.exploring_policy, length)


def collect(run, config) -> benchmark.Benchmark:
  """Real steps with the exploring policy."""
  return benchmark.collect(run, config, run.algorithm.state.exploring_policy)


ALL = {'update': update, 'plan': plan, 'sequences': sequences, 'collect': collect}


def work(config):
  """How much of each part a whole run of a config takes, in the unit of the part's rate."""
  env_steps = config.run.env_steps
  decisions = env_steps / config.environment.env_steps_per_decision
  return {'update': config.learner.updates_per_decision * decisions, 'collect': env_steps}


def prepared(config):
  """The config to time: as it is, but with a planner."""
  if not config.planner.samples:
    config.planner.samples, config.planner.evaluates_only = _SAMPLES, True
  return config
