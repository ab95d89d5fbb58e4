"""Latent trajectories under the actor, which gradients flow through from returns to actions."""

import tensorflow as tf

from mbrl_tf.models import rssm as rssm_lib
from mbrl_tf.ops import replicas, unroll


def imagine(rssm, actor, start, horizon, seed):
  """Lets the actor act in the model (Hafner et al. 2019, arXiv:1912.01603, section 3).

  The actor reads states without sending gradients into them: it learns from what its actions lead to.

  Args:
    rssm: `RSSM`.
    actor: `LatentActor`.
    start: `types.LatentState` of `[N, ...]`.
    horizon: H, a Python integer.
    seed: int32 `[2]`.

  Returns:
    Features of the start and of the H states after it, `[H + 1, N, F]`, and the entropy of the actor in the first H of them,
    `[H, N]`, in nats. Time leads.
  """
  seeds = tf.random.experimental.stateless_split(seed, 2)
  noise = (replicas.normal([horizon, *start.stochastic.shape], seeds[0], axis=1),
           actor.noise(horizon, start.stochastic.shape[0], seeds[1]))

  def step(state, row):
    state_noise, action_noise = row
    raw = actor.raw(tf.stop_gradient(rssm_lib.features(state)))
    state = rssm.prior(state, actor.sample(raw, action_noise), state_noise)
    return state, (rssm_lib.features(state), raw)

  _, (imagined, raw) = unroll.scan(step, start, noise, horizon)
  # Entropies do not enter the recurrence, so they are computed for all steps at once.
  return tf.concat([rssm_lib.features(start)[None], imagined], 0), actor.distribution(raw).entropy()
