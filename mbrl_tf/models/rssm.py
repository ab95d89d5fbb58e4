"""The recurrent state-space model of PlaNet (Hafner et al. 2018, arXiv:1811.04551, section 3).

      prior:      s', a' -> dense -> GRU(d') = d -> dense -> dense -> p(s)        what the model expects
      posterior:  d, e   -> dense -> dense -> q(s)                                what it infers, seeing the embedding e

with d the deterministic and s the stochastic part of the state, and ' the step before.
"""

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf import types
from mbrl_tf.ops import replicas, unroll

tfd = tfp.distributions


def features(state):
  """What heads and actor read of a state: `[..., S + D]`."""
  return tf.concat([state.stochastic, state.deterministic], -1)


def distribution(state):
  """What a state's stochastic part was drawn from: `gaussian` or `choices`, by its kind."""
  return choices(state) if isinstance(state, types.CategoricalState) else gaussian(state)


def gaussian(state):
  """The distribution that a state's stochastic part was drawn from; event shape `[S]`."""
  return tfd.Independent(tfd.Normal(state.mean, state.std), 1)


def choices(state):
  """The distribution of a `types.CategoricalState`; event shape `[choices, classes]`."""
  return tfd.Independent(tfd.OneHotCategorical(logits=state.logits, dtype=tf.float32), 1)


class StateSpaceModel(tf.keras.Model):
  """What is the same in every recurrent state-space model: how states follow each other.

  A model says what is computed in one step, and what a state is made of.
  """

  def initial(self, batch):
    """The state before an episode's first observation: zeros, `[B, ...]`."""
    raise NotImplementedError

  def state(self, deterministic, stochastic):
    """A state of its two parts `[..., D]` and `[..., S]`, that does not say what they were drawn
    from."""
    raise NotImplementedError

  def noise(self, shape, seed, axis=0):
    """What stochastic parts of shape `[*shape, S]` are drawn with; where it is 0, they are what is
    most likely.

    Args:
      shape: of the leading axes.
      seed: int32 `[2]`.
      axis: which of them is shared by replicas.
    """
    raise NotImplementedError

  def _action_half(self, action):
    """What `_transition` needs of actions `[..., A]`."""
    raise NotImplementedError

  def _embedding_half(self, embedding):
    """What `_inferred` needs of embeddings `[..., E]`."""
    raise NotImplementedError

  def _transition(self, deterministic, stochastic, action_half):
    """The next deterministic part."""
    raise NotImplementedError

  def _expected(self, deterministic, noise):
    """The state that is expected without an observation."""
    raise NotImplementedError

  def _inferred(self, deterministic, embedding_half, noise):
    """The state that is inferred with one."""
    raise NotImplementedError

  def prior(self, state, action, noise):
    """One step without an observation.

    Args:
      state: `[..., D]` and so on, of which only the two parts are read.
      action: `[..., A]`, taken in that state.
      noise: as `noise` gives it, `[..., S]`, to sample with; None takes the mean.

    Returns:
      The next state.
    """
    deterministic = self._transition(state.deterministic, state.stochastic, self._action_half(action))
    return self._expected(deterministic, noise)

  def posterior(self, prior, embedding, noise):
    """Corrects a state that `prior` gave by an observation's embedding `[..., E]`; noise as there."""
    return self._inferred(prior.deterministic, self._embedding_half(embedding), noise)

  def observe(self, embeddings, actions, is_first, seed):
    """Infers the states along sequences of real data, beginning from `initial`.

    Args:
      embeddings: `[B, T, E]`.
      actions: `[B, T, A]`; action t led to observation t.
      is_first: bool `[B, T]`, where an episode begins: there the state is forgotten, and the action is not read.
      seed: int32 `[2]`.

    Returns:
      Posterior and prior states, both of `[B, T, ...]`. Those of one step share the deterministic
      part.
    """
    batch, length = embeddings.shape[:2]
    noise = self.noise([2, length, batch], seed, axis=2)
    going = 1 - tf.cast(is_first, tf.float32)[..., None]
    inputs = (self._action_half(actions * going), self._embedding_half(embeddings), going)
    inputs = (*(_time_first(value) for value in inputs), noise[0])

    def step(state, row):
      action_half, embedding_half, going, noise = row
      deterministic = self._transition(state.deterministic * going, state.stochastic * going, action_half)
      posterior = self._inferred(deterministic, embedding_half, noise)
      return posterior, posterior

    _, posteriors = unroll.scan(step, self.initial(batch), inputs, length)
    # What is expected does not enter the recurrence, so it is computed for all steps at once.
    priors = self._expected(posteriors.deterministic, noise[1])
    return tf.nest.map_structure(_time_first, posteriors), tf.nest.map_structure(_time_first, priors)

  def imagine(self, actions, state, seed):
    """Predicts without observations.

    Args:
      actions: `[B, H, A]`, the first of which is taken in `state`.
      state: `[B, ...]`.
      seed: int32 `[2]`.

    Returns:
      The states after each action, `[B, H, ...]`.
    """
    batch, horizon = actions.shape[:2]
    noise = self.noise([horizon, batch], seed, axis=1)

    def step(state, row):
      state = self.prior(state, *row)
      return state, state

    _, states = unroll.scan(step, state, (_time_first(actions), noise), horizon)
    return tf.nest.map_structure(_time_first, states)


