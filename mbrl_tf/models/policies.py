"""Stochastic policies with explicit parameters: the same function serves the meta-policy and K adapted ones."""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp

tfd = tfp.distributions


class ParametricPolicy(tf.keras.Model):
  """A perceptron whose parameters are handed to it, so that they can be adapted and differentiated through.

  The variables of the model are the meta-policy. `distribution` takes any parameters of the same structure,
  with or without a leading `[K]` axis.
  """

  def __init__(self, observation_size, output_size, hidden_sizes, seed, output_scale, name):
    super().__init__(name=name)
    sizes = [observation_size, *hidden_sizes, output_size]
    layers = mlp.initial_layers(sizes, seed, output_scale=output_scale)
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]

  @property
  def parameters(self):
    """The meta-policy: a flat list of variables, in the order that `distribution` expects."""
    return [*self.kernels, *self.biases]

  def _network(self, parameters, observations):
    count = len(self.kernels)
    layers = [mlp.Layer(kernel, bias) for kernel, bias in zip(parameters[:count], parameters[count:2 * count])]
    return mlp.apply(layers, observations, tf.tanh)

  def call(self, observations):
    """The meta-policy's distribution at observations `[..., O]`."""
    return self.distribution([tf.convert_to_tensor(p) for p in self.parameters], observations)


class GaussianPolicy(ParametricPolicy):
  """Diagonal Gaussian with a standard deviation that does not depend on the observation; not squashed."""

  def __init__(self, observation_size, action_size, hidden_sizes, seed, initial_std=1.0, min_std=1e-6):
    """Makes the variables of the meta-policy.

    Args:
      observation_size: `O`.
      action_size: `A`.
      hidden_sizes: widths of the tanh layers.
      seed: int32 `[2]`, for the kernels.
      initial_std: of the actions, in units of the action's range [-1, 1].
      min_std: lower bound of the standard deviation.
    """
    super().__init__(observation_size, action_size, hidden_sizes, seed, output_scale=1.0, name='gaussian_policy')
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

  def deviation(self, parameters):
    """Standard deviation of the action, `[A]` or `[K, A]`."""
    return tf.exp(tf.maximum(parameters[-1], self._min_log_std))


class CategoricalPolicy(ParametricPolicy):
  """A choice among `num_values` discrete actions."""

  def __init__(self, observation_size, num_values, hidden_sizes, seed):
    # Small logits: the first policy chooses nearly uniformly.
    super().__init__(observation_size, num_values, hidden_sizes, seed, output_scale=0.01, name='categorical_policy')

  def distribution(self, parameters, observations):
    """A `tfd.Categorical` over int32 actions; arguments as for `GaussianPolicy.distribution`."""
    return tfd.Categorical(logits=self._network(parameters, observations))
