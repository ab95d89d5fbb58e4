"""Adam as a pure function, for parameters that carry a leading task or member axis with a step count each."""

from typing import Any, NamedTuple

import tensorflow as tf


class AdamState(NamedTuple):
  """First and second moments, shaped as the parameters, and the number of updates `[K]`."""
  first: Any
  second: Any
  count: Any


def initial_state(parameters):
  """Zero moments for a list of tensors `[K, ...]`."""
  zeros = [tf.zeros_like(p) for p in parameters]
  return AdamState(zeros, [tf.zeros_like(p) for p in parameters], tf.zeros([parameters[0].shape[0]], tf.int64))


def update(parameters, gradients, state, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decays=None):
  """One step of Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1 with epsilon as at the end of section 2) for each member.

  Args:
    parameters: list of `[K, ...]`.
    gradients: list of the same shapes.
    state: `AdamState`.
    learning_rate, beta1, beta2, epsilon: as in the paper.
    weight_decays: one for each parameter, decoupled from the gradient (Loshchilov and Hutter 2019, arXiv:1711.05101,
      algorithm 2): the parameter also shrinks by `learning_rate * weight_decay` of itself. None for none.

  Returns:
    The new parameters and the new state.
  """
  count = state.count + 1
  step = tf.cast(count, parameters[0].dtype)
  scale = learning_rate * tf.sqrt(1 - tf.pow(beta2, step)) / (1 - tf.pow(beta1, step))
  first = [beta1 * m + (1 - beta1) * g for m, g in zip(state.first, gradients)]
  second = [beta2 * v + (1 - beta2) * tf.square(g) for v, g in zip(state.second, gradients)]
  updated = []
  for parameter, m, v, decay in zip(parameters, first, second, weight_decays or [0.0] * len(parameters)):
    member_scale = tf.reshape(scale, [-1] + [1] * (parameter.shape.rank - 1))
    kept = parameter * (1 - learning_rate * decay) if decay else parameter
    updated.append(kept - member_scale * m / (tf.sqrt(v) + epsilon))
  return updated, AdamState(first, second, count)
