"""A stochastic policy with explicit parameters: the same function serves the meta-policy and K
adapted ones."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import mlp
from mbrl_tf.ops import actions, distributions

tfd = tfp.distributions

_LOGITS_SCALE = 0.01  # of the first kernel of logits: the first policy chooses nearly uniformly


class ParametricPolicy(tf.keras.Model):
  """A perceptron whose parameters are handed to it, so that they can be adapted and differentiated through.

  The variables of the model are the meta-policy. `distribution` takes any parameters of the same structure,
  with or without a leading `[K]` axis. What the network reads, its inputs, are observations, or
  what a normalizer makes of them.

  The numbers of an action are Gaussian, not squashed, with standard deviations that do not depend
  on the observation; its choices are categorical. All are independent given the observation.

  Attributes:
    action: `types.ActionSpec`.
    normalizer: a `Normalizer` of the observations, which others may share; None where the network
      reads them as they are.
  """

  def __init__(self, observation_size, action, hidden_sizes, seed, initial_std=1.0, min_std=1e-6,
               normalizer=None, output_scale=1.0):
    """Makes the variables of the meta-policy.

    Args:
      observation_size: `O`.
      action: `types.ActionSpec`.
      hidden_sizes: widths of the tanh layers.
      seed: int32 `[2]`, for the kernels.
      initial_std: of an action's numbers, in units of their range [-1, 1].
      min_std: lower bound of the standard deviation.
      normalizer: see above.
      output_scale: of the last layer's first kernel, for the means of numbers, in units of the
        usual one. A small one begins with actions around 0 instead of a random feedback controller.
    """
    # Keras would make float32 of observations before they are normalised.
    super().__init__(name='policy', autocast=False)
    self.action, self.normalizer = action, normalizer
    outputs = action.numbers, sum(action.choices)
    layers = mlp.initial_layers(
        [observation_size, *hidden_sizes, sum(outputs)], seed,
        output_scale=np.repeat([output_scale, _LOGITS_SCALE], outputs))
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]
    self.log_std = tf.Variable(
        tf.fill([action.numbers], tf.math.log(float(initial_std))), name='log_std'
    ) if action.numbers else None
    self._min_log_std = tf.math.log(float(min_std)).numpy()

  @property
  def parameters(self):
    """The meta-policy: a flat list of variables, in the order that `distribution` expects."""
    return [*self.kernels, *self.biases, *([] if self.log_std is None else [self.log_std])]

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

  def distribution(self, parameters, inputs):
    """The distribution of the unclipped action, as `types.ActionSpec` says, choices alone in int32.

    Args:
      parameters: list of tensors as in `parameters`, or each with a leading `[K]`.
      inputs: `[..., O]`, or `[K, M, O]` where the parameters have a leading axis.

    Returns:
      An independent normal with event shape `[C]`; a `tfd.Categorical` of event shape `[]`; of
      others a `distributions.Joint`.
    """
    means, logits = actions.split(self.action, self._network(parameters, inputs))
    parts = [] if means is None else [self._normal(parameters, means)]
    for each in [] if logits is None else actions.runs(self.action, logits):
      choice = tfd.Categorical(logits=each)
      parts.append(choice if len(each.shape) == len(logits.shape) else tfd.Independent(choice, 1))
    return distributions.joint(parts)

  def noise(self, shape, seed):
    """What `sample` needs for this replica's tasks and rows, `[k, M, F]` for the shape `[k, M]`."""
    return actions.noise(self.action, shape, seed)

  def sample(self, parameters, inputs, noise):
    """The actions that noise picks from the distribution of these parameters and inputs."""
    means, logits = actions.split(self.action, self._network(parameters, inputs))
    numbers_noise, choices_noise = actions.split(self.action, noise)
    numbers = None
    if means is not None:
      normal = self._normal(parameters, means)
      numbers = normal.mean() + normal.stddev() * numbers_noise
    perturbed = None if logits is None else logits + choices_noise
    return actions.from_features(self.action, actions.join(numbers, perturbed), tf.int32)

  def deviation(self, parameters):
    """Standard deviation of an action's numbers, `[C]` or `[K, C]`."""
    return tf.exp(tf.maximum(parameters[-1], self._min_log_std))

  def _normal(self, parameters, means):
    log_std = tf.maximum(parameters[-1], self._min_log_std)
    if log_std.shape.rank == 2:
      log_std = log_std[:, None, :]
    return tfd.Independent(tfd.Normal(means, tf.exp(log_std) * tf.ones_like(means)), 1)
