"""What imagination asks for reward and termination: the functions of the task, or what was learned
with the ensemble.
"""

import tensorflow as tf

from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import replicas


class GivenReward:
  """The reward function of the task."""

  def __init__(self, function, shown):
    """`function` is `EnvironmentSpec.reward`; `shown` makes observations, as the task shows them,
    of states.
    """
    self._function, self._shown = function, shown

  def unpack(self):
    """Nothing to prepare."""
    return ()

  def __call__(self, unpacked, states, actions, following):
    """Rewards `[K, M]`; arguments as for `Outcomes.sample`."""
    return self._function(self._shown(states), actions, self._shown(following))


class LearnedReward:
  """What the heads of the members expect."""

  def __init__(self, heads, features):
    """`heads` are `RewardHeads`; `features` makes features of actions."""
    self._heads, self._features = heads, features

  def unpack(self):
    """The layers of the heads of this replica's members."""
    return _layers(self._heads)

  def __call__(self, unpacked, states, actions, following):
    """Rewards `[K, M]`; arguments as for `Outcomes.sample`."""
    inputs = self._heads.inputs(states, self._features(actions), following)
    return self._heads.rewards(unpacked, inputs)


class GivenTermination:
  """The termination function of the task."""

  def __init__(self, function, shown):
    """`function` is `EnvironmentSpec.terminated`; `shown` as in `GivenReward`."""
    self._function, self._shown = function, shown

  def unpack(self):
    """Nothing to prepare."""
    return ()

  def probability(self, unpacked, states, actions, following):
    """0 or 1, `[K, M]`."""
    ends = tf.cast(self._function(self._shown(following)), tf.float32)
    return ends * tf.ones_like(states[..., 0])

  def sample(self, unpacked, states, actions, following, seed):
    """Whether a transition ends its episode, bool `[K, M]`; nothing is drawn."""
    return self._function(self._shown(following))


class LearnedTermination:
  """What the heads of the members hold for likely, drawn anew at each step: an average would end no
  episode, or each a bit.
  """

  def __init__(self, heads, features):
    """`heads` are `TerminationHeads`; `features` makes features of actions."""
    self._heads, self._features = heads, features

  def unpack(self):
    """The layers of the heads of this replica's members, and what is added to their logits."""
    return _layers(self._heads), replicas.rows(self._heads.log_odds)

  def probability(self, unpacked, states, actions, following):
    """`[K, M]`, between 0 and 1."""
    layers, log_odds = unpacked
    inputs = self._heads.inputs(states, self._features(actions), following)
    return tf.sigmoid(self._heads.logits(layers, log_odds, inputs))

  def sample(self, unpacked, states, actions, following, seed):
    """Whether a transition ends its episode, bool `[K, M]`."""
    probability = self.probability(unpacked, states, actions, following)
    return replicas.uniform(probability.shape, seed) < probability


class Outcomes:
  """Reward and termination of transitions of each member, each from one of the pieces above.

  In a replica that has some of the tasks, K is their number.
  """

  def __init__(self, spec, ensemble, reward_heads=None, termination_heads=None):
    """Chooses the pieces.

    Args:
      spec: `types.EnvironmentSpec`; its functions are used where there are no heads.
      ensemble: `DynamicsEnsemble`.
      reward_heads: `RewardHeads`; None where the function is used.
      termination_heads: `TerminationHeads`; None where the function is used.
    """
    self._action = spec.action
    observations = observations_lib.Observations(spec.observation)
    shown = lambda states: observations.shown(ensemble.observation_normalizer.denormalize(states))
    self.reward_heads, self.termination_heads = reward_heads, termination_heads
    self._reward = (
        LearnedReward(reward_heads, self.features) if reward_heads
        else GivenReward(spec.reward, shown))
    self._termination = (
        LearnedTermination(termination_heads, self.features) if termination_heads
        else GivenTermination(spec.terminated, shown))

  def features(self, actions):
    """What models are given of the actions that the simulator takes: numbers, and choices
    one-hot.
    """
    return actions_lib.features(self._action, actions)

  def unpack(self):
    """What `sample` and `expected` need; made once before a scan."""
    return self._reward.unpack(), self._termination.unpack()

  def sample(self, unpacked, states, actions, following, seed):
    """Reward and termination of imagined transitions.

    Args:
      unpacked: what `unpack` returned.
      states: `[K, M, O]`.
      actions: `[K, M, ...]`, as the simulator takes them: see `actions.clipped`.
      following: `[K, M, O]`, the states that follow under each member.
      seed: int32 `[2]`.

    Returns:
      Rewards float32 `[K, M]` in the task's unit, and whether each transition ends its episode,
      bool `[K, M]`; a function of the task that gives one value for all gives it here, too.
    """
    arguments = states, actions, following
    # Folded in, so that the noise of the members, of the same seed, is another one.
    seed = tf.random.experimental.stateless_fold_in(seed, 1)
    return (self._reward(unpacked[0], *arguments),
            self._termination.sample(unpacked[1], *arguments, seed))

  def expected(self, unpacked, states, actions, following):
    """As `sample`, with the probability of an end instead of a draw: two of float32 `[K, M]`."""
    arguments = states, actions, following
    rewards = self._reward(unpacked[0], *arguments) * tf.ones_like(states[..., 0])
    return rewards, self._termination.probability(unpacked[1], *arguments)


def _layers(heads):
  return heads.unpack([replicas.rows(p) for p in heads.parameters])
