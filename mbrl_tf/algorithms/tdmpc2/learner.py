"""One update of world model and policy prior."""

import functools
from typing import Any, Mapping, NamedTuple

import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import compilation, losses
from mbrl_tf.data import frames as frames_lib
from mbrl_tf.models import trainer
from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import replicas, returns

_DRAWN = 2  # value models of an update
_ERROR_RATE = 0.05  # of the logarithm of the error that is usual, where all is new
_LEAST_SHARE = 0.01  # of the largest entropy of choices: the least unit of what is missing of it


class Noise(NamedTuple):
  """All that is random in an update: drawn outside of it, so that XLA and plain TensorFlow learn
  alike."""
  following: Any   # for the policy at the observations whose values are targets, [V, B, A]
  acting: Any      # for the policy as it acts, [imagined steps + 1, policy steps, B / stride, A]
  targets: Any     # int [2], the value models that the targets are of; None for all
  values: Any      # int [2], those that the policy is judged by; None for all
  offsets: Any     # int [H + 1, B, 2], of shifted images; None without images


class Found(NamedTuple):
  """What a batch says, before anything is changed."""
  gradients: Mapping[str, Any]   # `model`, `policy` to tensors shaped as the part's variables
  losses: Mapping[str, Any]      # the same to `[]`
  metrics: Mapping[str, Any]     # each []
  values: Any                    # [B / stride], of the policy's actions at the first observations
  errors: Any                    # [H], mean squared errors of the latents after each step
  novelty: Any                   # [H], mean novelty of them


