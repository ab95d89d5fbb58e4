"""The losses of the inner adaptation and of the meta-policy, one value for each task."""

from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from mbrl_tf.ops import masks, objectives

tfd = tfp.distributions



class TaskBatch(NamedTuple):
  """Imagined steps of K tasks, `M = B H` each, with the parameters of the policies that sampled them."""
  observation: Any         # [K, M, O]
  action: Any              # [K, M, A] or [K, M]
  advantage: Any           # [K, M], standardised, 0 where masked
  mask: Any                # [K, M]
  old_log_prob: Any        # [K, M], under the policy that sampled the action
  old_parameters: Any      # list of [K, ...], of that policy


def task_batch(policy, parameters, rollouts, advantages):
  """Flattens rollouts and adds what the losses need of the policy that sampled them.

  Args:
    policy: a model with `distribution`.
    parameters: list of `[K, ...]`, of the sampling policies.
    rollouts: `types.Rollouts`.
    advantages: `[K, B, H]`.
  """
  flat = lambda x: tf.reshape(x, [x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]])
  observation, action = flat(rollouts.observation), flat(rollouts.action)
  old_log_prob = policy.distribution(parameters, observation).log_prob(action)
  return TaskBatch(observation, action, flat(advantages), flat(rollouts.mask), old_log_prob, parameters)


def inner_loss(policy, parameters, batch):
  """What one task descends to adapt: the likelihood-ratio surrogate, whose value at the sampling policy is -mean advantage.

  Clavera et al. 2018 (arXiv:1809.05214), eq. 5.

  Args:
    policy: a model with `distribution`.
    parameters: list of `[K, ...]`.
    batch: `TaskBatch`.

  Returns:
    `[K]`.
  """
  log_prob = policy.distribution(parameters, batch.observation).log_prob(batch.action)
  return objectives.likelihood_ratio(log_prob, batch.old_log_prob, batch.advantage, batch.mask)


def adapt(policy, parameters, batch, inner_lr):
  """One gradient step of each task on its own loss; differentiable to any order.

  Args:
    policy: a model with `distribution`.
    parameters: list of `[K, ...]`.
    batch: `TaskBatch`.
    inner_lr: step size.

  Returns:
    list of `[K, ...]`.
  """
  with tf.GradientTape() as tape:
    tape.watch(parameters)
    # Task k's loss depends on row k alone, so the gradient of the sum is each task's own.
    loss = tf.reduce_sum(inner_loss(policy, parameters, batch))
  gradients = tape.gradient(loss, parameters)
  return [parameter - inner_lr * gradient for parameter, gradient in zip(parameters, gradients)]


def kl_from_sampling_policy(policy, parameters, batch):
  """Mean KL from the policy that sampled the batch to the one given, `[K]`, in nats."""
  old = policy.distribution([tf.stop_gradient(p) for p in batch.old_parameters], batch.observation)
  divergence = tfd.kl_divergence(old, policy.distribution(parameters, batch.observation))
  return masks.masked_mean(divergence, batch.mask, axis=-1)


class MetaLoss(NamedTuple):
  """The meta-policy's loss and its parts."""
  loss: Any                # []
  surrogate: Any           # [K], clipped, after adaptation
  inner_kl: Any            # [K], from the old meta-policy to the current one, on the data before adaptation
  outer_kl: Any            # [K], from the old adapted policy to the current one, on the data after adaptation


def meta_loss(policy, parameters, before, after, kl_coefficients, inner_lr, clip):
  """The outer objective: PPO on the data *after* adaptation, differentiated through the adaptation on the data before.

  Clavera et al. 2018 (arXiv:1809.05214), eq. 6, with the proximal outer step of Rothfuss et al. 2019
  (arXiv:1810.06784), eq. 14.

  Args:
    policy: a model with `distribution`.
    parameters: the meta-policy, a list of `[...]` without a task axis.
    before: one `TaskBatch` for each inner step; batch i was sampled by the policies that took i steps.
    after: `TaskBatch`, sampled by the adapted policies.
    kl_coefficients: `[K]`.
    inner_lr: step size of the adaptation.
    clip: of the likelihood ratio.

  Returns:
    `MetaLoss`.
  """
  tasks = after.mask.shape[0]
  adapted = [tf.repeat(parameter[None], tasks, 0) for parameter in parameters]
  inner_kl = tf.zeros_like(kl_coefficients)
  for batch in before:
    inner_kl += kl_from_sampling_policy(policy, adapted, batch) / len(before)
    adapted = adapt(policy, adapted, batch, inner_lr)
  log_prob = policy.distribution(adapted, after.observation).log_prob(after.action)
  surrogate = objectives.clipped_likelihood_ratio(log_prob, after.old_log_prob, after.advantage, after.mask, clip)
  loss = tf.reduce_mean(surrogate + kl_coefficients * inner_kl)
  return MetaLoss(loss, surrogate, inner_kl, kl_from_sampling_policy(policy, adapted, after))


def adjusted_kl_coefficients(coefficients, divergences, target, least, most):
  """Halves a task's coefficient where its KL is below target / 1.5, doubles it above 1.5 target (arXiv:1707.06347, sec. 4).

  Halving ends at `least`: from far below it a coefficient comes back too late for a policy whose deviation has shrunk.
  Doubling ends at `most`: Adam's steps are as long whatever the penalty weighs, so that a task whose KL they overshoot
  would have its coefficient doubled for ever, and nothing else would count.

  Args:
    coefficients: `[K]`.
    divergences: `[K]`, in nats.
    target: in nats.
    least: lower bound of the coefficients, above 0.
    most: upper bound of the coefficients.

  Returns:
    `[K]`.
  """
  lower = tf.where(divergences < target / 1.5, tf.maximum(coefficients / 2, least), coefficients)
  return tf.where(divergences > target * 1.5, tf.minimum(coefficients * 2, most), lower)
