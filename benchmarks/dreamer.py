"""What of Dreamer is timed, and how many floating-point operations it takes.

Operations are those of dense layers and convolutions, two for each multiplication with an addition. Activations, sampling,
and the optimizers are left out, so a share of the peak is a lower bound. Learning from noise is neither slower nor faster.
"""

import numpy as np
import tensorflow as tf

from benchmarks import benchmark
from mbrl_tf.algorithms.dreamer import compilation, learner

DEFAULT_CONFIG = 'configs.dreamer.published'


def gradient_step(run, config) -> benchmark.Benchmark:
  """One gradient step of world model, actor and value model, compiled as in training."""
  parts, replay = run.algorithm.state, config.replay
  batch = benchmark.noise(run.environment.spec, replay.batch_size, replay.batch_length)
  seed = tf.constant([1, 2])
  flop = sum(flop_by_part(parts, config).values())
  return benchmark.Benchmark(
      lambda: parts.learner.compiled_step(batch, seed)['model/loss'].numpy(), 1, 'gradient steps', flop,
      {'batch_size': replay.batch_size, 'batch_length': replay.batch_length, 'horizon': config.behavior.horizon,
       'start_states': config.behavior.start_states or replay.batch_size * replay.batch_length,
       'observation': config.environment.observation, 'precision': config.learner.precision})


def flop_by_part(parts, config):
  """Operations of a gradient step: of images, of the rest of the world model, and of imagination.

  What is learned takes three forward passes: one forward, and as much again for each of the gradients of inputs and kernels. In
  imagination gradients flow through model and value to the actions without reaching their kernels: two. The value model
  is run once more to be learned.
  """
  world, rows = parts.world_model, _rows(config)
  images = sum(_conv_flop(encoder) for encoder in world.image_encoders.values())
  images += sum(_conv_flop(decoder) for decoder in world.image_decoders.values())
  dense = [world.rssm, world.reward, *(model for model in (world.vector_encoder, world.vector_decoder, world.continuation) if model)]
  prior = sum(_kernels(layer) for layer in world.rssm.prior_layers)
  heads = _kernels(world.reward) + (_kernels(world.continuation) if world.continuation else 0)
  imagined = 2 * prior + 2 * heads + 3 * _kernels(parts.actor) + (2 + 3) * _kernels(parts.value)
  return {'images': 3 * rows * images, 'states': 3 * rows * sum(_kernels(model) for model in dense),
          'imagination': _rows_of_imagination(config) * imagined}


def encoder(run, config) -> benchmark.Benchmark:
  """Observations to embeddings and back, as in a gradient step."""
  world, observation = run.algorithm.state.world_model, benchmark.noise(
      run.environment.spec, config.replay.batch_size, config.replay.batch_length).observation
  models = [*world.image_encoders.values(), *([world.vector_encoder] if world.vector_encoder else [])]
  return _there_and_back(lambda: world.encode(observation), _variables(models), _rows(config), 'observations',
                         3 * _rows(config) * sum(_conv_flop(model) for model in models))


def decoder(run, config) -> benchmark.Benchmark:
  """States to observations and back, to the states too."""
  world = run.algorithm.state.world_model
  features = tf.Variable(tf.random.stateless_normal([_rows(config), world.features_size], [1, 2]))
  models = [*world.image_decoders.values(), *([world.vector_decoder] if world.vector_decoder else [])]
  return _there_and_back(lambda: world.decode(features), [features, *_variables(models)], _rows(config), 'states',
                         3 * _rows(config) * sum(_conv_flop(model) for model in models))


def observe(run, config) -> benchmark.Benchmark:
  """Embeddings and actions to prior and posterior states and back, to the embeddings too."""
  world, (batch, length) = run.algorithm.state.world_model, (config.replay.batch_size, config.replay.batch_length)
  embeddings = tf.Variable(tf.random.stateless_normal([batch, length, world.embedding_size], [1, 2]))
  actions, is_first = tf.zeros([batch, length, world.action_size]), tf.zeros([batch, length], bool)
  return _there_and_back(
      lambda: world.rssm.observe(embeddings, actions, is_first, tf.constant([1, 2])), [embeddings, *_variables([world.rssm])],
      batch * length, 'states', 3 * batch * length * _kernels(world.rssm))


def imagination(run, config) -> benchmark.Benchmark:
  """Imagined trajectories to lambda-returns, and back to the actor; without the value model's own gradient."""
  parts, behavior = run.algorithm.state, config.behavior
  count = behavior.start_states or _rows(config)
  starts, seed = learner.Starts(parts.world_model.rssm.initial(count), tf.ones([count]), tf.ones([count])), tf.constant([1, 2])
  value = _rows_of_imagination(config) * 3 * _kernels(parts.value)
  return _there_and_back(
      lambda: parts.learner.imagined_returns(starts, seed).targets, _variables([parts.actor]),
      count * behavior.horizon, 'imagined states', flop_by_part(parts, config)['imagination'] - value)


def _there_and_back(function, variables, units, unit, flop):
  """Outputs, and gradients of their sum for some variables, as one compiled program."""

  def gradients():
    with tf.GradientTape() as tape:
      outputs = tf.nest.flatten(function())
      total = tf.add_n([tf.reduce_sum(output) for output in outputs])
    # One number that takes all gradients: what nobody reads would not be computed.
    return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(total, variables) if gradient is not None])

  compiled = compilation.compiled('gradient_step', gradients)
  return benchmark.Benchmark(lambda: compiled().numpy(), units, unit, flop, {})


def _variables(models):
  return [variable for model in models for variable in model.trainable_variables]


def _rows(config):
  return config.replay.batch_size * config.replay.batch_length


def _rows_of_imagination(config):
  return (config.behavior.start_states or _rows(config)) * config.behavior.horizon


def sequences(run, config) -> benchmark.Benchmark:
  """Batches of real sequences from disk, after the first of which most episodes are in memory."""
  policy = run.algorithm.state.exploring_policy
  return benchmark.sequences(run, config, policy, config.replay.batch_length)


def collect(run, config) -> benchmark.Benchmark:
  """Real steps with the exploring policy."""
  return benchmark.collect(run, config, run.algorithm.state.exploring_policy)


ALL = {'gradient_step': gradient_step, 'encoder': encoder, 'decoder': decoder, 'observe': observe, 'imagination': imagination,
       'sequences': sequences, 'collect': collect}


def prepared(config):
  """The config to time: as it is."""
  return config


def work(config):
  """How much of each part a whole run of a config takes, in the unit of the part's rate."""
  env_steps = config.run.env_steps
  learned_from = max(env_steps - config.collect.random_env_steps, 0)
  steps = learned_from / config.env_steps_per_gradient_step
  return {'gradient_step': config.learner.first_gradient_steps + steps, 'collect': env_steps}


def _kernels(model):
  return benchmark.kernel_flop(variable for variable in model.trainable_variables if variable.shape.rank == 2 and 'bias' not in variable.name)


def _conv_flop(model):
  """Operations of one image through a stack of convolutions, transposed or not, and dense layers; of one vector through those."""
  convolutions = zip(getattr(model, 'convolutions', ()), getattr(model, 'positions', ()))
  return _kernels(model) + sum(2 * int(np.prod(layer.kernel.shape)) * positions for layer, positions in convolutions)
