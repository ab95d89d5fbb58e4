"""Policies that know no model, and the tf-agents specs that every policy is built on."""

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types


def observation_spec(spec: types.EnvironmentSpec):
  """Returns the tf-agents spec of one observation, or a dict of them."""
  if isinstance(spec.observation, types.ArraySpec):
    return _tensor_spec(spec.observation, 'observation')
  return {key: _tensor_spec(value, key) for key, value in spec.observation.items()}


def time_step_spec(spec: types.EnvironmentSpec) -> ts.TimeStep:
  """Returns the tf-agents spec of a time step, without the batch axis."""
  return ts.time_step_spec(observation_spec(spec))


def action_spec(spec: types.EnvironmentSpec) -> tensor_spec.BoundedTensorSpec:
  """Returns the tf-agents spec of an action: float32 `[A]` in [-1, 1], or int64 `[]` in [0, num_values)."""
  action = spec.action
  if action.num_values is not None:
    return tensor_spec.BoundedTensorSpec(action.shape, tf.as_dtype(action.dtype), 0, action.num_values - 1, name='action')
  return tensor_spec.BoundedTensorSpec(action.shape, tf.as_dtype(action.dtype), -1., 1., name='action')


class UniformRandomPolicy(tf_policy.TFPolicy):
  """Actions drawn uniformly between their bounds, or at them, each held for a random number of decisions.

  An action held for a while moves a body much further than white noise does, so the same number of steps shows more of
  what it can do, its falls included.

  The policy owns a `tf.random.Generator`, which a checkpoint that holds the policy also holds. Where `action` is given
  a `seed` (int32 `[2]`), that alone decides and the generator stays untouched.
  """

  def __init__(self, spec: types.EnvironmentSpec, seed: int = 0, mean_hold: float = 1.0, at_bounds: bool = False):
    """Builds the policy.

    Args:
      spec: of the environment.
      seed: of the generator.
      mean_hold: decisions for which an action is held, on average: after each one it is drawn anew with probability
        `1 / mean_hold`. Where it is above 1, the policy's state is the action that is held.
      at_bounds: draw each number of a continuous action from its two bounds alone.
    """
    held = action_spec(spec) if mean_hold > 1 else ()
    super().__init__(time_step_spec(spec), action_spec(spec), policy_state_spec=held, name='uniform_random_policy')
    self.generator = tf.random.Generator.from_seed(seed)
    self._mean_hold, self._at_bounds = mean_hold, at_bounds and not self.action_spec.dtype.is_integer

  def _action(self, time_step, policy_state, seed):
    action, batch_shape = self.action_spec, tf.shape(time_step.discount)
    seed = self.generator.make_seeds(1)[:, 0] if seed is None else seed
    low = tf.constant(action.minimum, action.dtype)
    # Integers are drawn from a range that excludes its end.
    high = tf.constant(action.maximum + (1 if action.dtype.is_integer else 0), action.dtype)
    shape = tf.concat([batch_shape, action.shape.as_list()], axis=0)
    drawn = tf.random.stateless_uniform(shape, seed, low, high, action.dtype)
    if self._at_bounds:
      drawn = tf.where(drawn < (low + high) / 2, low, high)
    if self._mean_hold == 1:
      return policy_step.PolicyStep(drawn, policy_state)
    ends = tf.random.stateless_uniform(batch_shape, tf.random.experimental.stateless_fold_in(seed, 1)) < 1 / self._mean_hold
    anew = tf.reshape(ends | time_step.is_first(), tf.concat([batch_shape, tf.ones([action.shape.rank], tf.int32)], axis=0))
    action = tf.where(anew, drawn, policy_state)
    return policy_step.PolicyStep(action, action)

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('UniformRandomPolicy samples its actions itself; call `action`.')


def _tensor_spec(array: types.ArraySpec, name):
  """Returns the tf-agents spec of an `ArraySpec`; bounded where both bounds are known."""
  dtype = tf.as_dtype(array.dtype)
  if array.minimum is None or array.maximum is None:
    return tf.TensorSpec(array.shape, dtype, name=name)
  return tensor_spec.BoundedTensorSpec(
      array.shape, dtype, np.asarray(array.minimum, array.dtype), np.asarray(array.maximum, array.dtype), name=name)
