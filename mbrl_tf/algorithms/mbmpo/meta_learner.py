"""The meta-learner: adapts the meta-policy to each dynamics model, and improves it through the adaptation."""

import tensorflow as tf

from mbrl_tf.algorithms.mbmpo import imagination as imagination_lib
from mbrl_tf.algorithms.mbmpo import losses
from mbrl_tf.ops import replicas


class MetaLearner(tf.Module):
  """Owns the meta-policy's optimizer and the penalty coefficients; the meta-policy's variables are the policy model's.

  Of all variables, a meta-update changes the meta-policy alone, besides the optimizer and the coefficients.

  Made within the scope of a `tf.distribute.Strategy`, it shares the K tasks among the strategy's replicas: each of the R simulates
  and adapts K / R of them, `k` below, and only the meta-gradient and what is told cross replicas.
  """

  def __init__(self, policy, imagination, members, config):
    """Makes the optimizer.

    Args:
      policy: a `ParametricPolicy`.
      imagination: `Imagination` with this policy.
      members: `K`.
      config: `MetaConfig`.

    Raises:
      UserError: where the strategy's replicas cannot share the tasks evenly.
    """
    super().__init__(name='meta_learner')
    self._policy, self._imagination, self._config = policy, imagination, config
    self._strategy = tf.distribute.get_strategy()
    replicas.require_even(self._strategy, 'ensemble.members', members)
    self.kl_coefficients = tf.Variable(tf.fill([members], float(config.kl_coefficient)), trainable=False)
    self.optimizer = tf.keras.optimizers.Adam(config.outer_lr, jit_compile=False)
    self.optimizer.build(policy.parameters)
    # XLA gains the most in rollouts: 200 dependent steps of small products. They are a program of their own, because the
    # change of axes behind them would otherwise choose the memory layout inside the scan, which then takes twice as long.
    compiled = lambda function: tf.function(function, jit_compile=True, autograph=False)
    self._imagine, self._task_batch, self._inner_step = compiled(imagination.scan), compiled(self._batch), compiled(self._adapted)
    alone = self._strategy.num_replicas_in_sync == 1
    if not alone:  # XLA cannot reach across replicas: what each computes alone is a program
      self.meta_gradient, self._final_parts = compiled(self.meta_gradient), compiled(self._final_parts)
    # AutoGraph makes a loop of its steps; it takes seconds to read code, so it reads nothing else.
    self._take_outer_steps = tf.function(self._outer_steps, jit_compile=alone)
    self.compiled_meta_update, self.compiled_adapt = (
        tf.function(function, autograph=False) for function in (self.meta_update, self.adapted_parameters))

  def adapted_parameters(self, starts, seed):
    """The parameters of all tasks after the inner steps, a list of `[K, ...]`; arguments as for `adapt`, but all tasks' starts."""
    run = lambda starts, seed: replicas.gather(self.adapt(replicas.rows(starts), seed)[0])
    return replicas.first(self._strategy, self._strategy.run(run, (starts, seed)))

  def adapt(self, starts, seed):
    """Imagines with the meta-policy and takes the inner steps in each task, each step on fresh rollouts; in a replica.

    Args:
      starts: `[k, B, O]`.
      seed: int32 `[2]`.

    Returns:
      The adapted parameters (list of `[k, ...]`), and for each inner step its `TaskBatch` and its `Rollouts` (time leads).
    """
    adapted = [tf.repeat(tf.convert_to_tensor(p)[None], starts.shape[0], 0) for p in self._policy.parameters]
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
    before, after, statistics = self._strategy.run(self._imagined, (starts, seed))
    statistics = replicas.first(self._strategy, statistics)
    return {**self._take_outer_steps(before, after), **{name: tf.transpose(value) for name, value in statistics.items()}}

  def _imagined(self, starts, seed):
    """A replica's data before and after adaptation, and statistics of all tasks' rollouts, `[K, inner_steps + 1]`."""
    seeds = tf.random.experimental.stateless_split(seed, 2)
    starts = replicas.rows(starts, axis=1)
    adapted, before, rollouts = self.adapt(starts[0], seeds[0])
    rollouts.append(self._imagine(adapted, starts[1], seeds[1]))
    first = [tf.math.cumprod(1 - r.ended, 0, exclusive=True) for r in rollouts]  # until they begin again
    totals = tf.stack([tf.reduce_sum(r.reward * f, 0) for r, f in zip(rollouts, first)], 1)
    lengths = tf.stack([tf.reduce_sum(r.mask * f, 0) for r, f in zip(rollouts, first)], 1)
    statistics = {'return_mean': tf.reduce_mean(totals, -1), 'return_min': tf.reduce_min(totals, -1),
                  'return_max': tf.reduce_max(totals, -1), 'length': tf.reduce_mean(lengths, -1)}
    return before, self._task_batch(adapted, rollouts[-1]), replicas.gather(statistics)

  def _batch(self, parameters, scanned):
    """What the losses need of rollouts in which time leads."""
    rollouts = imagination_lib.members_first(scanned)
    return losses.task_batch(self._policy, parameters, rollouts, self._imagination.advantages(rollouts))

  def _adapted(self, parameters, batch):
    """The parameters after one inner step."""
    return losses.adapt(self._policy, parameters, batch, self._config.inner_lr)

  def meta_gradient(self, before, after):
    """The gradient of a replica's meta-loss with respect to the meta-policy, through the adaptation, and the loss's parts."""
    with tf.GradientTape() as tape:
      parameters = [tf.convert_to_tensor(p) for p in self._policy.parameters]
      tape.watch(parameters)
      parts = self._loss_parts(parameters, before, after)
    return tape.gradient(parts.loss, parameters), parts

  def _final_parts(self, before, after):
    """The parts of a replica's meta-loss at the meta-policy."""
    return self._loss_parts([tf.convert_to_tensor(p) for p in self._policy.parameters], before, after)

  def _loss_parts(self, parameters, before, after):
    return losses.meta_loss(self._policy, parameters, before, after, replicas.rows(self.kl_coefficients), self._config.inner_lr,
                            self._config.clip)

  @tf.autograph.experimental.do_not_convert
  def _agreed_gradient(self, before, after):
    """Gradient, loss and mean inner KL of all tasks, in a replica."""
    gradients, parts = self.meta_gradient(before, after)
    return replicas.mean((gradients, parts.loss, tf.reduce_mean(parts.inner_kl)))

  @tf.autograph.experimental.do_not_convert
  def _agreed_parts(self, before, after):
    """`MetaLoss` of all tasks, in a replica."""
    parts = self._final_parts(before, after)
    return losses.MetaLoss(replicas.mean(parts.loss), *replicas.gather(parts[1:]))

  @tf.autograph.experimental.do_not_convert
  def _take(self, gradients):
    """One step of Adam, in a replica; the gradients are clipped by their global norm."""
    if self._config.gradient_clip:
      gradients, _ = tf.clip_by_global_norm(gradients, self._config.gradient_clip)
    self.optimizer.apply_gradients(zip(gradients, self._policy.parameters), skip_gradients_aggregation=True)

  def _outer_steps(self, before, after):
    """Takes `outer_epochs` steps of Adam on the same data, or fewer where the KL says stop, then adjusts the penalty.

    A step whose loss or gradient is not finite is left out, and counted; a penalty whose KL is not finite stays.
    """
    config, strategy = self._config, self._strategy
    norm = largest = tf.constant(0.0)
    steps = skipped = tf.constant(0)
    for _ in tf.range(config.outer_epochs):
      agreed = strategy.run(self._agreed_gradient, (before, after))
      gradients, loss, inner_kl = replicas.first(strategy, agreed)
      if config.kl_stop and inner_kl > config.kl_stop * config.kl_target:
        break
      found = tf.linalg.global_norm(gradients)
      if tf.math.is_finite(found) and tf.math.is_finite(loss):
        norm, largest = found, tf.maximum(largest, found)
        strategy.run(self._take, (agreed[0],))
        steps += 1
      else:
        skipped += 1
    parts = replicas.first(strategy, strategy.run(self._agreed_parts, (before, after)))
    divergences = tf.where(tf.math.is_finite(parts.inner_kl), parts.inner_kl, config.kl_target)
    self.kl_coefficients.assign(losses.adjusted_kl_coefficients(
        tf.convert_to_tensor(self.kl_coefficients), divergences, config.kl_target, config.kl_coefficient,
        config.kl_coefficient_max))
    return {'loss': parts.loss, 'surrogate': parts.surrogate, 'inner_kl': parts.inner_kl, 'outer_kl': parts.outer_kl,
            'kl_coefficient': tf.convert_to_tensor(self.kl_coefficients), 'gradient_norm': norm,
            'gradient_norm_max': largest, 'outer_steps': tf.cast(steps, tf.float32),
            'skipped_steps': tf.cast(skipped, tf.float32), 'policy_std': self._policy_std()}

  def _policy_std(self):
    """Standard deviation of the meta-policy's numbers `[C]`; 0 where there are choices alone."""
    if self._policy.action.numbers:
      return self._policy.deviation([tf.convert_to_tensor(p) for p in self._policy.parameters])
    return tf.zeros([1])
