"""Policy-gradient objectives, one value for each task; all are losses to be minimised."""

import tensorflow as tf

from mbrl_tf.ops import masks


def likelihood_ratio(log_probs, old_log_probs, advantages, mask):
  """The surrogate -E[ratio * advantage] without clipping.

  At the sampling parameters its gradient is the policy gradient, and its second derivative keeps the term
  grad log p * grad log p^T that log p * advantage loses (Rothfuss et al. 2019, arXiv:1810.06784, sec. 5).

  Args:
    log_probs, old_log_probs, advantages, mask: `[K, M]`.

  Returns:
    `[K]`.
  """
  ratio = _ratio(log_probs, old_log_probs, mask)
  return -masks.masked_mean(ratio * advantages, mask, axis=-1)


def clipped_likelihood_ratio(log_probs, old_log_probs, advantages, mask, clip):
  """PPO's clipped surrogate (Schulman et al. 2017, arXiv:1707.06347, eq. 7).

  Args:
    log_probs, old_log_probs, advantages, mask: `[K, M]`.
    clip: the ratio is clipped to [1 - clip, 1 + clip].

  Returns:
    `[K]`.
  """
  ratio = _ratio(log_probs, old_log_probs, mask)
  clipped = tf.clip_by_value(ratio, 1 - clip, 1 + clip)
  return -masks.masked_mean(tf.minimum(ratio * advantages, clipped * advantages), mask, axis=-1)


def _ratio(log_probs, old_log_probs, mask):
  """Likelihood ratio, 1 where masked: there it may overflow, and a gradient of 0 times infinity is NaN."""
  return tf.exp(masks.zero_masked(log_probs - tf.stop_gradient(old_log_probs), mask))
