"""The meta-learner: adapts the meta-policy to each dynamics model, and improves it through the adaptation."""

import tensorflow as tf

from mbrl_tf.algorithms.mbmpo import imagination as imagination_lib
from mbrl_tf.algorithms.mbmpo import losses
from mbrl_tf.models import policies


class MetaLearner(tf.Module):
  """Owns the meta-policy's optimizer and the penalty coefficients; the meta-policy's variables are the policy model's.

  Of all variables, a meta-update changes the meta-policy alone, besides the optimizer and the coefficients.
  """

  def __init__(self, policy, imagination, members, config):
    """Makes the optimizer.

    Args:
      policy: a `ParametricPolicy`.
      imagination: `Imagination` with this policy.
      members: `K`.
      config: `MetaConfig`.
    """
    super().__init__(name='meta_learner')
    self._policy, self._imagination, self._members, self._config = policy, imagination, members, config
    self.kl_coefficients = tf.Variable(tf.fill([members], float(config.kl_coefficient)), trainable=False)
    self.optimizer = tf.keras.optimizers.Adam(config.outer_lr, jit_compile=False)
    self.optimizer.build(policy.parameters)
    # XLA gains the most in rollouts: 200 dependent steps of small products. They are a program of their own, because the
    # change of axes behind them would otherwise choose the memory layout inside the scan, which then takes twice as long.
    compiled = lambda function: tf.function(function, jit_compile=True)
    self._imagine, self._task_batch = compiled(imagination.scan), compiled(self._batch)
    self._inner_step, self._take_outer_steps = compiled(self._adapted), compiled(self._outer_steps)
    self.compiled_meta_update, self.compiled_adapt = tf.function(self.meta_update), tf.function(self.adapt)

  def adapt(self, starts, seed):
    """Imagines with the meta-policy and takes the inner steps in each task, each step on fresh rollouts.

    Args:
      starts: `[K, B, O]`.
      seed: int32 `[2]`.

    Returns:
      The adapted parameters (list of `[K, ...]`), and for each inner step its `TaskBatch` and its `Rollouts` (time leads).
    """
    adapted = [tf.repeat(tf.convert_to_tensor(p)[None], self._members, 0) for p in self._policy.parameters]
    seeds = tf.random.experimental.stateless_split(seed, self._config.inner_steps)
    batches, rollouts = [], []
    for index in range(self._config.inner_steps):
      rollouts.append(self._imagine(adapted, starts, seeds[index]))
      batches.append(self._task_batch(adapted, rollouts[-1]))
      adapted = self._inner_step(adapted, batches[-1])
    return adapted, batches, rollouts

  def meta_update(self, starts, seed):
    """Adapts, imagines again with the adapted policies, and takes the outer steps.

    Args:
      starts: `[2, K, B, O]`, for the rollouts before and after adaptation.
      seed: int32 `[2]`.

    Returns:
      A dict of tensors: `return_mean`, `return_min`, `return_max` and `length` `[inner_steps + 1, K]` of the rollouts
      after 0, 1, ... inner steps; and what the outer steps tell, `[]` or `[K]`.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    adapted, before, rollouts = self.adapt(starts[0], seeds[0])
    rollouts.append(self._imagine(adapted, starts[1], seeds[1]))
    result = self._take_outer_steps(before, self._task_batch(adapted, rollouts[-1]))
    totals = tf.stack([tf.reduce_sum(r.reward, 0) for r in rollouts])
    lengths = tf.stack([tf.reduce_sum(r.mask, 0) for r in rollouts])
    return {**result, 'return_mean': tf.reduce_mean(totals, -1), 'return_min': tf.reduce_min(totals, -1),
            'return_max': tf.reduce_max(totals, -1), 'length': tf.reduce_mean(lengths, -1)}

  def _batch(self, parameters, scanned):
    """What the losses need of rollouts in which time leads."""
    rollouts = imagination_lib.members_first(scanned)
    return losses.task_batch(self._policy, parameters, rollouts, self._imagination.advantages(rollouts))

  def _adapted(self, parameters, batch):
    """The parameters after one inner step."""
    return losses.adapt(self._policy, parameters, batch, self._config.inner_lr)

  def meta_gradient(self, before, after):
    """The gradient of the meta-loss with respect to the meta-policy, through the adaptation, and the loss's parts."""
    config = self._config
    with tf.GradientTape() as tape:
      parameters = [tf.convert_to_tensor(p) for p in self._policy.parameters]
      tape.watch(parameters)
      parts = losses.meta_loss(self._policy, parameters, before, after, self.kl_coefficients, config.inner_lr, config.clip)
    return tape.gradient(parts.loss, parameters), parts

  def _outer_steps(self, before, after):
    """Takes `outer_epochs` steps of Adam on the same data, or fewer where the KL says stop, then adjusts the penalty.

    A step whose loss or gradient is not finite is left out, and counted; a penalty whose KL is not finite stays.
    """
    config = self._config
    norm = largest = tf.constant(0.0)
    steps = skipped = tf.constant(0)
    for _ in tf.range(config.outer_epochs):
      gradients, tried = self.meta_gradient(before, after)
      if config.kl_stop and tf.reduce_mean(tried.inner_kl) > config.kl_stop * config.kl_target:
        break
      found = tf.linalg.global_norm(gradients)
      if tf.math.is_finite(found) and tf.math.is_finite(tried.loss):
        norm, largest = found, tf.maximum(largest, found)
        if config.gradient_clip:
          gradients, _ = tf.clip_by_global_norm(gradients, config.gradient_clip, norm)
        self.optimizer.apply_gradients(zip(gradients, self._policy.parameters))
        steps += 1
      else:
        skipped += 1
    parts = losses.meta_loss(self._policy, [tf.convert_to_tensor(p) for p in self._policy.parameters],
                             before, after, self.kl_coefficients, config.inner_lr, config.clip)
    divergences = tf.where(tf.math.is_finite(parts.inner_kl), parts.inner_kl, config.kl_target)
    self.kl_coefficients.assign(losses.adjusted_kl_coefficients(
        self.kl_coefficients, divergences, config.kl_target, config.kl_coefficient, config.kl_coefficient_max))
    return {'loss': parts.loss, 'surrogate': parts.surrogate, 'inner_kl': parts.inner_kl, 'outer_kl': parts.outer_kl,
            'kl_coefficient': tf.convert_to_tensor(self.kl_coefficients), 'gradient_norm': norm,
            'gradient_norm_max': largest, 'outer_steps': tf.cast(steps, tf.float32),
            'skipped_steps': tf.cast(skipped, tf.float32), 'policy_std': self._policy_std()}

  def _policy_std(self):
    """Standard deviation of a Gaussian meta-policy `[A]`; 0 for discrete actions, which have none."""
    if isinstance(self._policy, policies.GaussianPolicy):
      return self._policy.deviation([tf.convert_to_tensor(p) for p in self._policy.parameters])
    return tf.zeros([1])
