"""Dreamer's losses, and the parts of them; nothing here knows a network (Hafner et al. 2019, arXiv:1912.01603)."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.models import rssm

tfd = tfp.distributions


def kl_with_free_nats(posteriors, priors, free_nats, prior_weight=1.0, global_kl=None):
  """KL from prior to posterior, and what of it is penalised.

  Free nats are on the mean over the batch, as in the authors' code: one step may cost more while others cost less. With a prior's
  weight the penalty is the same number, of which the gradient into the prior counts so many times as published.

  Args:
    posteriors, priors: `types.LatentState` of `[B, T, ...]`.
    free_nats: the mean below which the penalty is constant.
    prior_weight: of the gradient with respect to the prior.
    global_kl: the mean KL of the batch of which these are some rows, `[]`; None where they are all of it.

  Returns:
    The mean KL of these rows in nats `[]`, and the penalty `[]`.
  """
  mean_kl = lambda q, p: tf.reduce_mean(tfd.kl_divergence(rssm.gaussian(q), rssm.gaussian(p)))
  still = lambda state: tf.nest.map_structure(tf.stop_gradient, state)
  divergence, of_prior = mean_kl(posteriors, still(priors)), mean_kl(still(posteriors), priors)
  penalty = divergence + prior_weight * (of_prior - tf.stop_gradient(of_prior))
  return divergence, tf.where((divergence if global_kl is None else global_kl) > free_nats, penalty, free_nats)


def image_log_likelihood(mean, target):
  """Of images under a normal with deviation 1 for each entry: summed over an image, averaged over images, `[]`.

  Args:
    mean: `[..., height, width, channels]`.
    target: as `mean`.
  """
  entries = math.prod(mean.shape[-3:])
  squared = tf.reduce_sum(tf.square(target - mean), [-3, -2, -1])
  return tf.reduce_mean(-0.5 * squared) - 0.5 * entries * math.log(2 * math.pi)


def trajectory_weights(discounts, start_weights):
  """How much each imagined state counts: the probability, times discount, that it is reached.

  Args:
    discounts: `[H, N]`, of what follows each state; no gradient flows through the weights.
    start_weights: `[N]`, 0 for a start at which the real episode had terminated, 1 otherwise.

  Returns:
    `[H, N]`.
  """
  reached = tf.concat([start_weights[None], discounts[:-1]], 0)
  return tf.stop_gradient(tf.math.cumprod(reached, 0))


def actor_loss(returns, weights):
  """The negative lambda-return, whose gradient flows through the imagined states into the actions (eq. 7); `[]`.

  Args:
    returns: `[H, N]`; where the actor's entropy is to count, with its share added.
    weights: `[H, N]`.
  """
  return -tf.reduce_mean(weights * returns)


def value_loss(values, returns, weights):
  """The negative log-likelihood of the lambda-returns (eq. 8); no gradient flows into the returns; `[]`.

  Args:
    values: distribution of batch shape `[H, N]`.
    returns: `[H, N]`.
    weights: `[H, N]`.
  """
  return -tf.reduce_mean(weights * values.log_prob(tf.stop_gradient(returns)))
