"""The world model: encoder, latent dynamics, and what a latent state is worth."""

import math

import numpy as np
import tensorflow as tf

from mbrl_tf.models import normalizer, normed_perceptron, small_vision, vision
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import distributions, seeds


class WorldModel(tf.Module):
  """Predicts latent states, rewards, terminations and values, without a decoder (arXiv:2310.16828,
  section 3.1).

  Rewards and values are in units of `reward_unit`, and vectors are read in units of their own
  deviations.

  Attributes:
    images: keys of the images.
    action_size, latent_size: A, of an action's features, and L.
    frames: images that are seen at once.
    normalizer: `Normalizer` of the joined vector; None where there is none.
    reward_unit: `RewardUnit`.
    members: K, of the value models.
    convolutions: the encoder of each image, by key.
    encoder, dynamics, reward_model, termination_model, value_model, slow_value_model: the other
      models.
  """

  def __init__(self, spec, config, generator):
    """Makes all variables.

    Args:
      spec: `types.EnvironmentSpec`.
      config: `TDMPC2Config`.
      generator: `tf.random.Generator` that first weights are drawn with.

    Raises:
      UserError: images that the convolutions cannot take.
    """
    super().__init__(name='world_model')
    settings = config.model
    self._spec, self._observations = spec, observations_lib.Observations(spec.observation)
    self.images, self.members = self._observations.images, config.value.members
    self.frames = settings.frame_stack if self.images else 1
    self.action_size = spec.action.features_size
    self.latent_size = settings.latent
    limit = settings.bin_limit
    bins = np.linspace(-limit, limit, settings.bins)
    self._bins = np.sign(bins) * np.expm1(np.abs(bins))
    vector_size = self._observations.vector_size
    turning = spec.turning if settings.angles else ()
    self._turning = np.array(turning, np.int32)
    self._others = np.setdiff1d(np.arange(vector_size, dtype=np.int32), self._turning)
    read = np.concatenate([self._others, self._turning, self._turning])
    self.normalizer = normalizer.Normalizer(
        len(read), self._observations.rounding[read],
        self._observations.least_std[read]) if vector_size else None
    self.reward_unit = normalizer.RewardUnit()
    self.convolutions = {
        key: small_vision.StackedConvEncoder(self._stacked_shape(key), settings.image_channels)
        for key in self.images}
    encoded = sum(model.output_size for model in self.convolutions.values())
    make = lambda *arguments, **keywords: normed_perceptron.NormedPerceptron(
        *arguments, seeds.next_seed(generator), **keywords)
    hidden, inputs = [settings.units] * settings.layers, settings.latent + self.action_size
    encoder_hidden = [settings.units] * settings.encoder_layers
    self.encoder = make(
        [len(read) + encoded, *encoder_hidden, settings.latent],
        simnorm=True, name='encoder')
    self.dynamics = make([inputs, *hidden, settings.latent], simnorm=True, name='dynamics')
    self.reward_model = make([inputs, *hidden, settings.bins], output_scale=0.0, name='reward')
    self.termination_model = make(
        [settings.latent, *hidden, 1], output_scale=0.0, name='termination')
    values = lambda name: make(
        [inputs, *hidden, settings.bins], members=self.members, output_scale=0.0, name=name)
    self.value_model, self.slow_value_model = values('value'), values('slow_value')
    self.assign_slow(1.0)

  @property
  def learned_variables(self):
    """What the model's loss trains: all but the slow value models, without the statistics of the
    data."""
    models = [*self.convolutions.values(), self.encoder, self.dynamics, self.reward_model,
              self.termination_model, self.value_model]
    return [variable for model in models for variable in model.trainable_variables]

  def survey(self, episode, is_first=False):
    """Takes the units of observations and rewards of a `types.Episode` into account; `is_first`
    tells that nothing was learned yet.
    """
    if self.normalizer is not None:
      by_key = observations_lib.by_key(episode.observation)
      vectors = {key: tf.constant(value) for key, value in by_key.items() if key not in self.images}
      self.normalizer.update(self._read(vectors).numpy())
    self.reward_unit.update(episode.reward, is_first)

  def assign_slow(self, rate):
    """Moves the slow value models by a share of the way towards the others."""
    slow_variables = self.slow_value_model.trainable_variables
    for slow, fast in zip(slow_variables, self.value_model.trainable_variables):
      slow.assign_add(rate * (fast - slow))

  def action_features(self, actions):
    """What models are given of an action: its numbers, and choices one-hot, `[..., F]`."""
    return actions_lib.features(self._spec.action, actions)

  def stacked(self, observation, history):
    """An observation whose images have those of `history` before them in their channels.

    Args:
      observation: of `[..., ...]`.
      history: key of an image to uint8 `[..., height, width, (frames - 1) channels]`, the oldest
        first.
    """
    if self.frames == 1:
      return observation
    by_key = observations_lib.by_key(observation)
    return {**by_key, **{key: tf.concat([history[key], by_key[key]], -1) for key in self.images}}

  def history_shapes(self):
    """Key of an image to the shape of what `stacked` needs of the images before it; empty without
    images."""
    if self.frames == 1:
      return {}
    shapes = {key: self._observations.specs[key].shape for key in self.images}
    return {key: (*shape[:-1], shape[-1] * (self.frames - 1)) for key, shape in shapes.items()}

  def encode(self, observation, offsets=None):
    """The latent state `[..., L]` of observations `[..., ...]`, with stacked images.

    Args:
      observation: one array or a dict.
      offsets: `(int [M, 2], most)`, by which all M images of the leading axes are shifted, see
        `small_vision.shifted`.
    """
    by_key, parts = observations_lib.by_key(observation), []
    if self.normalizer is not None:
      # Squashed, so that what is far beyond the data so far does not dominate.
      parts.append(distributions.symlog(self.normalizer.normalize(self._read(observation))))
    for key in self.images:
      parts.append(self.convolutions[key](self._prepared(by_key[key], offsets)))
    return self.encoder(tf.concat(parts, -1))

  def next(self, latent, action):
    """The latent state `[..., L]` after an action `[..., A]`."""
    return self.dynamics(tf.concat([latent, action], -1))

  def reward(self, latent, action):
    """`TwoHot` of the reward of an action, in units of `reward_unit`."""
    return self._two_hot(self.reward_model(tf.concat([latent, action], -1)))

  def termination_logits(self, latent):
    """Logits `[...]` of the probability that the episode terminated with the step that led to a
    latent state."""
    return self.termination_model(latent)[..., 0]

  def values(self, latent, action, chosen=None):
    """`TwoHot` of batch shape `[K, ...]`, the values of K members or of the chosen ones, int
    `[k]`."""
    return self._two_hot(self.value_model(tf.concat([latent, action], -1), chosen=chosen))

  def slow_values(self, latent, action, chosen=None):
    """As `values`, of the slow value models."""
    return self._two_hot(self.slow_value_model(tf.concat([latent, action], -1), chosen=chosen))

  def _read(self, observation):
    """The joined vector, in which sine and cosine of what can turn on and on, at its end, stand for
    it.
    """
    vector = self._observations.joined(observation)
    if not len(self._turning):
      return vector
    angles = tf.gather(vector, self._turning, axis=-1)
    others = tf.gather(vector, self._others, axis=-1)
    return tf.concat([others, tf.sin(angles), tf.cos(angles)], -1)

  def _two_hot(self, logits):
    return distributions.TwoHot(logits, self._bins)

  def _prepared(self, images, offsets):
    if offsets is not None:
      shape = images.shape
      flat = small_vision.shifted(tf.reshape(images, [-1, *shape[-3:]]), *offsets)
      images = tf.reshape(flat, [math.prod(shape[:-3]), *shape[-3:]])
      return tf.reshape(vision.preprocess(images), shape)
    return vision.preprocess(images)

  def _stacked_shape(self, key):
    shape = self._observations.specs[key].shape
    return (*shape[:-1], shape[-1] * self.frames)
