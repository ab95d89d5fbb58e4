"""Stochastic policies with explicit parameters: the same function serves the meta-policy and K adapted ones."""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp, normalizer
from mbrl_tf.ops import replicas

tfd = tfp.distributions

LEAST_STD = 1e-3  # of an observation, so that one that hardly varies is not blown up


class ParametricPolicy(tf.keras.Model):
  """A perceptron whose parameters are handed to it, so that they can be adapted and differentiated through.

  The variables of the model are the meta-policy. `distribution` takes any parameters of the same structure,
  with or without a leading `[K]` axis. Observations may be normalised; then the normalizer belongs to the policy.
  """

  def __init__(self, observation_size, output_size, hidden_sizes, seed, output_scale, normalize_observations, name):
    super().__init__(name=name)
    self.normalizer = normalizer.Normalizer(observation_size) if normalize_observations else None
    sizes = [observation_size, *hidden_sizes, output_size]
    layers = mlp.initial_layers(sizes, seed, output_scale=output_scale)
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]

  @property
  def parameters(self):
    """The meta-policy: a flat list of variables, in the order that `distribution` expects."""
    return [*self.kernels, *self.biases]

  def renormalize(self, mean, std, keep_function):
    """Takes a new mean and deviation of the observations, both `[O]`.

    Args:
      mean: of the observations.
      std: of the observations.
      keep_function: rescale the first layer so that the meta-policy chooses as before: what it has learned must not
        shift with the data. False for a policy that has learned nothing yet.
    """
    std = tf.maximum(std, LEAST_STD)
    if keep_function:
      kernel, bias = self.kernels[0], self.biases[0]
      shift = (mean - self.normalizer.mean) / self.normalizer.std
      bias.assign_add(tf.linalg.matvec(kernel, shift, transpose_a=True))
      kernel.assign(kernel * (std / self.normalizer.std)[:, None])
    self.normalizer.mean.assign(mean)
    self.normalizer.std.assign(std)

  def _network(self, parameters, observations):
    if self.normalizer is not None:
      observations = self.normalizer.normalize(observations)
    count = len(self.kernels)
    layers = [mlp.Layer(kernel, bias) for kernel, bias in zip(parameters[:count], parameters[count:2 * count])]
    return mlp.apply(layers, observations, tf.tanh)

  def call(self, observations):
    """The meta-policy's distribution at observations `[..., O]`."""
    return self.distribution([tf.convert_to_tensor(p) for p in self.parameters], observations)


class GaussianPolicy(ParametricPolicy):
  """Diagonal Gaussian with a standard deviation that does not depend on the observation; not squashed."""

  def __init__(self, observation_size, action_size, hidden_sizes, seed, initial_std=1.0, min_std=1e-6,
               normalize_observations=False, output_scale=1.0):
    """Makes the variables of the meta-policy.

    Args:
      observation_size: `O`.
      action_size: `A`.
      hidden_sizes: widths of the tanh layers.
      seed: int32 `[2]`, for the kernels.
      initial_std: of the actions, in units of the action's range [-1, 1].
      min_std: lower bound of the standard deviation.
      normalize_observations: whether the policy has a normalizer; see `renormalize`.
      output_scale: of the last layer's first kernel, in units of the usual one. A small one begins with actions around 0
        instead of a random feedback controller.
    """
    super().__init__(observation_size, action_size, hidden_sizes, seed, output_scale, normalize_observations, 'gaussian_policy')
    self.log_std = tf.Variable(tf.fill([action_size], tf.math.log(float(initial_std))), name='log_std')
    self._min_log_std = tf.math.log(float(min_std)).numpy()

  @property
  def parameters(self):
    return super().parameters + [self.log_std]

  def distribution(self, parameters, observations):
    """The distribution of the unclipped action.

    Args:
      parameters: list of tensors as in `parameters`, or each with a leading `[K]`.
      observations: `[..., O]`, or `[K, M, O]` where the parameters have a leading axis.

    Returns:
      A `tfd.Independent` normal with event shape `[A]`.
    """
    mean = self._network(parameters[:-1], observations)
    log_std = tf.maximum(parameters[-1], self._min_log_std)
    if log_std.shape.rank == 2:
      log_std = log_std[:, None, :]
    return tfd.Independent(tfd.Normal(mean, tf.exp(log_std) * tf.ones_like(mean)), 1)

  def noise(self, shape, seed):
    """What `sample` needs for this replica's tasks and rows, `[k, M, A]` for the shape `[k, M]`."""
    return replicas.normal([*shape, self.log_std.shape[0]], seed)

  def sample(self, distribution, noise):
    """The actions `[..., A]` that noise picks from what `distribution` returned."""
    return distribution.mean() + distribution.stddev() * noise

  def deviation(self, parameters):
    """Standard deviation of the action, `[A]` or `[K, A]`."""
    return tf.exp(tf.maximum(parameters[-1], self._min_log_std))


class CategoricalPolicy(ParametricPolicy):
  """A choice among `num_values` discrete actions."""

  def __init__(self, observation_size, num_values, hidden_sizes, seed, normalize_observations=False):
    # Small logits: the first policy chooses nearly uniformly.
    super().__init__(observation_size, num_values, hidden_sizes, seed, 0.01, normalize_observations, 'categorical_policy')

  def distribution(self, parameters, observations):
    """A `tfd.Categorical` over int32 actions; arguments as for `GaussianPolicy.distribution`."""
    return tfd.Categorical(logits=self._network(parameters, observations))

  def noise(self, shape, seed):
    """What `sample` needs for this replica's tasks and rows, `[k, M, num_values]` for the shape `[k, M]`."""
    return replicas.gumbel([*shape, self.biases[-1].shape[-1]], seed)

  def sample(self, distribution, noise):
    """The actions `[...]`, int32, that noise picks from what `distribution` returned."""
    return tf.argmax(distribution.logits + noise, -1, tf.int32)
