"""Dreamer's losses, and the parts of them; nothing here knows a network (Hafner et al. 2019, arXiv:1912.01603)."""

import math

import tensorflow as tf

from mbrl_tf.models import rssm
from mbrl_tf.ops import returns as returns_lib


def kl_with_free_nats(posteriors, priors, free_nats, prior_weight=1.0, global_kl=None):
  """KL from prior to posterior, and what of it is penalised.

  Free nats are on the mean over the batch, as in the authors' code: one step may cost more while others cost less. With a prior's
  weight the penalty is the same number, of which the gradient into the prior counts so many times as published.

  Args:
    posteriors, priors: states of `[B, T, ...]`.
    free_nats: the mean below which the penalty is constant.
    prior_weight: of the gradient with respect to the prior.
    global_kl: the mean KL of the batch of which these are some rows, `[]`; None where they are all of it.

  Returns:
    The mean KL of these rows in nats `[]`, and the penalty `[]`.
  """
  divergence, of_prior = (tf.reduce_mean(each) for each in _divergences(posteriors, priors))
  penalty = divergence + prior_weight * (of_prior - tf.stop_gradient(of_prior))
  return divergence, tf.where((divergence if global_kl is None else global_kl) > free_nats, penalty, free_nats)


def kl_with_free_nats_each(posteriors, priors, free_nats, prior_weight=1.0):
  """As `kl_with_free_nats`, with what is free of each state: a state that costs less makes none
  cheaper that costs more (Hafner et al. 2023, arXiv:2301.04104, eq. 5).

  Args:
    posteriors, priors: states of `[B, T, ...]`.
    free_nats: below which the penalty of a state is constant.
    prior_weight: what the term counts whose gradient goes into the prior, beside that of the
      posterior, which counts 1.

  Returns:
    The mean KL in nats `[]`, and the penalty `[]`.
  """
  of_posterior, of_prior = _divergences(posteriors, priors)
  free = lambda divergences: tf.reduce_mean(tf.maximum(divergences, free_nats))
  return tf.reduce_mean(of_posterior), free(of_posterior) + prior_weight * free(of_prior)


def _divergences(posteriors, priors):
  """The KL of each state twice, `[B, T]`: with a gradient into the posterior alone, and into the
  prior alone."""
  still = lambda state: tf.nest.map_structure(tf.stop_gradient, state)
  divergence = lambda q, p: rssm.distribution(q).kl_divergence(rssm.distribution(p))
  return divergence(posteriors, still(priors)), divergence(still(posteriors), priors)


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


def pathwise(returns, values, log_probs, unit):
  """What the actor's loss makes larger where the gradient flows through the model
  (arXiv:1912.01603, eq. 7): returns in a unit, `[H, N]`. The arguments are those of
  `likelihood_ratio`."""
  del values, log_probs
  return returns / unit


def likelihood_ratio(returns, values, log_probs, unit):
  """What it makes larger where no gradient needs to come back from the model (Williams 1992;
  arXiv:2010.02193, eq. 6): the probability of actions that brought more than was expected.

  Args:
    returns: `[H, N]`, of what followed each action.
    values: `[H, N]`, expected before it. No gradient flows through either.
    log_probs: of the action in each state, `[H, N]`.
    unit: of returns, `[]`.
  """
  return log_probs * tf.stop_gradient((returns - values) / unit)


def replay_returns(batch, rewards, values, discount, lambda_):
  """Lambda-returns along real sequences, and what each counts (as in the code of DreamerV3's
  authors, 2024).

  A return ends in the value of the last row, where its sequence does, or its episode by truncation:
  such a row teaches nothing, and counts 0.

  Args:
    batch: `types.Sequences`.
    rewards: `[B, T]`, in the unit of values.
    values: `[B, T]`, of the states inferred at each row.
    discount: gamma.
    lambda_: of the returns.

  Returns:
    `[B, T]` each, without gradients.
  """
  cut = batch.is_first[:, 1:] & ~batch.terminated[:, :-1]
  discounts = tf.where(cut | batch.terminated[:, :-1], 0.0, discount)
  paid = tf.where(cut, values[:, :-1], rewards[:, :-1])
  found = returns_lib.lambda_returns(
      *(tf.transpose(each) for each in (paid, values[:, :-1], discounts)), values[:, -1], lambda_)
  targets = tf.concat([tf.transpose(found), values[:, -1:]], 1)
  return tf.stop_gradient(targets), tf.pad(1 - tf.cast(cut, tf.float32), [[0, 0], [0, 1]])
