"""The recurrent state-space model with choices in place of Gaussians (Hafner et al. 2020,
arXiv:2010.02193, section 2.1), normalised throughout (arXiv:2301.04104).

Its steps are those of `rssm.RSSM`.
"""

import math

import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import mlp, normed_perceptron, rssm
from mbrl_tf.ops import distributions, replicas

_EPSILON = 1e-4  # of the mean square that layers are normalised by


class CategoricalRSSM(rssm.StateSpaceModel):
  """A normalised GRU, and a stochastic state of independent choices, one-hot, whose gradient is
  that of their probabilities.
  """

  def __init__(self, action_size, embedding_size, deterministic, choices, classes, hidden, seed,
               uniform_share=0.01):
    """Makes the variables.

    Args:
      action_size: `A`, of the features of an action, see `ops.actions`.
      embedding_size: `E`, of what the encoder makes of an observation.
      deterministic: `D`, size of the GRU.
      choices: of the stochastic state.
      classes: of each choice.
      hidden: width of the layers between.
      seed: int32 `[2]`, of the first kernels.
      uniform_share: of the probability of each choice that is the same for all classes, so that no
        class becomes impossible, and no KL infinite.
    """
    super().__init__(name='rssm')
    self._deterministic, self._choices, self._classes = deterministic, choices, classes
    self._uniform_share, stochastic = uniform_share, choices * classes
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5), 5)
    # Each joins two inputs, of which one does not depend on the state: that half is computed for
    # all steps at once, outside of the recurrence.
    self._prior_input = _Joining(stochastic, action_size, hidden, seeds[0], 'prior_input')
    self._cell = _Joining(hidden, deterministic, 3 * deterministic, seeds[1], 'cell')
    self._prior_head = normed_perceptron.NormedPerceptron(
        [deterministic, hidden, stochastic], seeds[2], name='prior', activation=tf.nn.silu)
    self._posterior_input = _Joining(deterministic, embedding_size, hidden, seeds[3],
                                     'posterior_input')
    layer = mlp.initial_layers([hidden, stochastic], seeds[4])[0]
    self._posterior_kernel = tf.Variable(layer.kernel, name='posterior_kernel')
    self._posterior_bias = tf.Variable(layer.bias, name='posterior_bias')

  @property
  def prior_layers(self):
    """The layers that a step without an observation runs through."""
    return [self._prior_input, self._cell, self._prior_head]

  def initial(self, batch):
    stochastic = tf.zeros([batch, self._choices * self._classes])
    logits = tf.fill([batch, self._choices, self._classes], -math.log(self._classes))
    return types.CategoricalState(tf.zeros([batch, self._deterministic]), stochastic, logits)

  def state(self, deterministic, stochastic):
    return types.CategoricalState(deterministic, stochastic, None)

  def noise(self, shape, seed, axis=0):
    """Of the Gumbel distribution."""
    return replicas.gumbel([*shape, self._choices * self._classes], seed, axis)

  def _action_half(self, action):
    return self._prior_input.second(action)

  def _embedding_half(self, embedding):
    return self._posterior_input.second(embedding)

  def _transition(self, deterministic, stochastic, action_half):
    hidden = tf.nn.silu(self._prior_input(stochastic, action_half))
    gates = self._cell(hidden, self._cell.second(deterministic))
    reset, candidate, update = tf.split(gates, 3, -1)
    candidate = tf.tanh(tf.sigmoid(reset) * candidate)
    # It begins by keeping most of what it remembers.
    update = tf.sigmoid(update - 1)
    return deterministic + update * (candidate - deterministic)

  def _expected(self, deterministic, noise):
    return self._drawn(deterministic, self._prior_head(deterministic), noise)

  def _inferred(self, deterministic, embedding_half, noise):
    hidden = tf.nn.silu(self._posterior_input(deterministic, embedding_half))
    logits = tf.matmul(hidden, self._posterior_kernel) + self._posterior_bias
    return self._drawn(deterministic, logits, noise)

  def _drawn(self, deterministic, logits, noise):
    """The state whose choices have such logits `[..., S]`, before some of their probability is
    shared evenly.

    Without noise it is their mean, the probabilities. The likeliest choices in their place would be
    a state that sampling hardly ever visits.
    """
    lead = [tf.shape(logits)[axis] if size is None else size
            for axis, size in enumerate(logits.shape[:-1])]
    shape = [*lead, self._choices, self._classes]
    probabilities = distributions.mixed_with_uniform(tf.reshape(logits, shape), self._uniform_share)
    logits = tf.math.log(probabilities)
    stochastic = probabilities
    if noise is not None:
      hard = distributions.likeliest(logits + tf.reshape(noise, shape))
      stochastic = distributions.with_gradient_of(hard, probabilities)
    flat = tf.reshape(stochastic, [*lead, self._choices * self._classes])
    return types.CategoricalState(deterministic, flat, logits)


class _Joining(tf.Module):
  """A dense layer of two inputs, normalised by its root mean square."""

  def __init__(self, first, second, units, seed, name):
    super().__init__(name=name)
    layer = mlp.initial_layers([first + second, units], seed)[0]
    make = lambda value, name: tf.Variable(value, name=name)
    self._first = make(layer.kernel[:first], f'{name}_kernel_0')
    self._second = make(layer.kernel[first:], f'{name}_kernel_1')
    self._bias = make(layer.bias, f'{name}_bias')
    self._scale = make(tf.ones([units]), f'{name}_scale')

  def second(self, inputs):
    """The share of the second input, `[..., units]`; where it has more than one axis beside the
    last, all are known."""
    if inputs.shape.rank == 2:
      return tf.matmul(inputs, self._second) + self._bias
    share = self.second(tf.reshape(inputs, [-1, inputs.shape[-1]]))
    return tf.reshape(share, [*inputs.shape[:-1], share.shape[-1]])

  def __call__(self, inputs, share):
    """The layer's output `[..., units]` for the first input, and what `second` gave."""
    values = tf.matmul(inputs, self._first) + share
    mean_square = tf.reduce_mean(tf.square(values), -1, keepdims=True)
    return values * tf.math.rsqrt(mean_square + _EPSILON) * self._scale
