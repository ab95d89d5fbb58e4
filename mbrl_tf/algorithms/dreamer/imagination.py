"""Latent trajectories under the actor, which gradients flow through from returns to actions."""

from typing import Any, NamedTuple

import tensorflow as tf

from mbrl_tf.models import rssm as rssm_lib
from mbrl_tf.ops import unroll


class Imagined(NamedTuple):
  """Trajectories of H steps; time leads."""
  features: Any    # [H + 1, N, F], of the start and of the H states after it
  entropies: Any   # [H, N], of the actor in the first H of them, in nats
  raw: Any         # [H, N, ...], what the actor told of its distribution there
  samples: Any     # [H, N, A], what was drawn of it, before it was cut off at the bounds of actions


def imagine(rssm, actor, start, horizon, seed):
  """Lets the actor act in the model (Hafner et al. 2019, arXiv:1912.01603, section 3).

  The actor reads states without sending gradients into them: it learns from what its actions lead to.

  Args:
    rssm: `RSSM`.
    actor: `LatentActor`.
    start: a state of `[N, ...]`.
    horizon: H, a Python integer.
    seed: int32 `[2]`.

  Returns:
    `Imagined`.
  """
  seeds = tf.random.experimental.stateless_split(seed, 2)
  rows = start.stochastic.shape[0]
  noise = (rssm.noise([horizon, rows], seeds[0], axis=1), actor.noise(horizon, rows, seeds[1]))

  def step(state, row):
    state_noise, action_noise = row
    raw = actor.raw(tf.stop_gradient(rssm_lib.features(state)))
    sample = actor.sample(raw, action_noise)
    state = rssm.prior(state, actor.taken(sample), state_noise)
    return state, (rssm_lib.features(state), raw, sample)

  _, (imagined, raw, samples) = unroll.scan(step, start, noise, horizon)
  # Entropies do not enter the recurrence, so they are computed for all steps at once.
  features = tf.concat([rssm_lib.features(start)[None], imagined], 0)
  return Imagined(features, actor.distribution(raw).entropy(), raw, samples)
