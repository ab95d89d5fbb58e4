"""Small tasks, models and data that the tests of MB-MPO share."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.mbmpo import config as config_lib
from mbrl_tf.algorithms.mbmpo import imagination
from mbrl_tf.algorithms.ensembles import outcomes
from mbrl_tf.models import dynamics_ensemble
from mbrl_tf.models import policies

O, A = 3, 2


def reward(observation, action, next_observation):
  """Reads all three arguments; a discrete action counts by its number."""
  cost = tf.cast(action, tf.float32) if action.dtype.is_integer else tf.reduce_sum(tf.square(action), -1)
  return next_observation[..., 0] - 0.5 * observation[..., 1] - 0.1 * cost


def reward_in_numpy(observation, action, next_observation):
  cost = action if np.issubdtype(action.dtype, np.integer) else np.sum(action**2, -1)
  return next_observation[..., 0] - 0.5 * observation[..., 1] - 0.1 * cost


def never(observation):
  return tf.zeros(tf.shape(observation)[:-1], tf.bool)


def make_spec(terminated=None, num_values=None):
  """A task with three observed numbers and two continuous actions, or `num_values` discrete ones; it need not terminate."""
  action = types.ActionSpec(A) if num_values is None else types.ActionSpec(choices=(num_values,))
  return types.EnvironmentSpec(
      'toy:case', types.ArraySpec((O,), 'float32'), action, time_limit=20, reward=reward,
      terminated=terminated or never)


def make_ensemble(members, action_size=A, seed=(1, 2), **settings):
  """Members that move: fitted to nothing, but with statistics as if they were."""
  ensemble = dynamics_ensemble.DynamicsEnsemble(O, action_size, members, (5,), list(seed), **{'activation': 'tanh', **settings})
  rng = np.random.default_rng(5)
  observations = rng.normal(0.3, 1.5, [30, O]).astype(np.float32)
  ensemble.fit_normalizers(observations, rng.uniform(-1, 1, [30, action_size]).astype(np.float32),
                           (observations + rng.normal(0, 0.4, [30, O])).astype(np.float32))
  return ensemble


def next_observation(ensemble, observations, features, noise=None):
  """One step of all members in the units of the observations, `[K, M, O]`."""
  units = ensemble.observation_normalizer
  following = ensemble.next_state(
      ensemble.unpack(ensemble.parameters), units.normalize(observations), features, noise)
  return units.denormalize(following)


def make_policy(num_values=None, seed=(3, 4), **settings):
  if num_values is not None:
    policy = policies.ParametricPolicy(O, types.ActionSpec(choices=(num_values,)), (4,), list(seed))
    policy.kernels[-1].assign(50 * policy.kernels[-1])  # away from uniform
    return policy
  return policies.ParametricPolicy(O, types.ActionSpec(A), (4,), list(seed), **settings)


def make_imagination(ensemble, policy, spec, heads=(None, None), **settings):
  """Of the task's functions, or of the heads of reward and termination that are there."""
  config = config_lib.ImaginationConfig(**{'horizon': 6, 'discount': 0.9, 'gae_lambda': 0.8, **settings})
  return imagination.Imagination(ensemble, policy, spec, config, outcomes.Outcomes(spec, ensemble, *heads))


def copies(policy, members):
  """The meta-policy once for each task."""
  return [tf.repeat(tf.convert_to_tensor(p)[None], members, 0) for p in policy.parameters]


def different(policy, members, scale=0.3):
  """One policy for each task, different from each other."""
  return [p + scale * tf.random.stateless_normal(p.shape, [11, index]) for index, p in enumerate(copies(policy, members))]


def starts(members, batch, lead=()):
  return tf.random.stateless_normal([*lead, members, batch, O], [21, 22])