class RSSM(StateSpaceModel):
  """A GRU with a Gaussian stochastic state.

  A state and what is computed from it are float32, whatever the precision of the layers is.
  """

  def __init__(self, action_size, embedding_size, deterministic=200, stochastic=30, hidden=200, activation='elu',
               least_std=0.1, precision='float32'):
    """Makes the variables.

    Args:
      action_size: `A`, of the features of an action, see `ops.actions`.
      embedding_size: `E`, of what the encoder makes of an observation.
      deterministic: `D`, size of the GRU.
      stochastic: `S`.
      hidden: width of the dense layers.
      activation: of the dense layers.
      least_std: lower bound of the standard deviations.
      precision: of the layers, a Keras policy such as `mixed_bfloat16`.
    """
    super().__init__(name='rssm')
    self._sizes, self._least_std = (deterministic, stochastic), least_std
    # A dense layer of two inputs, in two halves: the half that does not depend on the state is computed for all steps
    # at once, outside the recurrence. Together they have the initial range of one layer.
    self._prior_stochastic, self._prior_action = _halves(stochastic, action_size, hidden, precision, 'prior_input')
    self._cell = tf.keras.layers.GRUCell(deterministic, dtype=precision, name='cell')
    self._prior_hidden = tf.keras.layers.Dense(hidden, activation, dtype=precision, name='prior_hidden')
    self._prior_moments = tf.keras.layers.Dense(2 * stochastic, dtype=precision, name='prior_moments')
    self._posterior_deterministic, self._posterior_embedding = _halves(
        deterministic, embedding_size, hidden, precision, 'posterior_input')
    self._posterior_moments = tf.keras.layers.Dense(2 * stochastic, dtype=precision, name='posterior_moments')
    self._activation = tf.keras.activations.get(activation)
    self.posterior(self.prior(self.initial(1), tf.zeros([1, action_size]), tf.zeros([1, stochastic])),
                   tf.zeros([1, embedding_size]), tf.zeros([1, stochastic]))

  @property
  def prior_layers(self):
    """The layers that a step without an observation runs through."""
    return [self._prior_stochastic, self._prior_action, self._cell, self._prior_hidden, self._prior_moments]

  def initial(self, batch):
    deterministic, stochastic = self._sizes
    zeros = tf.zeros([batch, stochastic])
    return types.LatentState(tf.zeros([batch, deterministic]), zeros, zeros, zeros)

  def state(self, deterministic, stochastic):
    return types.LatentState(deterministic, stochastic, None, None)

  def noise(self, shape, seed, axis=0):
    return replicas.normal([*shape, self._sizes[1]], seed, axis)

  def _action_half(self, action):
    return self._prior_action(action)

  def _embedding_half(self, embedding):
    return self._posterior_embedding(embedding)

  def _transition(self, deterministic, stochastic, action_half):
    hidden = self._activation(self._prior_stochastic(stochastic) + action_half)
    return tf.cast(self._cell(hidden, [tf.cast(deterministic, hidden.dtype)])[0], tf.float32)

  def _expected(self, deterministic, noise):
    return self._sampled(deterministic, self._prior_moments(self._prior_hidden(deterministic)), noise)

  def _inferred(self, deterministic, embedding_half, noise):
    hidden = self._activation(self._posterior_deterministic(deterministic) + embedding_half)
    return self._sampled(deterministic, self._posterior_moments(hidden), noise)

  def _sampled(self, deterministic, moments, noise):
    mean, std = tf.split(tf.cast(moments, tf.float32), 2, -1)
    std = tf.nn.softplus(std) + self._least_std
    stochastic = mean if noise is None else mean + std * noise
    return types.LatentState(deterministic, stochastic, mean, std)


def _halves(first, second, units, precision, name):
  """Two layers whose sum is a dense layer on inputs of sizes `first` and `second`, without its activation."""
  limit = (6 / (first + second + units))**0.5
  half = lambda index: tf.keras.layers.Dense(
      units, kernel_initializer=tf.keras.initializers.RandomUniform(-limit, limit), use_bias=index == 0, dtype=precision,
      name=f'{name}_{index}')
  return half(0), half(1)


def _time_first(value):
  """Swaps `[B, T, ...]` and `[T, B, ...]`."""
  return tf.transpose(value, [1, 0, *range(2, value.shape.rank)])
