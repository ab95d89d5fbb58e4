"""Stochastic policies with explicit parameters: the same function serves the meta-policy and K adapted ones."""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp
from mbrl_tf.ops import replicas

tfd = tfp.distributions


class ParametricPolicy(tf.keras.Model):
  """A perceptron whose parameters are handed to it, so that they can be adapted and differentiated through.

  The variables of the model are the meta-policy. `distribution` takes any parameters of the same structure,
  with or without a leading `[K]` axis. What the network reads, its inputs, are observations, or
  what a normalizer makes of them.

  Attributes:
    normalizer: a `Normalizer` of the observations, which others may share; None where the network
      reads them as they are.
  """

  def __init__(self, observation_size, output_size, hidden_sizes, seed, output_scale, normalizer,
               name):
    # Keras would make float32 of observations before they are normalised.
    super().__init__(name=name, autocast=False)
    self.normalizer = normalizer
    sizes = [observation_size, *hidden_sizes, output_size]
    layers = mlp.initial_layers(sizes, seed, output_scale=output_scale)
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]

  @property
  def parameters(self):
    """The meta-policy: a flat list of variables, in the order that `distribution` expects."""
    return [*self.kernels, *self.biases]

  def keep_function(self, mean, std):
    """Rescales the first layer after the normalizer was fitted anew, so that the meta-policy
    chooses as before.

    What it has learned must not shift with the data. Of an entry that has begun to vary it knows
    nothing yet: what it chooses does not depend on it.

    Args:
      mean, std: of the normalizer before, float64 `[O]`.
    """
    kernel, bias = self.kernels[0], self.biases[0]
    shift = tf.math.divide_no_nan(self.normalizer.mean - mean, std)
    bias.assign_add(tf.linalg.matvec(kernel, tf.cast(shift, tf.float32), transpose_a=True))
    ratio = tf.math.divide_no_nan(self.normalizer.std, std)
    kernel.assign(kernel * tf.cast(ratio, tf.float32)[:, None])

  def read(self, observations):
    """What the network reads of observations `[..., O]`, float32."""
    if self.normalizer is None:
      return tf.cast(observations, tf.float32)
    return self.normalizer.normalize(observations)

  def _network(self, parameters, inputs):
    count = len(self.kernels)
    layers = [mlp.Layer(kernel, bias) for kernel, bias in zip(parameters[:count], parameters[count:2 * count])]
    return mlp.apply(layers, inputs, tf.tanh)

  def call(self, observations):
    """The meta-policy's distribution at observations `[..., O]`."""
    own = [tf.convert_to_tensor(p) for p in self.parameters]
    return self.distribution(own, self.read(observations))


class GaussianPolicy(ParametricPolicy):
  """Diagonal Gaussian with a standard deviation that does not depend on the observation; not squashed."""

  def __init__(self, observation_size, action_size, hidden_sizes, seed, initial_std=1.0, min_std=1e-6,
               normalizer=None, output_scale=1.0):
    """Makes the variables of the meta-policy.

    Args:
      observation_size: `O`.
      action_size: `A`.
      hidden_sizes: widths of the tanh layers.
      seed: int32 `[2]`, for the kernels.
      initial_std: of the actions, in units of the action's range [-1, 1].
      min_std: lower bound of the standard deviation.
      normalizer: see `ParametricPolicy`.
      output_scale: of the last layer's first kernel, in units of the usual one. A small one begins with actions around 0
        instead of a random feedback controller.
    """
    super().__init__(observation_size, action_size, hidden_sizes, seed, output_scale, normalizer,
                     'gaussian_policy')
    self.log_std = tf.Variable(tf.fill([action_size], tf.math.log(float(initial_std))), name='log_std')
    self._min_log_std = tf.math.log(float(min_std)).numpy()

  @property
  def parameters(self):
    return super().parameters + [self.log_std]

  def distribution(self, parameters, inputs):
    """The distribution of the unclipped action.

    Args:
      parameters: list of tensors as in `parameters`, or each with a leading `[K]`.
      inputs: `[..., O]`, or `[K, M, O]` where the parameters have a leading axis.

    Returns:
      A `tfd.Independent` normal with event shape `[A]`.
    """
    mean = self._network(parameters[:-1], inputs)
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

  def __init__(self, observation_size, num_values, hidden_sizes, seed, normalizer=None):
    # Small logits: the first policy chooses nearly uniformly.
    super().__init__(observation_size, num_values, hidden_sizes, seed, 0.01, normalizer,
                     'categorical_policy')

  def distribution(self, parameters, inputs):
    """A `tfd.Categorical` over int32 actions; arguments as for `GaussianPolicy.distribution`."""
    return tfd.Categorical(logits=self._network(parameters, inputs))

  def noise(self, shape, seed):
    """What `sample` needs for this replica's tasks and rows, `[k, M, num_values]` for the shape `[k, M]`."""
    return replicas.gumbel([*shape, self.biases[-1].shape[-1]], seed)

  def sample(self, distribution, noise):
    """The actions `[...]`, int32, that noise picks from what `distribution` returned."""
    return tf.argmax(distribution.logits + noise, -1, tf.int32)
