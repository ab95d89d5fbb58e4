"""How Dreamer's programs are compiled on which device: decided here alone."""

import tensorflow as tf

# The devices on which XLA compiles a program.
# - `gradient_step`: not the CPU, where XLA slows the convolutions, and the step from vectors as well (0.46 s instead of
#   0.26 s, and 53 s instead of 12 s to compile; batch 16 x 32, horizon 15, 200 units, 2 cores). On a GPU it is expected to
#   pay, because the scans are hundreds of small operations, each of which is launched by itself otherwise. Not measured yet.
# - `open_loop`: runs once in an iteration, which no time to compile is regained from.
_XLA_DEVICES = {'gradient_step': ('GPU',), 'open_loop': ()}


def compiled(program, function):
  """Compiles a pure function of tensors into one program.

  Args:
    program: `gradient_step` or `open_loop`, which decides how.
    function: of tensors, without Python side effects and without control flow that needs AutoGraph.

  Returns:
    A `tf.function`.
  """
  device = 'GPU' if tf.config.get_visible_devices('GPU') else 'CPU'
  return tf.function(function, jit_compile=device in _XLA_DEVICES[program], autograph=False)
