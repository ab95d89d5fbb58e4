"""Policies of latent states whose samples and entropies need one draw each: squashed normals, or
choices."""

import numpy as np
import tensorflow as tf

from mbrl_tf.models import normed_perceptron
from mbrl_tf.ops import distributions, replicas


class SquashedNormalPolicy(normed_perceptron.NormedPerceptron):
  """Continuous actions `tanh(x)` with normal `x` (Haarnoja et al. 2018, arXiv:1801.01290, appendix
  C).

  Attributes:
    action_size: A.
    least_entropy: in nats, what a target of `target` nats for each number makes.
  """

  def __init__(self, latent_size, action_size, hidden, seed, log_std_bounds, target):
    """Makes the variables.

    Args:
      latent_size: L.
      action_size: A.
      hidden: widths of the hidden layers.
      seed: int32 `[2]`.
      log_std_bounds: least and largest logarithm of the deviation of `x`.
      target: entropy for each number of an action, in nats.
    """
    super().__init__([latent_size, *hidden, 2 * action_size], seed, name='policy')
    self.action_size, self._bounds = action_size, log_std_bounds
    self.least_entropy = target * action_size

  def sample(self, latent, noise):
    """Action `[..., A]` and the entropy that this sample tells `[...]`, through which gradients
    flow.

    Args:
      latent: `[..., L]`.
      noise: standard normal, `[..., A]`.
    """
    mean, log_std = self._parameters(latent)
    before = mean + tf.exp(log_std) * noise
    return tf.tanh(before), -distributions.tanh_log_prob(before, log_std, noise)

  def mode(self, latent):
    """The action at the mean of `x`, `[..., A]`."""
    return tf.tanh(self._parameters(latent)[0])

  def noise(self, shape, seed, axis=0):
    """What `sample` needs for latents `[*shape, L]`, of which `axis` is shared by replicas."""
    return replicas.normal([*shape, self.action_size], seed, axis=axis)

  def _parameters(self, latent):
    mean, raw = tf.split(self(latent), 2, -1)
    low, high = self._bounds
    return mean, low + 0.5 * (high - low) * (tf.tanh(raw) + 1)


class ChoicePolicy(normed_perceptron.NormedPerceptron):
  """Discrete actions, one-hot, with straight-through gradients.

  Attributes:
    action_size: the number of choices.
    least_entropy: in nats, the share `target` of the largest entropy.
  """

  def __init__(self, latent_size, action_size, hidden, seed, target):
    """Makes the variables; arguments as for `SquashedNormalPolicy`, and `target` a share."""
    super().__init__([latent_size, *hidden, action_size], seed, output_scale=0.0, name='policy')
    self.action_size, self.least_entropy = action_size, target * float(np.log(action_size))

  def sample(self, latent, noise):
    """One-hot action `[..., A]`, and the entropy of the distribution `[...]`."""
    logits = self(latent)
    probabilities, logs = tf.nn.softmax(logits), tf.nn.log_softmax(logits)
    hard = tf.one_hot(tf.argmax(logits + noise, -1), self.action_size)
    entropy = -tf.reduce_sum(probabilities * logs, -1)
    return distributions.with_gradient_of(hard, probabilities), entropy

  def mode(self, latent):
    """The most likely choice, one-hot `[..., A]`."""
    return tf.one_hot(tf.argmax(self(latent), -1), self.action_size)

  def noise(self, shape, seed, axis=0):
    """What `sample` needs, of the Gumbel distribution."""
    return replicas.gumbel([*shape, self.action_size], seed, axis=axis)
