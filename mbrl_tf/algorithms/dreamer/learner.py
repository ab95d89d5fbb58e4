"""One gradient step of world model, actor, and value model."""

import functools
from typing import Any, Mapping, NamedTuple

import tensorflow as tf

from mbrl_tf.algorithms.dreamer import compilation, imagination, losses
from mbrl_tf.models import rssm
from mbrl_tf.models import trainer as trainer_lib
from mbrl_tf.ops import clipping, replicas, returns

_RETURN_SCALE_RATE = 0.01  # of the running average, in a gradient step (arXiv:2301.04104, section 2.3)


class Found(NamedTuple):
  """What a batch says of each part, before anything is changed."""
  gradients: Mapping[str, Any]   # `model`, `actor`, `value` to a list of tensors shaped as the part's variables
  losses: Mapping[str, Any]      # the same to `[]`
  metrics: Mapping[str, Any]     # each []
  returns: Any                   # [M], imagined; empty where their percentiles are not asked for


class Judged(NamedTuple):
  """Imagined trajectories and what they are worth; time leads."""
  features: Any    # [H + 1, N, F]
  targets: Any     # [H, N], lambda-returns
  weights: Any     # [H, N], what each state counts
  entropies: Any   # [H, N], of the actor
  cut: Any         # [], the share of the rewards that lay beyond their bounds
  values: Any      # [H, N]
  log_probs: Any   # [H, N], of the drawn actions; None where gradients come through the dynamics


class Starts(NamedTuple):
  """Where imagined trajectories begin."""
  state: Any    # a state of the RSSM, [N, ...]
  weight: Any   # [N], 0 where the real episode had terminated
  paid: Any     # [N], 0 where the real episode began: no action led there, and the reward head learned of no reward there


