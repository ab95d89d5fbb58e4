"""The world model: encoder, RSSM, and the heads that read its states."""

from typing import Any, Mapping, NamedTuple

import tensorflow as tf

from mbrl_tf.algorithms.dreamer import config as dreamer_config
from mbrl_tf.algorithms.dreamer import losses, networks
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.models import rssm, units, vision
from mbrl_tf.ops import actions as actions_lib


class WorldModelLoss(NamedTuple):
  """The world model's loss, what it is made of, and the states inferred on the way."""
  loss: Any                       # []
  metrics: Mapping[str, Any]      # each []
  posteriors: Any                 # a state of the RSSM, [B, T, ...]


class WorldModel(tf.Module):
  """Learns what the world looks like and what it pays (Hafner et al. 2019, arXiv:1912.01603, section 4).

  Observations may be one array or a dict. Arrays `uint8 [height, width, channels]` are images; all others are joined to one vector,
  as they are. Bytes among them, such as small pictures, are compressed by symlog: nobody knows whether 10 of them or 255 are much.

  Attributes:
    images: keys of the images.
    action_size, embedding_size, features_size: A (of what models read of an action), E and F.
    units: in which vectors and rewards are read and predicted.
    rssm, reward, continuation, and encoders and decoders by key: the models; None where there is nothing for them.
  """

  def __init__(self, spec, config):
    """Makes all variables.

    Args:
      spec: `types.EnvironmentSpec`.
      config: `DreamerConfig`.

    Raises:
      UserError: images that the convolutions cannot take.
    """
    super().__init__(name='world_model')
    self._spec, self._config = spec, config.model
    precision, settings = dreamer_config.PRECISIONS[config.learner.precision], config.model
    self._observations = observations_lib.Observations(spec.observation)
    observations, self.images = self._observations.specs, self._observations.images
    self.action_size = spec.action.features_size
    self.units = (units.Measured(self._observations) if settings.measured_units
                  else units.AsTheyAre(self._observations, settings.vector_symlog))
    make = networks.of(config)
    self.features_size = settings.deterministic + make.stochastic_size
    vector_size = self._observations.vector_size
    self.image_encoders = {
        key: vision.ConvEncoder(observations[key].shape, settings.image_depth, precision=precision) for key in self.images}
    self.vector_encoder = make.vector_encoder(vector_size) if vector_size else None
    encoders = [*self.image_encoders.values(), *([self.vector_encoder] if vector_size else [])]
    self.embedding_size = sum(encoder.output_size for encoder in encoders)
    self.rssm = make.rssm(self.action_size, self.embedding_size)
    self.image_decoders = {
        key: vision.ConvDecoder(observations[key].shape, self.features_size, settings.image_depth, precision=precision)
        for key in self.images}
    self.vector_decoder = (
        make.vector_decoder(self.features_size, vector_size) if vector_size else None)
    self.reward = make.reward(self.features_size)
    self.continuation = make.continuation(self.features_size) if settings.continuation else None

  @property
  def entries(self):
    """What the entries of the vector are called, a tuple."""
    return self._observations.entries

  def action_features(self, actions):
    """What the RSSM is given of an action: its numbers, and choices one-hot."""
    return actions_lib.features(self._spec.action, actions)

  def encode(self, observation):
    """The embedding `[..., E]` of observations `[..., ...]`."""
    return self._embedding(*self.prepared(observation))

  def decode(self, features):
    """What a state looks like: preprocessed images by key `[..., height, width, channels]`, and the mean of the vectors.

    Returns:
      A dict like the observation: images in [-0.5, 0.5], vectors in their own units.
    """
    decoded, vector = self.decode_prepared(features)
    if vector is not None:
      decoded.update(self._observations.split(self.units.shown(vector)))
    return decoded

  def decode_prepared(self, features):
    """As `decode`, of what `prepared` gives: images by key, and the mean of the vector or None."""
    images = {key: self.image_decoders[key](features) for key in self.images}
    if self.vector_decoder is None:
      return images, None
    return images, self.vector_decoder(features).mean()

  def expected_reward(self, features):
    """The mean reward of each state in the task's unit, `[...]`."""
    return self.units.reward * self.reward(features).mean()

  def discount(self, features, gamma):
    """gamma times the probability that the episode goes on from each state, `[...]`."""
    if self.continuation is None:
      return gamma * tf.ones(tf.shape(features)[:-1])
    return gamma * self.continuation(features).probs_parameter()

  def observe(self, batch, seed):
    """Posterior and prior states of `types.Sequences`; see `RSSM.observe`."""
    return self._observe(self.encode(batch.observation), batch, seed)

  def _observe(self, embeddings, batch, seed):
    return self.rssm.observe(embeddings, self.action_features(batch.action), batch.is_first, seed)

  def divergence(self, batch, seed):
    """The mean KL from prior to posterior in `types.Sequences`, in nats, `[]`."""
    return losses.kl_with_free_nats(*self.observe(batch, seed), free_nats=0.0)[0]

  def loss(self, batch, seed, global_kl=None):
    """The negative evidence bound of a batch of sequences (arXiv:1912.01603, eq. 10), averaged over its steps.

    Args:
      batch: `types.Sequences`.
      seed: int32 `[2]`.
      global_kl: see `losses.kl_with_free_nats`.

    Returns:
      `WorldModelLoss`.
    """
    settings = self._config
    images, vector = self.prepared(batch.observation)
    posteriors, priors = self._observe(self._embedding(images, vector), batch, seed)
    likelihoods = self._log_likelihoods(rssm.features(posteriors), images, vector, batch)
    weighed = (posteriors, priors, settings.free_nats, settings.kl_prior_weight)
    divergence, penalty = (losses.kl_with_free_nats_each(*weighed) if settings.free_nats_each
                           else losses.kl_with_free_nats(*weighed, global_kl))
    scales = {'image': settings.image_scale, 'vector': settings.vector_scale, 'reward': settings.reward_scale,
              'continuation': settings.continuation_scale}
    loss = settings.kl_scale * penalty - sum(scales[name] * value for name, value in likelihoods.items())
    metrics = {f'model/{name}_loss': -value for name, value in likelihoods.items()}
    metrics.update({
        'model/loss': loss, 'model/kl': divergence,
        'model/prior_entropy': tf.reduce_mean(rssm.distribution(priors).entropy()),
        'model/posterior_entropy': tf.reduce_mean(rssm.distribution(posteriors).entropy())})
    return WorldModelLoss(loss, metrics, posteriors)

  def prepared(self, observation):
    """Preprocessed images by key, and the vector or None: what encoders read, and what decoders are
    to give.
    """
    by_key = observations_lib.by_key(observation)
    images = {key: vision.preprocess(by_key[key]) for key in self.images}
    if self.vector_encoder is None:
      return images, None
    return images, self.units.read(self._observations.joined(observation))

  def _embedding(self, images, vector):
    parts = [tf.cast(self.image_encoders[key](images[key]), tf.float32) for key in self.images]
    return tf.concat(parts + ([] if vector is None else [self.vector_encoder(vector)]), -1)

  def _log_likelihoods(self, features, images, vector, batch):
    """Mean log-likelihood of each kind of data, each `[]`."""
    result = {}
    if images:
      result['image'] = sum(losses.image_log_likelihood(self.image_decoders[key](features), images[key]) for key in images)
    if vector is not None:
      result['vector'] = tf.reduce_mean(self.vector_decoder(features).log_prob(vector))
    paid = 1 - tf.cast(batch.is_first, tf.float32)  # no action led to an episode's first row, and its 0 is no reward
    reward = batch.reward / self.units.reward
    result['reward'] = tf.reduce_mean(paid * self.reward(features).log_prob(reward))
    if self.continuation is not None:
      going = 1 - tf.cast(batch.terminated, tf.float32)
      result['continuation'] = tf.reduce_mean(self.continuation(features).log_prob(going))
    return result
