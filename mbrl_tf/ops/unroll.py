"""A recurrence over time, with its outputs stacked."""

import tensorflow as tf


def scan(step, state, inputs, length, loop=False):
  """Runs `state, output = step(state, inputs[t])` for t = 0 ... length - 1.

  Args:
    step: function of a state and of one time slice of the inputs; returns the next state (of the same structure and
      shapes) and an output.
    state: nest of tensors.
    inputs: nest of tensors `[length, ...]`.
    length: a Python integer.
    loop: as a `tf.while_loop`, whose graph does not grow with the length. Unrolled otherwise, which without XLA runs
      faster: a loop keeps each intermediate of each step for the gradient in a list of its own.

  Returns:
    The last state, and the outputs stacked to `[length, ...]`.
  """
  return (_while_loop if loop else _unrolled)(step, state, inputs, length)


def _unrolled(step, state, inputs, length):
  rows = [tf.unstack(value, length) for value in tf.nest.flatten(inputs)]
  outputs = []
  for t in range(length):
    state, output = step(state, tf.nest.pack_sequence_as(inputs, [row[t] for row in rows]))
    outputs.append(output)
  return state, tf.nest.map_structure(lambda *values: tf.stack(values), *outputs)


def _while_loop(step, state, inputs, length):
  structure = _output_structure(step, state, inputs)
  arrays = [tf.TensorArray(spec.dtype, length, element_shape=spec.shape) for spec in tf.nest.flatten(structure)]

  def body(t, state, arrays):
    state, output = step(state, tf.nest.map_structure(lambda value: value[t], inputs))
    return t + 1, state, [array.write(t, value) for array, value in zip(arrays, tf.nest.flatten(output))]

  _, state, arrays = tf.while_loop(
      lambda t, *_: t < length, body, (tf.constant(0), state, arrays), maximum_iterations=length)
  return state, tf.nest.pack_sequence_as(structure, [array.stack() for array in arrays])


def _output_structure(step, state, inputs):
  """Specs of one step's output; the step is traced, and not run."""
  first = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape[1:], value.dtype), inputs)
  specs = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape, value.dtype), state)
  traced = tf.function(lambda state, row: step(state, row)[1], autograph=False).get_concrete_function(specs, first)
  return traced.structured_outputs
