"""Planning by the cross-entropy method, with trajectories sampled through the ensemble (Chua et al.
2018, arXiv:1805.12114, section 5 and algorithm 1)."""

from typing import Any, NamedTuple

import tensorflow as tf

from mbrl_tf.ops import action_search
from mbrl_tf.ops import actions as actions_lib


class PlanNoise(NamedTuple):
  """All that is random in a plan, drawn outside of it: XLA and plain TensorFlow then plan alike.

  A particle meets the same noise and the same members in all sequences of a round. So they are
  compared on the same draws, and a difference between them is due to their actions.
  """
  samples: Any     # for the sequences of each round, [rounds, N, S, H, F], by `actions.noise`
  particles: Any   # standard normal, for the states, [rounds, H, K, P / K, N, O]; None: no noise
  order: Any       # int [rounds, H, P], in which particles are handed to members; None: as they are


class Plan(NamedTuple):
  """What a plan says to do."""
  action: Any      # [N, F], features
  mean: Any        # [N, H, F], with which the next plan begins
  value: Any       # [N], expected sum of H rewards of the last round's elites, in the task's unit


class Planner(tf.Module):
  """Plans for N environments at once, in one compiled program.

  Of the P particles of a sequence, each of the K members moves P / K.
  """

  def __init__(self, ensemble, outcomes, spec, config):
    """Only keeps its arguments.

    Args:
      ensemble: `DynamicsEnsemble` of K members; deterministic ones move all particles by their
        means.
      outcomes: `Outcomes`.
      spec: `types.EnvironmentSpec`.
      config: `PlannerConfig`.
    """
    super().__init__(name='planner')
    self._ensemble, self._outcomes, self._settings = ensemble, outcomes, config
    # Here for an export, which keeps the variables that it finds in modules.
    self.heads = [heads for heads in (outcomes.reward_heads, outcomes.termination_heads) if heads]
    self._action = spec.action
    self._compiled = tf.function(self.plan, jit_compile=True, autograph=False)

  def initial_mean(self):
    """What a plan begins with where there was none before, for one environment, `[H, F]`."""
    return tf.constant(action_search.initial_mean(self._action, self._settings.horizon))

  def __call__(self, observations, mean, seed):
    """Draws the noise and plans; `seed` is int32 `[2]`, see `plan` for the others."""
    return self._compiled(observations, mean, self.noise(tf.shape(mean)[0], seed))

  def noise(self, rows, seed):
    """`PlanNoise` for `rows` environments."""
    settings, ensemble = self._settings, self._ensemble
    lead, seeds = (settings.rounds, settings.horizon), tf.unstack(
        tf.random.experimental.stateless_split(seed, 3), 3)
    particles = order = None
    if ensemble.probabilistic:
      share = settings.particles // ensemble.members
      particles = tf.random.stateless_normal(
          [*lead, ensemble.members, share, rows, ensemble.observation_size], seeds[1])
    if settings.propagation == 'ts1':
      order = tf.argsort(tf.random.stateless_uniform([*lead, settings.particles], seeds[2]))
    samples = actions_lib.noise(
        self._action, [settings.rounds, rows, settings.samples, settings.horizon], seeds[0])
    return PlanNoise(samples, particles, order)

  def plan(self, observations, mean, noise):
    """Refines a distribution of action sequences, and acts by its mean; pure.

    Args:
      observations: joined vectors `[N, O]`.
      mean: `[N, H, F]`, of the plan before, one decision on.
      noise: `PlanNoise`.

    Returns:
      `Plan`.
    """
    settings = self._settings
    states = self._ensemble.observation_normalizer.normalize(observations)
    weights = tf.fill([tf.shape(mean)[0], settings.elites], 1 / settings.elites)

    def refine(index, mean, variance, value):
      del value
      actions = action_search.drawn(
          self._action, mean[:, None], tf.sqrt(variance)[:, None], noise.samples[index])
      best, chosen = tf.math.top_k(
          self.returns(states, actions, *_of_round(noise, index)), settings.elites)
      elites = tf.gather(actions, chosen, batch_dims=1)  # [N, E, H, F]
      refitted = action_search.refitted(self._action, elites, weights, settings.min_std)
      mean, variance = (
          settings.momentum * old + (1 - settings.momentum) * new
          for old, new in zip((mean, variance), refitted))
      return (index + 1, mean, tf.maximum(variance, settings.min_std**2),
              tf.reduce_mean(best, -1))

    variance = tf.fill(tf.shape(mean), settings.initial_std**2)
    _, mean, _, value = tf.while_loop(
        lambda index, *_: index < settings.rounds, refine,
        (tf.constant(0), mean, variance, tf.zeros_like(mean[:, 0, 0])),
        maximum_iterations=settings.rounds)
    last = tf.broadcast_to(self.initial_mean()[-1:], tf.shape(mean[:, :1]))
    return Plan(mean[:, 0], tf.concat([mean[:, 1:], last], 1), value)

  def returns(self, states, actions, noise=None, order=None):
    """Expected sums of rewards of sequences, over the particles of each.

    A reward counts by the probability that the episode has not terminated before: that is the mean
    over all draws of terminations, without their scatter.

    Args:
      states: `[N, O]`.
      actions: features `[N, S, H, F]`.
      noise: `[H, K, P / K, N, O]`, see `PlanNoise`.
      order: int `[H, P]`, see there.

    Returns:
      `[N, S]` in the task's unit; the lowest number where a sum is not finite.
    """
    settings, ensemble = self._settings, self._ensemble
    members, share = ensemble.members, settings.particles // ensemble.members
    count, size = settings.samples, ensemble.observation_size
    unpacked = ensemble.unpack([tf.convert_to_tensor(p) for p in ensemble.parameters])
    outcomes = self._outcomes.unpack()
    by_time = tf.transpose(actions, [2, 0, 1, 3])
    lead = [members, share, tf.shape(states)[0], count]
    flat = lambda value, *last: tf.reshape(
        tf.broadcast_to(value, [*lead, *last]), [members, -1, *last])
    start = flat(states[None, None, :, None], size)

    def step(t, states, alive, total):
      states, alive = self._handed_over(order, t, states, alive)
      chosen = flat(by_time[t], actions.shape[-1])
      moves = None if noise is None else flat(noise[t][:, :, :, None], size)
      following = ensemble.next_state(unpacked, states, chosen, moves)
      taken = actions_lib.from_features(self._action, chosen, tf.int32)
      rewards, ends = self._outcomes.expected(outcomes, states, taken, following)
      # What follows an end is no part of the episode, whatever the model makes of it.
      paid = tf.where(alive > 0, alive * rewards, tf.zeros_like(rewards))
      total += tf.reduce_mean(tf.reshape(paid, [settings.particles, -1]), 0)
      return t + 1, following, alive * (1 - ends), total

    alive = tf.ones_like(start[..., 0])
    *_, total = tf.while_loop(
        lambda t, *_: t < settings.horizon, step,
        (tf.constant(0), start, alive, tf.zeros([count * tf.shape(states)[0]])),
        maximum_iterations=settings.horizon)
    total = tf.where(tf.math.is_finite(total), total, total.dtype.min)
    return tf.reshape(total, [-1, count])

  def _handed_over(self, order, t, states, alive):
    """Particles `[K, M, ...]` in the order in which members move them next."""
    if order is None:
      return states, alive
    particles = self._settings.particles
    mixed = lambda value, *last: tf.reshape(
        tf.gather(tf.reshape(value, [particles, -1, *last]), order[t]), tf.shape(value))
    return mixed(states, states.shape[-1]), mixed(alive)


def _of_round(noise, index):
  """Noise and order of the particles in one round."""
  return tuple(None if part is None else part[index] for part in noise[1:])