class Learner(tf.Module):
  """Owns the optimizers, and what follows values and entropies; the models are handed in.

  Attributes:
    curiosity: what novelty counts beside rewards in the targets of values, a variable: the value of
      a state after which nothing is foreseen, for good, in units of the reward. No state has more
      of it. 0 at first.
    discount: gamma, a variable.

  Made within the scope of a `tf.distribute.Strategy`, it shares each batch among the strategy's
  replicas.
  """

  def __init__(self, world_model, policy, terminates, discount, config):
    """Makes the optimizers' variables.

    Args:
      world_model: `WorldModel`.
      policy: `SquashedPolicy`.
      terminates: bool variable, whether real episodes terminate: until one does there is nothing to
        learn of it, and nothing is computed.
      discount: gamma at first.
      config: `TDMPC2Config`.

    Raises:
      UserError: where the strategy's replicas cannot share a batch evenly.
    """
    super().__init__(name='learner')
    self._world_model, self._policy = world_model, policy
    self._config = config
    self.strategy = tf.distribute.get_strategy()
    replicas.require_even(
        self.strategy, 'replay.batch_size / policy.sequence_stride', config.shared_rows)
    # Which loss trains which variables: the model's loss all of the world model but the slow
    # values, the policy's the policy.
    rate, clip = config.learner.learning_rate, config.learner.gradient_clip
    self.trainers = {'model': trainer.Trainer(world_model.learned_variables, rate, clip),
                     'policy': trainer.Trainer(policy.trainable_variables, rate, clip)}
    # A running average of the percentile range of values, the unit in which the policy's loss
    # measures them.
    self.value_scale = tf.Variable(1.0, trainable=False, name='value_scale')
    self.log_entropy_scale = tf.Variable(
        tf.math.log(config.policy.entropy_scale), trainable=False, name='log_entropy_scale')
    # The error at each step whose novelty is 0. It follows whole batches, so that replicas agree.
    self.error_units = tf.Variable(
        tf.zeros([config.replay.horizon]), trainable=False, name='error_units')
    self.curiosity = tf.Variable(0.0, trainable=False, name='curiosity')
    self.discount = tf.Variable(discount, trainable=False, name='discount')
    self._terminates = terminates
    self._program = functools.lru_cache(maxsize=None)(self._compile)

  def compiled_step(self, batch, seed):
    """`step`, compiled: with terminations once real episodes terminate."""
    return self._program(bool(self._terminates.numpy()))(batch, seed)

  def step(self, batch, seed, terminates=True):
    """Learns from a batch of real sequences. Both gradients are those at the variables before the
    step.

    Args:
      batch: `types.Sequences` of `[B, frames - 1 + H + 1, ...]`, as `replicas.share` gives it.
      seed: int32 `[2]`.
      terminates: whether terminations are learned, a Python bool.

    Returns:
      A dict of metrics, each `[]`. A part whose loss or gradient is not finite is left as it was;
      its `skipped_share` tells so.
    """
    found = lambda batch, seed: self.found(batch, self.noise(batch, seed), terminates)
    agreed = lambda batch, seed: self._agreed(found(batch, seed))
    return self._applied(self.strategy.run(agreed, (batch, seed)))

  def noise(self, batch, seed):
    """`Noise` for the rows of a batch that a replica has."""
    horizon, rows = self._config.replay.horizon, batch.reward.shape[0]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5), 5)
    members, most = self._world_model.members, self._config.model.image_shift

    def drawn(seed):
      if members <= _DRAWN:
        return None
      return tf.argsort(tf.random.stateless_uniform([members], seed))[:_DRAWN]

    value, policy = self._config.value, self._config.policy
    acting = [policy.imagined_steps + 1, value.policy_steps, rows // policy.sequence_stride]
    shifts = replicas.uniform([horizon + 1, rows, 2], seeds[4], axis=1) * (2 * most + 1)
    return Noise(
        self._policy.noise([value.steps, rows], seeds[0], axis=1),
        self._policy.noise(acting, seeds[1], axis=2), drawn(seeds[2]), drawn(seeds[3]),
        tf.cast(shifts, tf.int32) if self._world_model.images else None)

  def found(self, batch, noise, terminates=True):
    """Gradients and losses of a batch, or of the rows of it that a replica has; pure.

    Args:
      batch: `types.Sequences`.
      noise: `Noise`.
      terminates: as in `step`.

    Returns:
      `Found`.
    """
    world, settings = self._world_model, self._config.model
    batch = _time_major(frames_lib.stacked(batch, world.images, world.frames))
    weights = losses.step_weights(batch.is_first[1:], settings.rho)
    rewards = batch.reward[1:] / world.reward_unit.value
    after = slice(1, None)
    following = tf.stop_gradient(
        world.encode(_rows(batch.observation, after), self._offsets(noise, after)))
    with tf.GradientTape() as model_tape:
      unrolled, told = self._unrolled(batch, noise)
      errors = losses.latent_errors(unrolled[1:], following, weights)
      novelty = losses.novelty(errors, self.error_units, weights)
      targets = self._targets(batch, rewards, novelty, following, noise)
      model_losses = {
          'consistency': losses.consistency_loss(unrolled[1:], following, weights),
          'reward': losses.two_hot_loss(told['reward'], rewards, weights),
          'value': losses.two_hot_loss(told['value'], targets, weights[:targets.shape[0]])}
      if terminates:
        model_losses['termination'] = losses.termination_loss(
            world.termination_logits(unrolled[1:]), batch.terminated[1:], weights)
      model_loss = sum(
          getattr(settings, f'{name}_scale') * loss for name, loss in model_losses.items())
    with tf.GradientTape() as policy_tape:
      judged = self._judged(
          tf.stop_gradient(unrolled), batch.terminated, weights, noise, terminates)
    unit = world.reward_unit.value
    metrics = {
        **{f'model/{name}_loss': loss for name, loss in model_losses.items()},
        'model/loss': model_loss, 'policy/loss': judged['loss'],
        'policy/entropy': judged['entropy'], 'value/target_mean': unit * tf.reduce_mean(targets),
        'value/mean': unit * tf.reduce_mean(judged['values'][0])}
    return Found(
        {'model': model_tape.gradient(model_loss, self._world_model.learned_variables,
                                      unconnected_gradients=tf.UnconnectedGradients.ZERO),
         'policy': policy_tape.gradient(judged['loss'], self._policy.trainable_variables)},
        {'model': model_loss, 'policy': judged['loss']}, metrics, judged['values'][0],
        tf.reduce_mean(errors, 1), tf.reduce_mean(novelty, 1))

  def _targets(self, batch, rewards, novelty, following, noise):
    """Value targets `[V, B]`, without gradients.

    Args:
      batch: leads with time.
      rewards: after each step, `[H, B]`.
      novelty: of what followed each step, `[H, B]`, which counts as a reward for the curious.
      following: latents of the observations after each step, `[H, B, L]`.
      noise: `Noise`.
    """
    world, settings = self._world_model, self._config.value
    # What is no number counts nothing where nobody is curious.
    worth = rewards + tf.math.multiply_no_nan(novelty, (1 - self.discount) * self.curiosity)
    summed = losses.returns(
        worth, batch.terminated[1:], batch.is_first[1:], self.discount, settings.steps,
        settings.returns)
    last = tf.gather(tf.transpose(following, [1, 0, 2]), tf.transpose(summed.last), batch_dims=1)
    last = tf.transpose(last, [1, 0, 2])
    actions, _ = self._policy.sample(last, noise.following)
    values = world.slow_values(last, actions, noise.targets).mean()
    return losses.value_targets(summed, values)

  def _unrolled(self, batch, noise):
    """Latents `[H + 1, B, L]` from the first observation on, and what is told of each step's
    reward, and of the first V values."""
    world, actions = self._world_model, self._world_model.action_features(batch.action[1:])
    latents = [world.encode(_rows(batch.observation, 0), self._offsets(noise, 0))]
    for t in range(self._config.replay.horizon):
      latents.append(world.next(latents[-1], actions[t]))
    latents, steps = tf.stack(latents), self._config.value.steps
    return latents, {'reward': world.reward(latents[:-1], actions),
                     'value': world.values(latents[:steps], actions[:steps])}

  def _judged(self, latents, terminated, weights, noise, terminates):
    """The policy's loss at the first of the latents `[H + 1, B, L]`, and what it is made of."""
    steps, stride = self._config.value.policy_steps, self._config.policy.sequence_stride
    values, entropies = self._expected(latents[:steps, ::stride], noise, terminates)
    # The first latent is always one of a real observation; where its episode has terminated,
    # nothing is to be decided.
    reached = tf.concat([tf.ones_like(weights[:1]), self._config.model.rho * weights], 0)[:steps]
    reached *= 1 - tf.cast(terminated[:steps], tf.float32)
    loss = losses.policy_loss(values, entropies, reached[:, ::stride], self.value_scale,
                              tf.exp(self.log_entropy_scale))
    return {'loss': loss, 'values': values, 'entropy': tf.reduce_mean(entropies)}

  def _expected(self, latents, noise, terminates):
    """What the policy's actions bring from latents `[V, B, L]` on, and their mean entropy, both
    `[V, B]`.

    Where choices are enumerated, their gradient is that of the mean over each choice's values, the
    others as they were drawn: exact for a single choice, and right on average for more.
    """
    policy = self._policy
    actions, entropy = policy.sample(latents, noise.acting[0])
    if not policy.enumerates:
      values, later = self._brought(latents, actions, noise, terminates)
      return values, tf.add_n([entropy, *later]) / (1 + len(later))
    each = actions_lib.alternatives(policy.action, tf.stop_gradient(actions))
    same = tf.repeat(latents[None], each.shape[0], 0)
    brought = tf.stop_gradient(self._brought(same, each, noise, terminates)[0])
    brought = tf.transpose(brought, [1, 2, 0])
    means = actions_lib.sums(policy.action, policy.probabilities(latents) * brought)
    gradient = tf.reduce_sum(means - tf.stop_gradient(means), -1)
    if not policy.action.numbers:
      return tf.stop_gradient(tf.reduce_mean(means, -1)) + gradient, entropy
    values, later = self._brought(latents, actions, noise, terminates)
    return values + gradient, tf.add_n([entropy, *later]) / (1 + len(later))

  def _brought(self, latents, actions, noise, terminates):
    """What actions bring from latents `[..., V, B, L]` on, `[..., V, B]`, and the entropies of
    those that the policy takes after them.

    Rewards of the imagined steps, discounted, and the mean value of the drawn members after them.
    """
    world, total, factor, entropies = self._world_model, 0.0, 1.0, []
    for step in tf.unstack(noise.acting)[1:]:
      total += factor * world.reward(latents, actions).mean()
      latents = world.next(latents, actions)
      factor *= self.discount
      if terminates:
        factor *= 1 - tf.nn.sigmoid(world.termination_logits(latents))
      actions, entropy = self._policy.sample(latents, step)
      entropies.append(entropy)
    values = tf.reduce_mean(world.values(latents, actions, noise.values).mean(), 0)
    return total + factor * values, entropies

  def _offsets(self, noise, rows):
    if noise.offsets is None:
      return None
    return tf.reshape(noise.offsets[rows], [-1, 2]), self._config.model.image_shift

  def _agreed(self, found):
    """`Found` of the whole batch, in a replica's context."""
    agreed = replicas.mean(found._replace(values=tf.zeros([])))
    return agreed._replace(values=replicas.gather(found.values))

  def _applied(self, found):
    """Takes both steps, and lets follow what follows; returns the metrics."""
    told = dict(found.metrics)
    for part, optimizer in self.trainers.items():
      applied = optimizer.apply(found.gradients[part], found.losses[part])
      told.update({f'{part}/{name}': value for name, value in applied.items()})
    told = replicas.first(self.strategy, told)
    self._world_model.assign_slow(self._config.value.slow_rate)
    self._follow(replicas.first(self.strategy, found.values), told['policy/entropy'])
    self._follow_errors(replicas.first(self.strategy, found.errors),
                        replicas.first(self.strategy, found.novelty))
    told['policy/entropy_scale'] = tf.exp(self.log_entropy_scale)
    told['value/scale'] = self._world_model.reward_unit.value * self.value_scale
    return told

  def _follow(self, values, entropy):
    """Takes the range of values `[B / stride]`, and the entropy `[]`, into what follows them, where
    they are finite."""
    settings = self._config.policy
    change = settings.scale_rate * (returns.percentile_range(values) - self.value_scale)
    self.value_scale.assign_add(tf.where(tf.math.is_finite(change), change, 0.0))
    least, unit = self._wanted_entropy()
    change = settings.entropy_rate * tf.clip_by_value((least - entropy) / unit, -1.0, 1.0)
    moved = self.log_entropy_scale + tf.where(tf.math.is_finite(change), change, 0.0)
    bounds = tf.math.log([settings.entropy_scale_min, settings.entropy_scale_max])
    self.log_entropy_scale.assign(tf.clip_by_value(moved, bounds[0], bounds[1]))

  def _follow_errors(self, errors, novelty):
    """Moves what is usual to where the mean novelty `[H]` of a batch would be 0; it begins at the
    first mean errors `[H]`. What is not finite moves nothing.
    """
    units = self.error_units
    moved = tf.where(units > 0, units * tf.exp(_ERROR_RATE * novelty), errors)
    units.assign(tf.where(tf.math.is_finite(moved), moved, units))

  def _wanted_entropy(self):
    """The target of the entropy after the updates so far, and the unit of what is missing: a nat
    for each number, and of choices their target, which is never more than some nats away."""
    settings, updates = self._config.policy, self.trainers['policy'].optimizer.iterations
    passed = tf.minimum(tf.cast(updates, tf.float32) / settings.entropy_updates, 1.0)
    between = lambda first, last: first + passed * (last - first)
    numbers, choices = self._policy.action.numbers, self._policy.largest_entropy
    share = between(settings.target_entropy_share, settings.last_target_entropy_share)
    least = numbers * between(settings.target_entropy, settings.last_target_entropy)
    return least + share * choices, numbers + tf.maximum(share, _LEAST_SHARE) * choices

  def _compile(self, terminates):
    """One program on one device. Of several replicas, what each computes alone is one, and what
    they exchange lies between."""
    images = bool(self._world_model.images)
    found = lambda batch, noise: self.found(batch, noise, terminates)
    if self.strategy.num_replicas_in_sync == 1:
      update = compilation.compiled(
          'update', lambda batch, noise: self._applied(found(batch, noise)), images)
      step = lambda batch, seed: update(batch, self.noise(batch, seed))
      return tf.function(step, autograph=False)
    compiled = compilation.compiled('update', found, images)
    agreed = lambda batch, seed: self._agreed(compiled(batch, self.noise(batch, seed)))
    step = lambda batch, seed: self._applied(self.strategy.run(agreed, (batch, seed)))
    return tf.function(step, autograph=False)


def _time_major(batch):
  """`[B, T, ...]` to `[T, B, ...]`."""
  return tf.nest.map_structure(
      lambda value: tf.transpose(value, [1, 0, *range(2, value.shape.rank)]), batch)


def _rows(observation, rows):
  """Some rows of all arrays of an observation."""
  return tf.nest.map_structure(lambda value: value[rows], observation)
