"""A recurrence over time, with its outputs stacked."""

import tensorflow as tf


def scan(step, state, inputs, length):
  """Runs `state, output = step(state, inputs[t])` for t = 0 ... length - 1.

  The graph grows with the length, because without XLA this runs faster than a `tf.while_loop`: a loop keeps each
  intermediate of each step for the gradient in a list of its own.

  Args:
    step: function of a state and of one time slice of the inputs; returns the next state (of the same structure and
      shapes) and an output.
    state: nest of tensors.
    inputs: nest of tensors `[length, ...]`.
    length: a Python integer.

  Returns:
    The last state, and the outputs stacked to `[length, ...]`.
  """
  rows = [tf.unstack(value, length) for value in tf.nest.flatten(inputs)]
  outputs = []
  for t in range(length):
    state, output = step(state, tf.nest.pack_sequence_as(inputs, [row[t] for row in rows]))
    outputs.append(output)
  return state, tf.nest.map_structure(lambda *values: tf.stack(values), *outputs)