class Learner(tf.Module):
  """Owns the three optimizers; the models are handed in.

  Attributes:
    discount: gamma, a variable.

  Made within the scope of a `tf.distribute.Strategy`, it shares each batch among the strategy's replicas.
  """

  def __init__(self, world_model, actor, value, config, discount=None, slow_value=None):
    """Makes the optimizers' variables.

    Args:
      world_model: `WorldModel`.
      actor: `latent_actor.Actor`.
      value: from features to a distribution of returns, as `networks` makes it.
      config: `DreamerConfig`.
      discount: gamma at first; None for `behavior.discount`.
      slow_value: a model like `value`, which is to follow it; None for none.

    Raises:
      UserError: where the strategy's replicas cannot share a batch evenly.
    """
    super().__init__(name='learner')
    self._world_model, self._actor, self._value, self._behavior = world_model, actor, value, config.behavior
    self.discount = tf.Variable(
        config.behavior.discount if discount is None else discount, trainable=False,
        name='discount')
    self._slow_value = slow_value
    self._move_slow_value(1.0)
    gradient = config.behavior.gradient
    if gradient == 'auto':
      gradient = 'reinforce' if actor.action.choices else 'dynamics'
    self._worth = {'dynamics': losses.pathwise, 'reinforce': losses.likelihood_ratio}[gradient]
    self.strategy = tf.distribute.get_strategy()
    replicas.require_even(self.strategy, 'replay.batch_size', config.replay.batch_size)
    self._starts_per_sequence = config.behavior.start_states // config.replay.batch_size
    settings, scales = config.learner, config.learner.precision == 'float16'
    clip, steps = settings.gradient_clip, settings.warm_up_steps
    if settings.adaptive_clip:
      clip = functools.partial(clipping.adaptive, clip=settings.adaptive_clip)
    trainer = lambda module, rate: trainer_lib.Trainer(
        module.trainable_variables, trainer_lib.WarmUp(rate, steps) if steps else rate, clip, scales)
    # Which loss trains which variables: the model's loss the world model, the actor's loss the actor, the value's the value.
    self.trainers = {
        'model': trainer(world_model, config.model.learning_rate),
        'actor': trainer(actor, config.behavior.actor_learning_rate),
        'value': trainer(value, config.behavior.value_learning_rate)}
    # The least and the largest real reward of a decision so far; 0 is that of no decision, and of all that follows an end.
    self.reward_range = tf.Variable([0.0, 0.0], trainable=False, name='reward_range')
    # A running average of the deviation of imagined returns, or of their range, the unit in which
    # the actor's loss measures them.
    self.return_scale = tf.Variable(0.0, trainable=False, name='return_scale') if self._behavior.normalize_returns else None
    # Free nats are on the mean KL of the whole batch, which no replica knows by itself.
    of_mean = config.model.free_nats > 0 and not config.model.free_nats_each
    self._asks_for_kl = self.strategy.num_replicas_in_sync > 1 and of_mean
    self.compiled_step = self._compiled()

  def widen_reward_range(self, least, largest):
    """Takes note of new real data's least and largest reward, outside of replicas."""
    known = self.reward_range.numpy()
    self.reward_range.assign([min(known[0], least), max(known[1], largest)])

  def step(self, batch, seed):
    """Learns from a batch of real sequences. All three gradients are those at the variables before the step.

    Args:
      batch: `types.Sequences`, as `replicas.share` gives it.
      seed: int32 `[2]`.

    Returns:
      A dict of metrics, each `[]`. A part whose loss or gradient is not finite is left as it was; its `skipped_share` tells so, of
      which `step_metrics.of_steps` makes an error where that goes on.
    """
    found = self.strategy.run(self._agreed, (batch, seed))
    told = dict(found.metrics)
    for part, trainer in self.trainers.items():
      applied = trainer.apply(found.gradients[part], found.losses[part])
      told.update({f'{part}/{name}': value for name, value in applied.items()})
    told = replicas.first(self.strategy, told)
    # Of replicas' means, too; of one it is 0 and not what rounding leaves of large squares.
    between = tf.maximum(told.pop('imagine/return_mean_square') - tf.square(told['imagine/return_mean']), 0)
    told['imagine/return_std'] = tf.sqrt(told.pop('imagine/return_variance') + between)
    self._follow_return_scale(returns.percentile_range(replicas.first(self.strategy, found.returns))
                              if self._behavior.return_percentiles else told['imagine/return_std'])
    self._move_slow_value(self._behavior.slow_value_rate)
    for name in ('imagine/return_mean', 'imagine/return_std'):
      told[name] *= self._world_model.units.reward
    return told

  def found(self, batch, seed, global_kl=None):
    """Gradients and losses of a batch, or of the rows of it that a replica has; pure.

    Args:
      batch: `types.Sequences`.
      seed: int32 `[2]`.
      global_kl: the mean KL of the whole batch, `[]`; None where these rows are all of it.

    Returns:
      `Found`; losses are not scaled.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    with tf.GradientTape() as model_tape:
      model = self._world_model.loss(batch, seeds[0], global_kl)
      scaled_model_loss = self.trainers['model'].scaled(model.loss)
    starts = self._starts(model.posteriors, batch, seeds[2])
    with tf.GradientTape() as actor_tape:
      judged = self.imagined_returns(starts, seeds[1])
      # Where entropies count nothing, they are told alone: no gradient is computed through them.
      scale = self._behavior.entropy_scale
      bonus = scale * judged.entropies if scale else 0.0
      worth = self._worth(judged.targets, judged.values, judged.log_probs, self._return_unit())
      actor_loss = losses.actor_loss(worth + bonus, judged.weights)
      scaled_actor_loss = self.trainers['actor'].scaled(actor_loss)
    with tf.GradientTape() as value_tape:
      value_loss = self._value_loss(judged, model.posteriors, batch)
      scaled_value_loss = self.trainers['value'].scaled(value_loss)
    targets = judged.targets
    return_mean = tf.reduce_mean(targets)
    metrics = {
        **model.metrics, 'actor/loss': actor_loss, 'value/loss': value_loss,
        'actor/entropy': tf.reduce_mean(judged.entropies),
        'imagine/return_mean': return_mean, 'imagine/return_mean_square': tf.square(return_mean),
        'imagine/return_variance': tf.math.reduce_variance(targets),
        'imagine/weight_mean': tf.reduce_mean(judged.weights),
        'imagine/cut_share': judged.cut}
    return Found(
        {'model': self.trainers['model'].gradients(model_tape, scaled_model_loss),
         'actor': self.trainers['actor'].gradients(actor_tape, scaled_actor_loss),
         'value': self.trainers['value'].gradients(value_tape, scaled_value_loss)},
        {'model': model.loss, 'actor': actor_loss, 'value': value_loss}, metrics,
        tf.reshape(targets, [-1]) if self._behavior.return_percentiles else ())

  def _compiled(self):
    """One program on one device. Of several replicas, what each computes alone is one, and what they exchange lies between."""
    if self.strategy.num_replicas_in_sync == 1:
      return compilation.compiled('gradient_step', self.step)
    self.found = compilation.compiled('gradient_step', self.found)
    self._divergence = compilation.compiled('gradient_step', self._world_model.divergence)
    return tf.function(self.step, autograph=False)

  def _agreed(self, batch, seed):
    """`Found` of the whole batch, in a replica's context."""
    global_kl = None
    if self._asks_for_kl:
      model_seed = tf.random.experimental.stateless_split(seed, 3)[0]
      global_kl = replicas.mean(self._divergence(batch, model_seed))
    found = self.found(batch, seed, global_kl)
    agreed = replicas.mean(found._replace(returns=()))
    return agreed._replace(returns=replicas.gather(found.returns))

  def _starts(self, posteriors, batch, seed):
    """`Starts` among the states inferred from a batch, without gradients."""
    starts = Starts(posteriors, 1 - tf.cast(batch.terminated, tf.float32), 1 - tf.cast(batch.is_first, tf.float32))
    starts = tf.nest.map_structure(tf.stop_gradient, starts)
    if self._starts_per_sequence:
      chosen = tf.math.top_k(replicas.uniform(batch.terminated.shape, seed), self._starts_per_sequence).indices
      starts = tf.nest.map_structure(lambda value: tf.gather(value, chosen, batch_dims=1), starts)
    return tf.nest.map_structure(_merged, starts)

  def imagined_returns(self, starts, seed):
    """`Judged` trajectories from `Starts` on."""
    behavior = self._behavior
    imagined = imagination.imagine(
        self._world_model.rssm, self._actor, starts.state, behavior.horizon, seed)
    features = imagined.features
    rewards = self._world_model.reward(features[:-1]).mean()
    rewards = tf.concat([rewards[:1] * starts.paid, rewards[1:]], 0)
    discounts = self._world_model.discount(features[:-1], self.discount)
    values = self._value(features).mean()
    rewards, values, cut = self._within_bounds(rewards, values)
    targets = returns.lambda_returns(rewards, values[:-1], discounts, values[-1], behavior.lambda_)
    log_probs = None
    if self._worth is losses.likelihood_ratio:
      drawn = tf.stop_gradient(imagined.samples)
      log_probs = self._actor.distribution(imagined.raw).log_prob(drawn)
    weights = losses.trajectory_weights(discounts, starts.weight)
    return Judged(features, targets, weights, imagined.entropies, cut, values[:-1], log_probs)

  def _value_loss(self, judged, posteriors, batch):
    """The loss of the value model: of what was imagined, of what the slow model says there, and of
    real returns."""
    behavior, still = self._behavior, tf.stop_gradient
    features = still(judged.features[:-1])
    told = self._value(features)
    loss = losses.value_loss(told, judged.targets, judged.weights)
    if self._slow_value is not None:
      of_slow = self._slow_value(features).mean()
      loss += behavior.slow_value_scale * losses.value_loss(told, of_slow, judged.weights)
    if behavior.replay_value_scale:
      told = self._value(still(rssm.features(posteriors)))
      rewards = batch.reward / self._world_model.units.reward
      targets, weights = losses.replay_returns(
          batch, rewards, told.mean(), self.discount, behavior.lambda_)
      loss += behavior.replay_value_scale * losses.value_loss(told, targets, weights)
    return loss

  def _move_slow_value(self, rate):
    """Lets the slow value model go a share of the way towards the other."""
    if self._slow_value is not None:
      for slow, fast in zip(self._slow_value.trainable_variables, self._value.trainable_variables):
        slow.assign_add(rate * (fast - slow))

  def _return_unit(self):
    """What the actor's loss divides returns by, `[]`: small returns are not blown up."""
    return 1.0 if self.return_scale is None else tf.maximum(self.return_scale, 1.0)

  def _follow_return_scale(self, spread):
    """Takes a step's deviation of returns, or their range, into the running average, where it is
    finite."""
    if self.return_scale is not None:
      change = _RETURN_SCALE_RATE * (spread - self.return_scale)
      self.return_scale.assign_add(tf.where(tf.math.is_finite(change), change, 0.0))

  def _within_bounds(self, rewards, values):
    """Rewards and values, cut off as `behavior.reward_margin` says, and the share of the rewards that were."""
    margin = self._behavior.reward_margin
    if not margin:
      return rewards, values, tf.zeros([])
    for_ever = 1 / (1 - self.discount)
    least, largest = tf.unstack(self.reward_range)
    low, high = least - margin * (largest - least), largest + margin * (largest - least)
    cut = tf.reduce_mean(tf.cast((rewards < low) | (rewards > high), tf.float32))
    return tf.clip_by_value(rewards, low, high), tf.clip_by_value(values, low * for_ever, high * for_ever), cut


def _merged(value):
  """`[B, T, ...]` to `[B T, ...]`."""
  return tf.reshape(value, [value.shape[0] * value.shape[1], *value.shape[2:]])
