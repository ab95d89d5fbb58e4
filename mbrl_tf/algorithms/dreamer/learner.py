"""One gradient step of world model, actor, and value model."""

import math

import tensorflow as tf

from mbrl_tf.algorithms.dreamer import compilation, imagination, losses
from mbrl_tf.ops import returns


class Learner(tf.Module):
  """Owns the three optimizers; the models are handed in."""

  def __init__(self, world_model, actor, value, config):
    """Makes the optimizers' variables.

    Args:
      world_model: `WorldModel`.
      actor: `TanhNormalActor` or `OneHotActor`.
      value: `NormalHead`.
      config: `DreamerConfig`.
    """
    super().__init__(name='learner')
    self._world_model, self._actor, self._value, self._behavior = world_model, actor, value, config.behavior
    trainer = lambda module, rate: _Trainer(module.trainable_variables, rate, config.learner)
    # Which loss trains which variables: the model's loss the world model, the actor's loss the actor, the value's the value.
    self.model_trainer = trainer(world_model, config.model.learning_rate)
    self.actor_trainer = trainer(actor, config.behavior.actor_learning_rate)
    self.value_trainer = trainer(value, config.behavior.value_learning_rate)
    self.compiled_step = compilation.compiled('gradient_step', self.step)

  def step(self, batch, seed):
    """Learns from a batch of real sequences. All three gradients are those at the variables before the step.

    Args:
      batch: `types.Sequences`.
      seed: int32 `[2]`.

    Returns:
      A dict of metrics, each `[]`. A part whose loss or gradient is not finite is left as it was; its `skipped_share` tells so, of
      which `summaries.of_steps` makes an error where that goes on.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    with tf.GradientTape() as model_tape:
      model = self._world_model.loss(batch, seeds[0])
      model_loss = self.model_trainer.scaled(model.loss)
    start, start_weights = self._starts(model.posteriors, batch.terminated, seeds[2])
    with tf.GradientTape() as actor_tape:
      features, targets, weights, entropies = self.imagined_returns(start, start_weights, seeds[1])
      actor_loss = losses.actor_loss(targets + self._behavior.entropy_scale * entropies, weights)
      scaled_actor_loss = self.actor_trainer.scaled(actor_loss)
    with tf.GradientTape() as value_tape:
      value_loss = losses.value_loss(self._value(tf.stop_gradient(features[:-1])), targets, weights)
      scaled_value_loss = self.value_trainer.scaled(value_loss)
    gradients = (self.model_trainer.gradients(model_tape, model_loss),
                 self.actor_trainer.gradients(actor_tape, scaled_actor_loss),
                 self.value_trainer.gradients(value_tape, scaled_value_loss))
    applied = {
        **_in_room('model', self.model_trainer.apply(gradients[0], model.loss)),
        **_in_room('actor', self.actor_trainer.apply(gradients[1], actor_loss)),
        **_in_room('value', self.value_trainer.apply(gradients[2], value_loss))}
    return {
        **model.metrics, 'actor/loss': actor_loss, 'value/loss': value_loss, **applied,
        'actor/entropy': tf.reduce_mean(entropies),
        'imagine/return_mean': tf.reduce_mean(targets), 'imagine/weight_mean': tf.reduce_mean(weights)}

  def _starts(self, posteriors, terminated, seed):
    """States `[N, ...]` to imagine from, without gradients, and their weights `[N]`: 0 where the real episode had terminated."""
    starts = tf.nest.map_structure(lambda value: tf.stop_gradient(_merged(value)), posteriors)
    weights = 1 - tf.cast(_merged(terminated), tf.float32)
    if not self._behavior.start_states:
      return starts, weights
    chosen = tf.random.experimental.stateless_shuffle(tf.range(weights.shape[0]), seed)[:self._behavior.start_states]
    return tf.nest.map_structure(lambda value: tf.gather(value, chosen), starts), tf.gather(weights, chosen)

  def imagined_returns(self, start, start_weights, seed):
    """Features `[H + 1, N, F]` from states `[N, ...]` on; lambda-returns, weights, and entropies of the actor `[H, N]`."""
    behavior = self._behavior
    features, entropies = imagination.imagine(self._world_model.rssm, self._actor, start, behavior.horizon, seed)
    rewards = self._world_model.reward(features[:-1]).mean()
    discounts = self._world_model.discount(features[:-1], behavior.discount)
    values = self._value(features).mean()
    targets = returns.lambda_returns(rewards, values[:-1], discounts, values[-1], behavior.lambda_)
    return features, targets, losses.trajectory_weights(discounts, start_weights), entropies


class _Trainer(tf.Module):
  """Adam on some variables, with clipping by global norm, and loss scaling where float16 needs it."""

  def __init__(self, variables, learning_rate, config):
    super().__init__()
    self._variables, self._clip = variables, config.gradient_clip
    optimizer = tf.keras.optimizers.Adam(learning_rate, jit_compile=False)
    self._scales = config.precision == 'float16'
    self.optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer) if self._scales else optimizer
    self.optimizer.build(variables)

  def scaled(self, loss):
    """The loss to differentiate."""
    return self.optimizer.get_scaled_loss(loss) if self._scales else loss

  def gradients(self, tape, scaled_loss):
    """Gradients of the unscaled loss."""
    gradients = tape.gradient(scaled_loss, self._variables)
    return self.optimizer.get_unscaled_gradients(gradients) if self._scales else gradients

  def apply(self, gradients, loss):
    """Clips and applies gradients; leaves the step out where they or the loss are not finite.

    Args:
      gradients: of the unscaled loss.
      loss: the unscaled loss, `[]`.

    Returns:
      A dict of `gradient_norm`, the global norm before clipping, which is not finite where the step is left out; `skipped_share`,
      1 where it is left out and 0 where it is taken; and with loss scaling `loss_scale`, by which this step's loss was
      multiplied. Each `[]`.
    """
    norm = tf.where(tf.math.is_finite(loss), tf.linalg.global_norm(gradients), math.nan)
    clipped, _ = tf.clip_by_global_norm(gradients, self._clip, norm)  # all NaN where the norm is not finite

    def take():
      self.optimizer.apply_gradients(zip(clipped, self._variables))
      return True

    finite = tf.math.is_finite(norm)
    told = {'gradient_norm': norm, 'skipped_share': 1 - tf.cast(finite, tf.float32)}
    if not self._scales:
      tf.cond(finite, take, lambda: False)
      return told
    scale = tf.identity(self.optimizer.loss_scale)
    take()  # which leaves the step out by itself, and lowers the scale then
    return {**told, 'loss_scale': scale}


def _in_room(room, metrics):
  """Metrics under the names that are reported."""
  return {f'{room}/{name}': value for name, value in metrics.items()}


def _merged(value):
  """`[B, T, ...]` to `[B T, ...]`."""
  return tf.reshape(value, [value.shape[0] * value.shape[1], *value.shape[2:]])
