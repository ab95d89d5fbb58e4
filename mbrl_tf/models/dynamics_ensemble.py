"""An ensemble of dynamics models, all members in one set of batched kernels."""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp, normalizer
from mbrl_tf.ops import replicas

tfd = tfp.distributions

LEAST_ACTION_STD = 1e-3  # actions are in [-1, 1]
STATE_LIMIT = 1000.0  # deviations of the data; published for observations of deviations around 1
ACTIVATIONS = {'relu': tf.nn.relu, 'swish': tf.nn.swish, 'tanh': tf.tanh, 'elu': tf.nn.elu}


class DynamicsEnsemble(tf.keras.Model):
  """K perceptrons that predict the change of a state from the state and an action.

  A *state* `[..., O]`, float32, is an observation as `observation_normalizer` gives it: in
  deviations of the data. What is learned and what is imagined is in states, so that the task's
  units matter to nothing; only at its borders are there observations.

  Deterministic members are trained on the mean squared error (Clavera et al. 2018, arXiv:1809.05214, eq. 4).
  Probabilistic members predict a diagonal Gaussian, with log-variances held between learned bounds
  (Chua et al. 2018, arXiv:1805.12114, appendix A.1).
  """

  def __init__(self, observation_size, action_size, members, hidden_sizes, seed, activation='relu',
               probabilistic=False, weight_normalization=False, observation_margin=0.0, angles=(),
               rounding=normalizer.FLOAT32_ROUNDING, least_std=0.0):
    """Makes the variables, each member with its own draw.

    Args:
      observation_size: `O`.
      action_size: `A`, of the features of an action, see `ops.actions`.
      members: `K`.
      hidden_sizes: widths of the hidden layers.
      seed: int32 `[2]`.
      activation: a key of `ACTIVATIONS`.
      probabilistic: whether members predict a variance.
      weight_normalization: whether kernels are kept as direction and length (arXiv:1602.07868).
      observation_margin: predicted states are kept inside the range of the data, widened at each
        side by this share of it; 0 keeps them inside +- `STATE_LIMIT` only.
      angles: entries of the observation that are angles in radians. Members see sine and cosine of them and of twice
        them as well, in which the equations of motion of jointed bodies are nearly linear.
      rounding, least_std: of observations, see `Normalizer`.
    """
    # Keras would make float32 of observations before they are normalised.
    super().__init__(name='dynamics_ensemble', autocast=False)
    self.members, self.probabilistic = members, probabilistic
    self.observation_size, self.action_size = observation_size, action_size
    self._activation, self._margin, self._angles = ACTIVATIONS[activation], observation_margin, list(angles)
    self.observation_normalizer = normalizer.Normalizer(
        observation_size, rounding, least_std)
    self.action_normalizer = normalizer.Normalizer(action_size, least_std=LEAST_ACTION_STD)
    self.change_normalizer = normalizer.Normalizer(observation_size)  # of changes of states
    self.lower_limit, self.upper_limit = (
        tf.Variable(tf.fill([observation_size], value), trainable=False, name=name)
        for value, name in ((-STATE_LIMIT, 'lower_limit'), (STATE_LIMIT, 'upper_limit')))
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
    """Sets normalizers and limits to those of the data: `[M, O]`, action features `[M, A]`,
    `[M, O]`, numpy."""
    self.observation_normalizer.fit(observations)
    self.action_normalizer.fit(actions)
    self.change_normalizer.fit(self._changes(observations, next_observations))
    if self._margin:
      following = self.observation_normalizer.normalize(next_observations)
      lowest, highest = tf.reduce_min(following, 0), tf.reduce_max(following, 0)
      self.lower_limit.assign(lowest - self._margin * (highest - lowest))
      self.upper_limit.assign(highest + self._margin * (highest - lowest))

  def network_inputs(self, states, actions):
    """What networks read `[..., input_size]`, of states `[..., O]` and action features
    `[..., A]`."""
    parts = [states, self.action_normalizer.normalize(actions)]
    if self._angles:
      angles = tf.gather(self.observation_normalizer.denormalize(states), self._angles, axis=-1)
      angles = tf.cast(angles, tf.float32)
      parts += [tf.sin(angles), tf.cos(angles), tf.sin(2 * angles), tf.cos(2 * angles)]
    return tf.concat(parts, -1)

  def targets(self, observations, next_observations):
    """What networks learn to predict `[..., O]`: the normalised change of state."""
    return self.change_normalizer.normalize(self._changes(observations, next_observations))

  def examples(self, observations, actions, next_observations):
    """Inputs `[M, input_size]` and targets `[M, O]` of transitions `[M, ...]`, with action features."""
    states = self.observation_normalizer.normalize(observations)
    return self.network_inputs(states, actions), self.targets(observations, next_observations)

  def _changes(self, observations, next_observations):
    """Changes of states in float64: a small change of a large number is lost in float32."""
    change = tf.cast(next_observations, tf.float64) - tf.cast(observations, tf.float64)
    return tf.math.divide_no_nan(change, self.observation_normalizer.std)

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

  def next_state(self, unpacked, states, actions, noise=None):
    """One step of all members.

    Args:
      unpacked: what `unpack` returned.
      states: `[K, M, O]`.
      actions: `[K, M, A]`: features of actions, see `ops.actions`.
      noise: standard normal `[K, M, O]` to sample: with the predicted variance of probabilistic members, with that of their
        errors on held-out data of deterministic ones; None for their means.

    Returns:
      `[K, M, O]`, clipped to the limits.
    """
    mean, log_variance = self.change_moments(unpacked, self.network_inputs(states, actions))
    if noise is not None:
      mean += noise * (replicas.rows(self.error_std)[:, None, :] if log_variance is None else tf.exp(0.5 * log_variance))
    return self._moved(states, mean)

  def next_std(self, unpacked, states, actions):
    """The deviation with which `next_state` samples, before it clips; arguments as there.

    Returns:
      `[K, M, O]`, in states.
    """
    mean, log_variance = self.change_moments(unpacked, self.network_inputs(states, actions))
    std = (replicas.rows(self.error_std)[:, None, :] * tf.ones_like(mean) if log_variance is None
           else tf.exp(0.5 * log_variance))
    return tf.cast(self.change_normalizer.scale(std), tf.float32)

  def call(self, inputs):
    """The distribution of the next observation under each member.

    Args:
      inputs: a pair of observations `[M, O]` and action features `[M, A]`, the same for all members.

    Returns:
      A TFP distribution with batch shape `[K, M]` and event shape `[O]`, in units and type of the
      observations; `tfd.Deterministic` inside where members are. Its mean is clipped to the
      limits, as in `next_state`; samples are not.
    """
    observations, actions = tf.convert_to_tensor(inputs[0]), inputs[1]
    states = self.observation_normalizer.normalize(observations)
    features = tf.repeat(self.network_inputs(states, actions)[None], self.members, 0)
    mean, log_variance = self.change_moments(self.unpack(self.parameters), features)
    # Upon the observation itself, so that what has not varied in the data stays as it is.
    moved = self.observation_normalizer.scale(self._moved(states[None], mean) - states[None])
    mean = tf.cast(tf.cast(observations, tf.float64)[None] + moved, observations.dtype)
    if log_variance is None:
      return tfd.Independent(tfd.Deterministic(mean), 1)
    std = self.change_normalizer.scale(tf.exp(0.5 * log_variance))
    std = self.observation_normalizer.scale(std)
    return tfd.Independent(tfd.Normal(mean, tf.cast(std, mean.dtype)), 1)

  def _moved(self, states, normalized_changes):
    """States after a change, within the limits."""
    change = tf.cast(self.change_normalizer.denormalize(normalized_changes), tf.float32)
    return tf.clip_by_value(states + change, self.lower_limit, self.upper_limit)
