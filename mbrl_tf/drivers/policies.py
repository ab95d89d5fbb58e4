"""Policies that know no model, and the tf-agents specs that every policy is built on."""

from typing import Sequence

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
  """Returns the tf-agents spec of an action, which is as `types.ActionSpec` says."""
  action = spec.action
  return tensor_spec.BoundedTensorSpec(
      action.shape, tf.as_dtype(action.dtype), *action.bounds, name='action')


class UniformRandomPolicy(tf_policy.TFPolicy):
  """Actions drawn uniformly, numbers between their bounds or at them, each action held for a random
  number of decisions.

  An action held for a while moves a body much further than white noise does, so the same number of steps shows more of
  what it can do, its falls included.

  The policy owns a `tf.random.Generator`, which a checkpoint that holds the policy also holds. Where `action` is given
  a `seed` (int32 `[2]`), that alone decides and the generator stays untouched.
  """

  def __init__(self, spec: types.EnvironmentSpec, seed: int = 0,
               mean_holds: Sequence[float] = (1.0,), at_bounds: float = 0.0):
    """Builds the policy.

    Args:
      spec: of the environment.
      seed: of the generator.
      mean_holds: decisions for which an action is held, on average: after each one it is drawn anew
        with probability `1 / hold`. Of several, each episode draws one.
      at_bounds: the share of the episodes that draw each number of an action from its two bounds
        alone. The policy's state is what an episode goes on with: the action that is held
        and the episode's hold where one is above 1, and whether it draws at bounds where some do.
    """
    self._acts = spec.action
    self._mean_holds, self._at_bounds = np.asarray(mean_holds, np.float32), float(at_bounds)
    self._mixes = self._acts.numbers > 0 and 0 < self._at_bounds < 1
    state = {'at_bounds': tf.TensorSpec([], tf.bool)} if self._mixes else {}
    if max(mean_holds) > 1:
      state.update(action=action_spec(spec), hold=tf.TensorSpec([], tf.float32))
    super().__init__(time_step_spec(spec), action_spec(spec), name='uniform_random_policy',
                     policy_state_spec=state or ())
    self.generator = tf.random.Generator.from_seed(seed)

  def _action(self, time_step, policy_state, seed):
    batch_shape, is_first = tf.shape(time_step.discount), time_step.is_first()
    seed = self.generator.make_seeds(1)[:, 0] if seed is None else seed
    # Folded in, so that what is not asked for changes no draw.
    folded = lambda number: tf.random.experimental.stateless_fold_in(seed, number)
    ends, which, style = (tf.random.stateless_uniform(batch_shape, folded(number))
                          for number in (1, 2, 3))
    state, at_bounds = {}, tf.fill(batch_shape, self._at_bounds == 1)
    if self._mixes:
      at_bounds = tf.where(is_first, style < self._at_bounds, policy_state['at_bounds'])
      state['at_bounds'] = at_bounds
    action = self._drawn(batch_shape, at_bounds, seed)
    if 'hold' in policy_state:
      chosen = tf.gather(self._mean_holds, tf.cast(which * len(self._mean_holds), tf.int32))
      hold = tf.where(is_first, chosen, policy_state['hold'])
      anew = self._as_rows((ends < 1 / hold) | is_first)
      action = tf.where(anew, action, policy_state['action'])
      state.update(action=action, hold=hold)
    return policy_step.PolicyStep(action, state or ())

  def _drawn(self, batch_shape, at_bounds, seed):
    """Actions drawn anew, `[N, ...]`; `at_bounds` tells of each row how, bool `[N]`."""
    if not self._acts.choices:
      return self._drawn_numbers(batch_shape, at_bounds, seed)
    if not self._acts.shape:
      return tf.random.stateless_uniform(batch_shape, seed, 0, self._acts.choices[0], tf.int64)
    counts = np.array(self._acts.choices, np.float32)
    # Folded in with a number that `_action` has no use for.
    shares = tf.random.stateless_uniform(
        tf.concat([batch_shape, counts.shape], 0),
        tf.random.experimental.stateless_fold_in(seed, 4))
    choices = tf.cast(tf.floor(shares * counts), self.action_spec.dtype)
    if not self._acts.numbers:
      return choices
    return tf.concat([self._drawn_numbers(batch_shape, at_bounds, seed), choices], -1)

  def _drawn_numbers(self, batch_shape, at_bounds, seed):
    low, high = tf.constant(-1.0), tf.constant(1.0)
    shape = tf.concat([batch_shape, [self._acts.numbers]], axis=0)
    drawn = tf.random.stateless_uniform(shape, seed, low, high)
    if self._at_bounds == 0:
      return drawn
    return tf.where(at_bounds[:, None], tf.where(drawn < (low + high) / 2, low, high), drawn)

  def _as_rows(self, flags):
    """bool `[N]` with an axis of one for each axis of an action."""
    ones = tf.ones([self.action_spec.shape.rank], tf.int32)
    return tf.reshape(flags, tf.concat([tf.shape(flags), ones], 0))

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('UniformRandomPolicy samples its actions itself; call `action`.')


def _tensor_spec(array: types.ArraySpec, name):
  """Returns the tf-agents spec of an `ArraySpec`; bounded where both bounds are known."""
  dtype = tf.as_dtype(array.dtype)
  if array.minimum is None or array.maximum is None:
    return tf.TensorSpec(array.shape, dtype, name=name)
  return tensor_spec.BoundedTensorSpec(
      array.shape, dtype, np.asarray(array.minimum, array.dtype), np.asarray(array.maximum, array.dtype), name=name)
