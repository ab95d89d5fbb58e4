"""Noise that is alike for a while, for exploring."""

import numpy as np
import tensorflow as tf

# Decisions after which each of the parts has forgotten itself: an octave and a half apart, which
# adds up to nearly equal power in each octave, as pink noise has.
_TIMES = (1.0, 3.0, 10.0, 30.0, 100.0)
_KEPT = tuple(float(np.exp(-1 / time)) if time > 1 else 0.0 for time in _TIMES)

PARTS = len(_TIMES)


def pink(state, is_first, seed):
  """One step of standard normal noise whose spectrum falls like 1 / f, about as pink noise does
  (Eberhard et al. 2023, "Pink noise is all you need", ICLR).

  It is the sum of independent first-order autoregressive processes of equal variance, so it needs
  no length of an episode, and at each step alone it is as white noise.

  Args:
    state: `[N, A, PARTS]`, what the step before returned; not read where an episode begins.
    is_first: bool `[N]`.
    seed: int32 `[2]`.

  Returns:
    The noise `[N, A]`, and the next state.
  """
  drawn = tf.random.stateless_normal(tf.shape(state), seed)
  kept = tf.constant(_KEPT)
  moved = kept * state + tf.sqrt(1 - tf.square(kept)) * drawn
  state = tf.where(is_first[:, None, None], drawn, moved)
  return tf.reduce_sum(state, -1) / PARTS**0.5, state
