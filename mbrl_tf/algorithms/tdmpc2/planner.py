"""Planning in latent space by MPPI (Williams et al. 2015, arXiv:1509.01149), as arXiv:2310.16828,
section 3.2, uses it."""

import functools
from typing import Any, NamedTuple

import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import compilation
from mbrl_tf.ops import action_search, distributions, replicas
from mbrl_tf.ops import actions as actions_lib


class PlanNoise(NamedTuple):
  """All that is random in a plan, drawn outside of it: XLA and plain TensorFlow then plan alike."""
  policy: Any      # for the policy's own sequences, [H, N, policy_samples, A], by `actions.noise`
  samples: Any     # for the others in each round, [rounds, H, N, samples - policy_samples, A]
  last: Any        # for the policy at the end of each sequence, [N, samples, A]
  chosen: Any      # int [2], the value models that judge; None for all
  elite: Any       # of the Gumbel distribution, which elite acts, [N, elites]
  action: Any      # standard normal, for the numbers of the action that is taken, [N, A]


class Plan(NamedTuple):
  """What a plan says to do."""
  action: Any      # [N, A]
  mean: Any        # [N, H, A], with which the next plan begins
  value: Any       # [N], of the best sequence, in units of the reward


class Planner(tf.Module):
  """Plans for N environments at once, in one compiled program.

  Numbers of an action are drawn from normals, of which the elites' weighted mean and deviation are
  taken in each round. Choices are drawn from categories, whose probabilities become the elites'
  weighted shares.
  """

  def __init__(self, world_model, policy, discount, config):
    """Only keeps its arguments.

    Args:
      world_model: `WorldModel`.
      policy: the policy prior.
      discount: gamma, a number or a variable.
      config: `TDMPC2Config`.
    """
    super().__init__(name='planner')
    self._world_model, self._policy, self._discount = world_model, policy, discount
    self._settings, self._horizon = config.planner, config.replay.horizon
    self._action = policy.action
    self._compiled = compilation.compiled('plan', self.plan)

  def initial_mean(self):
    """Shape and value of what a plan begins with, for one environment, `[H, A]`."""
    return tf.constant(action_search.initial_mean(self._action, self._horizon))

  def __call__(self, latent, mean, terminates, explores, seed, action_noise=None):
    """Draws the noise and plans.

    Args:
      latent, mean, terminates, explores: as for `plan`.
      seed: int32 `[2]`.
      action_noise: `[N, A]`, for the action that is taken; None to draw it as well.

    Returns:
      `Plan`.
    """
    noise = self.noise(tf.shape(latent)[0], seed)
    if action_noise is not None:
      noise = noise._replace(action=action_noise)
    return self._compiled(latent, mean, tf.convert_to_tensor(terminates), explores, noise)

  def noise(self, rows, seed):
    """`PlanNoise` for `rows` environments."""
    settings = self._settings
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 6), 6)
    own, others = settings.policy_samples, settings.samples - settings.policy_samples
    drawn = functools.partial(actions_lib.noise, self._action)
    members = self._world_model.members
    return PlanNoise(
        drawn([self._horizon, rows, own], seeds[0]),
        drawn([settings.rounds, self._horizon, rows, others], seeds[1]),
        drawn([rows, settings.samples], seeds[2]),
        tf.argsort(tf.random.stateless_uniform([members], seeds[3]))[:2] if members > 2 else None,
        replicas.gumbel([rows, settings.elites], seeds[4]),
        tf.random.stateless_normal([rows, self._action.features_size], seeds[5]))

  def plan(self, latent, mean, terminates, explores, noise):
    """Refines a distribution of action sequences, and chooses an action; pure.

    Args:
      latent: `[N, L]`.
      mean: `[N, H, A]`, of the plan before, one step on.
      terminates: bool `[]`, whether foreseen terminations count.
      explores: bool `[]`: an elite acts, with noise; otherwise the mean of them, or the likeliest
        choice.
      noise: `PlanNoise`.

    Returns:
      `Plan`.
    """
    proposed = self._proposed(latent, noise.policy)
    mean, std = tf.transpose(mean, [1, 0, 2]), tf.fill(tf.shape(mean[:, 0]), self._settings.max_std)
    std = tf.repeat(std[None], self._horizon, 0)
    for drawn in tf.unstack(noise.samples):
      actions = tf.concat([proposed, self._drawn(mean, std, drawn)], 2)  # [H, N, S, A]
      values = self.values(latent, actions, terminates, noise)
      best, indices = tf.math.top_k(values, self._settings.elites)
      elites = tf.gather(tf.transpose(actions, [1, 2, 0, 3]), indices, batch_dims=1)  # [N, E, H, A]
      weights = tf.nn.softmax(self._settings.temperature * (best - best[:, :1]))
      mean, std = self._refined(elites, weights)
    begins = tf.repeat(self.initial_mean()[:1, None], tf.shape(latent)[0], 1)
    next_mean = tf.concat([mean[1:], begins], 0)
    action = self._chosen(elites[:, :, 0], weights, mean[0], std[0], explores, noise)
    return Plan(action, tf.transpose(next_mean, [1, 0, 2]), best[:, 0])

  def values(self, latent, actions, terminates, noise):
    """What sequences of actions `[H, N, S, A]` are worth from latents `[N, L]` on: `[N, S]`, in
    units of the reward.

    Rewards of the H steps, discounted, and the value of the policy's action after them
    (arXiv:2310.16828, eq. 6). What comes after a foreseen termination counts by the probability
    that it does not happen.
    """
    world = self._world_model
    latent = tf.repeat(latent[:, None], tf.shape(actions)[2], 1)
    total, factor = 0.0, 1.0
    for action in tf.unstack(actions):
      total += factor * world.reward(latent, action).mean()
      latent = world.next(latent, action)
      going = 1 - tf.nn.sigmoid(world.termination_logits(latent))
      factor *= self._discount * tf.where(terminates, going, tf.ones_like(going))
    last, _ = self._policy.sample(latent, noise.last)
    return total + factor * tf.reduce_mean(world.values(latent, last, noise.chosen).mean(), 0)

  def _proposed(self, latent, noise):
    """Sequences of the policy prior in the model, `[H, N, P, A]`."""
    actions = []
    latent = tf.repeat(latent[:, None], tf.shape(noise)[2], 1)
    for step in tf.unstack(noise):
      action, _ = self._policy.sample(latent, step)
      actions.append(action)
      latent = self._world_model.next(latent, action)
    return tf.stack(actions)

  def _drawn(self, mean, std, noise):
    """Actions `[H, N, S, A]` of the distribution so far, with mean (or probabilities) and deviation
    `[H, N, A]`."""
    return action_search.drawn(self._action, mean[:, :, None], std[:, :, None], noise)

  def _refined(self, elites, weights):
    """Mean and deviation `[H, N, A]` of elites `[N, E, H, A]` with weights `[N, E]`."""
    least, most = self._settings.min_std, self._settings.max_std
    mean, variance = action_search.refitted(self._action, elites, weights, least)
    std = tf.clip_by_value(tf.sqrt(variance), least, most)
    return tf.transpose(mean, [1, 0, 2]), tf.transpose(std, [1, 0, 2])

  def _chosen(self, firsts, weights, mean, std, explores, noise):
    """The action of `[N, A]` that is taken, given the elites' first ones `[N, E, A]`."""
    one = tf.argmax(tf.math.log(weights) + noise.elite, -1)
    drawn = tf.gather(firsts, one, batch_dims=1)
    return actions_lib.by_kind(
        self._action,
        lambda drawn, mean, std, noise: tf.clip_by_value(
            tf.where(explores, drawn + std * noise, mean), -1.0, 1.0),
        lambda drawn, shares, *_: tf.where(explores, drawn, distributions.likeliest(shares)),
        drawn, mean, std, noise.action)
