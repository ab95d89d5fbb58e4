"""How gradients are kept from being too large: pure functions of them."""

import math

import tensorflow as tf

_LEAST_NORM = 1e-3  # of a variable, so that one that begins at 0 can move


def global_norm(gradients, variables, norm, clip):
  """All gradients, scaled so that their global norm is at most `clip`.

  Args:
    gradients: list of tensors.
    variables: not read.
    norm: their global norm, `[]`; where it is not finite, what is returned is all NaN.
    clip: a number.
  """
  del variables
  return tf.clip_by_global_norm(gradients, clip, norm)[0]


def adaptive(gradients, variables, norm, clip):
  """Each gradient, scaled so that its norm is at most `clip` times that of its variable (Brock et
  al. 2021, arXiv:2102.06171, section 4; for whole tensors as in arXiv:2301.04104).

  Args:
    gradients: list of tensors.
    variables: what they are of, in their order.
    norm: their global norm, `[]`; where it is not finite, what is returned is all NaN.
    clip: a number.
  """
  poison = tf.where(tf.math.is_finite(norm), 1.0, math.nan)
  clipped = []
  for gradient, variable in zip(gradients, variables):
    most = clip * tf.maximum(tf.norm(tf.convert_to_tensor(variable)), _LEAST_NORM)
    clipped.append(gradient * (poison * tf.minimum(1.0, most / (tf.norm(gradient) + 1e-20))))
  return clipped
