"""What networks Dreamer is made of: chosen here alone, by `model.networks`."""

import tensorflow as tf

from mbrl_tf.algorithms.dreamer import config as dreamer_config
from mbrl_tf.models import categorical_rssm, heads, latent_actor, normed_perceptron, rssm


class Published:
  """Layers with ELU, a Gaussian RSSM, normals of deviation 1, and a tanh-normal actor (Hafner et al.
  2019, arXiv:1912.01603)."""

  def __init__(self, config):
    """Only keeps its argument, a `DreamerConfig`."""
    self._model, self._behavior = config.model, config.behavior
    self._precision = dreamer_config.PRECISIONS[config.learner.precision]
    self.stochastic_size = config.model.stochastic

  def vector_encoder(self, size):
    """Vectors `[..., size]` to embeddings, with `output_size`."""
    return heads.Perceptron(size, 0, self._model.vector_layers, self._model.vector_units,
                            precision=self._precision, name='vector_encoder')

  def rssm(self, action_size, embedding_size):
    """A `rssm.StateSpaceModel`."""
    model = self._model
    return rssm.RSSM(action_size, embedding_size, model.deterministic, model.stochastic,
                     model.hidden, precision=self._precision)

  def vector_decoder(self, features_size, size):
    """Features to the distribution of a vector, event shape `[size]`."""
    return heads.NormalHead(features_size, self._model.vector_layers, self._model.vector_units, size,
                            precision=self._precision, name='vector_decoder')

  def reward(self, features_size):
    """Features to the distribution of a reward, event shape `[]`."""
    return heads.NormalHead(features_size, self._model.reward_layers, self._model.units,
                            precision=self._precision, name='reward')

  def continuation(self, features_size):
    """Features to the probability that the episode goes on, a Bernoulli."""
    return heads.BernoulliHead(features_size, self._model.continuation_layers, self._model.units,
                               precision=self._precision, name='continuation')

  def value(self, features_size, name='value'):
    """Features to the distribution of a return, event shape `[]`."""
    return heads.NormalHead(features_size, self._behavior.value_layers, self._behavior.units,
                            precision=self._precision, name=name)

  def actor(self, features_size, action):
    """A `latent_actor.Actor`."""
    behavior = self._behavior
    return latent_actor.LatentActor(
        features_size, action, behavior.actor_layers, behavior.units, precision=self._precision,
        mean_scale=behavior.mean_scale, initial_std=behavior.initial_std)


class Normed:
  """Normalised layers with SiLU, an RSSM of choices, rewards and values in bins, and an actor whose
  means and deviations are bounded (Hafner et al. 2023, arXiv:2301.04104).

  First weights follow from TensorFlow's global seed, as those of Keras' layers do.
  """

  def __init__(self, config):
    """Only keeps its argument, a `DreamerConfig`."""
    self._model, self._behavior = config.model, config.behavior
    self.stochastic_size = config.model.stochastic * config.model.classes

  def vector_encoder(self, size):
    model = self._model
    # Its last layer is that of the RSSM, which joins what is seen and what is remembered.
    return normed_perceptron.NormedPerceptron(
        [size, *[model.vector_units] * (model.vector_layers + 1)], _seed(), name='vector_encoder',
        activation=tf.nn.silu)

  def rssm(self, action_size, embedding_size):
    model = self._model
    return categorical_rssm.CategoricalRSSM(
        action_size, embedding_size, model.deterministic, model.stochastic, model.classes,
        model.hidden, _seed(), model.uniform_share)

  def vector_decoder(self, features_size, size):
    model = self._model
    return self._head([features_size, *[model.vector_units] * model.vector_layers, size],
                      heads.unit_normals, 'vector_decoder')

  def reward(self, features_size):
    model = self._model
    return self._head([features_size, *[model.units] * model.reward_layers, model.bins],
                      heads.two_hot(model.bins, model.bin_limit), 'reward')

  def continuation(self, features_size):
    model = self._model
    return self._head([features_size, *[model.units] * model.continuation_layers, 1],
                      heads.going_on, 'continuation')

  def value(self, features_size, name='value'):
    behavior, model = self._behavior, self._model
    return self._head([features_size, *[behavior.units] * behavior.value_layers, model.bins],
                      heads.two_hot(model.bins, model.bin_limit), name)

  def actor(self, features_size, action):
    behavior = self._behavior
    return latent_actor.BoundedActor(
        features_size, action, behavior.actor_layers, behavior.units, _seed(), behavior.least_std,
        uniform_share=self._model.uniform_share)

  def _head(self, sizes, stands_for, name):
    return heads.NormedHead(sizes, stands_for, _seed(), name)


def of(config):
  """The networks that a `DreamerConfig` asks for."""
  return {'published': Published, 'normed': Normed}[config.model.networks](config)


def _seed():
  """The next seed of TensorFlow's global random state."""
  return tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
