"""An ensemble of dynamics models, all members in one set of batched kernels."""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp, normalizer
from mbrl_tf.ops import replicas

tfd = tfp.distributions

LEAST_INPUT_STD = 1e-3  # of observations and actions; a change that is constant is left so
OBSERVATION_LIMIT = 1000.0  # as published
ACTIVATIONS = {'relu': tf.nn.relu, 'swish': tf.nn.swish, 'tanh': tf.tanh, 'elu': tf.nn.elu}


class DynamicsEnsemble(tf.keras.Model):
  """K perceptrons that predict the normalised change of observation from normalised observation and action.

  Deterministic members are trained on the mean squared error (Clavera et al. 2018, arXiv:1809.05214, eq. 4).
  Probabilistic members predict a diagonal Gaussian, with log-variances held between learned bounds
  (Chua et al. 2018, arXiv:1805.12114, appendix A.1).
  """

  def __init__(self, observation_size, action_size, members, hidden_sizes, seed, activation='relu',
               probabilistic=False, weight_normalization=False, observation_margin=0.0, angles=()):
    """Makes the variables, each member with its own draw.

    Args:
      observation_size: `O`.
      action_size: `A`, or the number of choices of a discrete action, which is given one-hot.
      members: `K`.
      hidden_sizes: widths of the hidden layers.
      seed: int32 `[2]`.
      activation: a key of `ACTIVATIONS`.
      probabilistic: whether members predict a variance.
      weight_normalization: whether kernels are kept as direction and length (arXiv:1602.07868).
      observation_margin: predicted observations are kept inside the range of the data, widened at each side by this
        share of it; 0 keeps them inside +- `OBSERVATION_LIMIT` only.
      angles: entries of the observation that are angles in radians. Members see sine and cosine of them and of twice
        them as well, in which the equations of motion of jointed bodies are nearly linear.
    """
    super().__init__(name='dynamics_ensemble')
    self.members, self.probabilistic = members, probabilistic
    self.observation_size, self.action_size = observation_size, action_size
    self._activation, self._margin, self._angles = ACTIVATIONS[activation], observation_margin, list(angles)
    self.observation_normalizer = normalizer.Normalizer(observation_size, LEAST_INPUT_STD)
    self.action_normalizer = normalizer.Normalizer(action_size, LEAST_INPUT_STD)
    self.change_normalizer = normalizer.Normalizer(observation_size)
    self.lower_limit = tf.Variable(tf.fill([observation_size], -OBSERVATION_LIMIT), trainable=False, name='lower_limit')
    self.upper_limit = tf.Variable(tf.fill([observation_size], OBSERVATION_LIMIT), trainable=False, name='upper_limit')
    self.input_size = observation_size + action_size + 4 * len(self._angles)
    sizes = [self.input_size, *hidden_sizes, observation_size * (2 if probabilistic else 1)]
    layers = mlp.initial_layers(sizes, seed, members)
    self._num_layers = len(layers)
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]
    self.lengths = [tf.Variable(tf.norm(layer.kernel, axis=1), name=f'length_{i}')
                    for i, layer in enumerate(layers)] if weight_normalization else []
    # Of a deterministic member's errors on its held-out data, in normalised changes: how far it is off at random.
    self.error_std = None if probabilistic else tf.Variable(
        tf.zeros([members, observation_size]), trainable=False, name='error_std')
    self.log_variance_bounds = [
        tf.Variable(tf.fill([members, observation_size], value), name=name)
        for name, value in (('min_log_variance', -10.0), ('max_log_variance', 0.5))] if probabilistic else []

  @property
  def parameters(self):
    """All trained variables as a flat list of `[K, ...]`, in the order that `unpack` expects."""
    return [*self.kernels, *self.biases, *self.lengths, *self.log_variance_bounds]

  def unpack(self, parameters):
    """Turns a flat list of parameters into the layers that a forward pass uses.

    Done once before a scan, so that neither weight normalisation nor taking the members apart costs anything per step.

    Args:
      parameters: as in `parameters`, or those of some of the members.

    Returns:
      For each member its list of `mlp.Layer`, and the log-variance bounds `[K, O]` (empty for deterministic members).
    """
    n = self._num_layers
    kernels, biases, rest = parameters[:n], parameters[n:2 * n], parameters[2 * n:]
    if self.lengths:
      kernels = [v * (g / tf.norm(v, axis=1))[:, None, :] for v, g in zip(kernels, rest[:n])]
      rest = rest[n:]
    layers = [[mlp.Layer(*member) for member in zip(tf.unstack(k), tf.unstack(b))] for k, b in zip(kernels, biases)]
    return [list(member) for member in zip(*layers)], rest

  def fit_normalizers(self, observations, actions, next_observations):
    """Sets normalizers and limits to those of the data: `[M, O]`, action features `[M, A]`, `[M, O]`."""
    self.observation_normalizer.fit(observations)
    self.action_normalizer.fit(actions)
    self.change_normalizer.fit(next_observations - observations)
    if self._margin:
      lowest, highest = tf.reduce_min(next_observations, 0), tf.reduce_max(next_observations, 0)
      self.lower_limit.assign(lowest - self._margin * (highest - lowest))
      self.upper_limit.assign(highest + self._margin * (highest - lowest))

  def normalize_inputs(self, observations, actions):
    """Network inputs `[..., input_size]` from observations `[..., O]` and action features `[..., A]`."""
    inputs = [self.observation_normalizer.normalize(observations), self.action_normalizer.normalize(actions)]
    if self._angles:
      angles = tf.gather(observations, self._angles, axis=-1)
      inputs += [tf.sin(angles), tf.cos(angles), tf.sin(2 * angles), tf.cos(2 * angles)]
    return tf.concat(inputs, -1)

  def normalize_changes(self, observations, next_observations):
    """Network targets `[..., O]`."""
    return self.change_normalizer.normalize(next_observations - observations)

  def change_moments(self, unpacked, inputs):
    """Mean and log-variance of the normalised change.

    Args:
      unpacked: what `unpack` returned.
      inputs: `[K, M, input_size]`, normalised.

    Returns:
      Mean `[K, M, O]` and log-variance `[K, M, O]`; None for the latter with deterministic members.
    """
    members, bounds = unpacked
    # One product after the other: XLA runs K products on the CPU a third faster than one product with a batch axis.
    outputs = tf.stack([mlp.apply(layers, x, self._activation) for layers, x in zip(members, tf.unstack(inputs))])
    if not self.probabilistic:
      return outputs, None
    mean, log_variance = tf.split(outputs, 2, -1)
    lower, upper = bounds[0][:, None, :], bounds[1][:, None, :]
    log_variance = upper - tf.nn.softplus(upper - log_variance)
    return mean, lower + tf.nn.softplus(log_variance - lower)

  def losses_per_example(self, unpacked, inputs, targets):
    """Squared error, or negative log-likelihood up to a constant, averaged over the entries of the observation.

    Args:
      unpacked: what `unpack` returned.
      inputs: `[K, M, input_size]`, normalised.
      targets: `[K, M, O]`, normalised changes.

    Returns:
      `[K, M]`.
    """
    mean, log_variance = self.change_moments(unpacked, inputs)
    squared = tf.square(targets - mean)
    if log_variance is None:
      return tf.reduce_mean(squared, -1)
    return 0.5 * tf.reduce_mean(squared * tf.exp(-log_variance) + log_variance, -1)

  def bounds_penalty(self, unpacked):
    """Pulls the learned log-variance bounds towards each other, `[K]`; without it they would never tighten."""
    if not self.probabilistic:
      return tf.zeros([len(unpacked[0])])
    lower, upper = unpacked[1]
    return 0.01 * tf.reduce_sum(upper - lower, -1)

  def next_observation(self, unpacked, observations, actions, noise=None):
    """One step of all members.

    Args:
      unpacked: what `unpack` returned.
      observations: `[K, M, O]`.
      actions: `[K, M, A]`: continuous actions in [-1, 1], discrete ones one-hot.
      noise: standard normal `[K, M, O]` to sample: with the predicted variance of probabilistic members, with that of their
        errors on held-out data of deterministic ones; None for their means.

    Returns:
      `[K, M, O]`, clipped to the limits.
    """
    mean, log_variance = self.change_moments(unpacked, self.normalize_inputs(observations, actions))
    if noise is not None:
      mean += noise * (replicas.rows(self.error_std)[:, None, :] if log_variance is None else tf.exp(0.5 * log_variance))
    return self._limited(observations + self.change_normalizer.denormalize(mean))

  def call(self, inputs):
    """The distribution of the next observation under each member.

    Args:
      inputs: a pair of observations `[M, O]` and action features `[M, A]`, the same for all members.

    Returns:
      A TFP distribution with batch shape `[K, M]` and event shape `[O]`; `tfd.Deterministic` inside where members are.
      Its mean is clipped to the limits, as in `next_observation`; samples are not.
    """
    observations, actions = inputs
    features = self.normalize_inputs(observations, actions)
    features = tf.repeat(features[None], self.members, 0)
    mean, log_variance = self.change_moments(self.unpack(self.parameters), features)
    mean = self._limited(observations[None] + self.change_normalizer.denormalize(mean))
    if log_variance is None:
      return tfd.Independent(tfd.Deterministic(mean), 1)
    return tfd.Independent(tfd.Normal(mean, self.change_normalizer.scale(tf.exp(0.5 * log_variance))), 1)

  def _limited(self, predicted):
    return tf.clip_by_value(predicted, self.lower_limit, self.upper_limit)
