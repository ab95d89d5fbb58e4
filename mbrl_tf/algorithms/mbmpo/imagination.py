"""Rollouts of K policies in K dynamics models, all at once in one scan; nothing here is compiled or differentiated."""

import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import baselines, masks, replicas, returns


class Imagination:
  """Policy k acts in member k, and is paid and ended as the outcomes say.

  In a replica that has some of the tasks, K is their number, and its members are its rows of the ensemble.
  """

  def __init__(self, ensemble, policy, spec, config, outcomes):
    """Only keeps its arguments.

    Args:
      ensemble: `DynamicsEnsemble` of K members.
      policy: a `ParametricPolicy`; its normalizer, where it has one, is the ensemble's.
      spec: `types.EnvironmentSpec`.
      config: `ImaginationConfig`.
      outcomes: `Outcomes`.
    """
    self._ensemble, self._policy, self._spec, self._config = ensemble, policy, spec, config
    self._outcomes = outcomes

  def action_features(self, actions):
    """What the dynamics model is given: numbers clipped to [-1, 1] as the simulator clips them, and
    choices one-hot.
    """
    return self._outcomes.features(self.clipped(actions))

  def clipped(self, actions):
    """The actions that the simulator takes, of those that the policy samples."""
    return actions_lib.clipped(self._spec.action, actions)

  def rollouts(self, parameters, starts, seed):
    """Imagines H steps from each start.

    Args:
      parameters: of K policies, a list of `[K, ...]`.
      starts: joined observations `[K, B, O]`.
      seed: int32 `[2]`.

    Returns:
      `types.Rollouts`.
    """
    return members_first(self.scan(parameters, starts, seed))

  def scan(self, parameters, starts, seed):
    """As `rollouts`, but time leads: `types.Rollouts` of `[H, K, B, ...]`."""
    horizon = self._config.horizon
    unpacked = self._ensemble.unpack([replicas.rows(p) for p in self._ensemble.parameters])
    outcomes = self._outcomes.unpack()
    seeds = tf.random.experimental.stateless_split(seed, 2 * horizon)
    alive, restarts = tf.ones(tf.shape(starts)[:2]), float(self._config.restarts)
    begins = self._ensemble.observation_normalizer.normalize(starts)

    def step(t, states, alive, arrays):
      inputs = self._policy_inputs(states)
      noise = self._policy.noise(states.shape[:2], seeds[2 * t])
      actions = self._policy.sample(parameters, inputs, noise)
      actions = tf.ensure_shape(actions, starts.shape[:2] + self._spec.action.shape)
      following, rewards, terminated = self._transition(
          unpacked, outcomes, states, actions, seeds[2 * t + 1])
      ended = tf.where(terminated, tf.ones_like(alive), tf.zeros_like(alive))
      row = (inputs, actions, tf.where(alive > 0, rewards, tf.zeros_like(rewards)), alive, ended * restarts)
      arrays = [array.write(t, value) for array, value in zip(arrays, row)]
      if restarts:
        return t + 1, tf.where(ended[..., None] > 0, begins, following), alive, arrays
      # A rollout that ended keeps its last state: whatever the model predicts from there must
      # not overflow.
      going = alive[..., None] * tf.ones_like(following) > 0
      return t + 1, tf.where(going, following, states), alive * (1 - ended), arrays

    action_dtype = tf.float32 if self._spec.action.numbers else tf.int32
    arrays = [tf.TensorArray(dtype, horizon, element_shape=shape) for dtype, shape in (
        (tf.float32, starts.shape), (action_dtype, starts.shape[:2] + self._spec.action.shape),
        *[(tf.float32, starts.shape[:2])] * 3)]
    arrays = tf.while_loop(lambda t, *_: t < horizon, step, (tf.constant(0), begins, alive, arrays),
                           maximum_iterations=horizon)[-1]
    return types.Rollouts(*(array.stack() for array in arrays))

  def _policy_inputs(self, states):
    """What the policy reads of imagined states, which a normalizer has made already."""
    if self._policy.normalizer is not None:
      return states
    return self._policy.read(self._ensemble.observation_normalizer.denormalize(states))

  def _transition(self, unpacked, outcomes, states, actions, seed):
    """States that follow, rewards, and whether the episode ended."""
    noise = replicas.normal(states.shape, seed) if self._config.member_noise else None
    seen = self.clipped(actions)
    following = self._ensemble.next_state(unpacked, states, self._outcomes.features(seen), noise)
    return (following, *self._outcomes.sample(outcomes, states, seen, following, seed))

  def advantages(self, rollouts):
    """Advantages from a baseline that is fitted to these rollouts, standardised in each task.

    Args:
      rollouts: `types.Rollouts`.

    Returns:
      `[K, B, H]`, 0 where masked.
    """
    config = self._config
    ended = rollouts.ended if config.restarts else None
    targets = returns.discounted_sum(rollouts.reward, config.discount, ended)
    values = baselines.fit_and_predict(
        rollouts.observation, targets, rollouts.mask, config.ridge, config.baseline_features)
    advantages = returns.generalized_advantages(
        rollouts.reward, values, rollouts.mask, config.discount, config.gae_lambda, ended)
    return masks.standardize(advantages, rollouts.mask, axis=(1, 2))


def members_first(rollouts):
  """`types.Rollouts` of `[H, K, B, ...]` to `[K, B, H, ...]`."""
  return types.Rollouts(*(tf.transpose(value, [1, 2, 0, *range(3, value.shape.rank)]) for value in rollouts))
