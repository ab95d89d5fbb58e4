"""How TD-MPC2's programs are compiled on which device: decided here alone."""

import tensorflow as tf

# The devices on which XLA compiles a program, without images and with them: XLA on a CPU slows
# convolutions.
_XLA_DEVICES = {
    'update': {'vectors': ('CPU', 'GPU'), 'images': ('GPU',)},
    'plan': {'vectors': ('CPU', 'GPU'), 'images': ('CPU', 'GPU')}}


def compiled(program, function, images=False):
  """Compiles a pure function of tensors into one program.

  Args:
    program: `update` or `plan`, which decides how.
    function: of tensors, without Python side effects.
    images: whether it has convolutions.

  Returns:
    A `tf.function`.
  """
  device = 'GPU' if tf.config.get_visible_devices('GPU') else 'CPU'
  by_xla = device in _XLA_DEVICES[program]['images' if images else 'vectors']
  return tf.function(function, jit_compile=by_xla, autograph=False)
