"""The policy of latent states whose samples and entropies need one draw each: squashed normals and
choices, side by side."""

import functools

import numpy as np
import tensorflow as tf

from mbrl_tf.models import normed_perceptron
from mbrl_tf.ops import actions, distributions


class SquashedPolicy(normed_perceptron.NormedPerceptron):
  """Numbers `tanh(x)` with normal `x` (Haarnoja et al. 2018, arXiv:1801.01290, appendix C), and
  choices, one-hot. All are independent given the state.

  Attributes:
    action: `types.ActionSpec`.
    action_size: F, of an action's features.
    enumerates: whether there are choices, of so few values that each may be judged. No gradient
      flows through samples of choices then; otherwise they are straight-through.
    largest_entropy: of all choices together, in nats.
  """

  def __init__(self, latent_size, action, hidden, seed, log_std_bounds=(-10.0, 2.0),
               enumerated=0):
    """Makes the variables.

    Args:
      latent_size: L.
      action: `types.ActionSpec`.
      hidden: widths of the hidden layers.
      seed: int32 `[2]`.
      log_std_bounds: least and largest logarithm of the deviation of `x`.
      enumerated: values of all choices up to which each is judged.
    """
    outputs = 2 * action.numbers, sum(action.choices)
    super().__init__([latent_size, *hidden, sum(outputs)], seed,
                     output_scale=np.repeat([1.0, 0.0], outputs), name='policy')
    self.action, self.action_size = action, action.features_size
    self.enumerates = 0 < sum(action.choices) <= enumerated
    self._bounds = log_std_bounds
    self.largest_entropy = float(np.sum(np.log(action.choices)))

  def sample(self, latent, noise):
    """Action features `[..., F]`, and an entropy `[...]`, through which gradients flow: of the
    numbers that which this sample tells, of the choices that of their distributions.

    Args:
      latent: `[..., L]`.
      noise: as `noise` gives it, `[..., F]`.
    """
    raw, logits = self._parameters(latent)
    numbers_noise, choices_noise = actions.split(self.action, noise)
    numbers, choices, entropies = None, None, []
    if raw is not None:
      mean, log_std = raw
      before = mean + tf.exp(log_std) * numbers_noise
      numbers = tf.tanh(before)
      entropies.append(-distributions.tanh_log_prob(before, log_std, numbers_noise))
    if logits is not None:
      each = functools.partial(actions.by_choice, self.action)
      probabilities, logs = each(tf.nn.softmax, logits), each(tf.nn.log_softmax, logits)
      hard = each(distributions.likeliest, logits + choices_noise)
      choices = hard if self.enumerates else distributions.with_gradient_of(hard, probabilities)
      entropies.append(-tf.reduce_sum(probabilities * logs, -1))
    return actions.join(numbers, choices), sum(entropies[1:], entropies[0])

  def probabilities(self, latent):
    """Of each value of each choice, `[..., F - C]`."""
    return actions.by_choice(self.action, tf.nn.softmax, self._parameters(latent)[1])

  def mode(self, latent):
    """Features of the numbers at the means of `x` and of the likeliest choices, `[..., F]`."""
    raw, logits = self._parameters(latent)
    return actions.join(
        None if raw is None else tf.tanh(raw[0]),
        None if logits is None else actions.by_choice(self.action, distributions.likeliest, logits))

  def noise(self, shape, seed, axis=0):
    """What `sample` needs for latents `[*shape, L]`, of which `axis` is shared by replicas."""
    return actions.noise(self.action, shape, seed, axis)

  def _parameters(self, latent):
    """Means and logarithms of deviations of numbers, and logits of choices; None for what there is
    none of."""
    raw, logits = actions.split(self.action, self(latent), 2)
    if raw is None:
      return None, logits
    mean, raw_std = tf.split(raw, 2, -1)
    low, high = self._bounds
    return (mean, low + 0.5 * (high - low) * (tf.tanh(raw_std) + 1)), logits
