"""The ensemble as it is exported: one step from observation and action, with reward and
termination.
"""

import tensorflow as tf

from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions as actions_lib


class ExportedModel(tf.Module):
  """`predict`: observation, action -> mean, std per member, reward, termination, next
  observation.
  """

  def __init__(self, ensemble, outcomes, spec):
    """Makes the function that a SavedModel keeps.

    Args:
      ensemble: `DynamicsEnsemble`.
      outcomes: `Outcomes`.
      spec: `types.EnvironmentSpec`.
    """
    super().__init__(name='dynamics_model')
    self.ensemble, self._outcomes = ensemble, outcomes
    self.heads = [heads for heads in (outcomes.reward_heads, outcomes.termination_heads) if heads]
    self._spec, self._observations = spec, observations_lib.Observations(spec.observation)
    self.predict = tf.function(self._predict, input_signature=[
        observations_lib.signature(spec.observation),
        tf.TensorSpec([None, *spec.action.shape], tf.as_dtype(spec.action.dtype), 'action')])

  def _predict(self, observation, action):
    """One step under each member.

    Args:
      observation: `[B, O]`, in the task's units and type, or a dict of arrays.
      action: as `types.ActionSpec` says, `[B, A]` or `[B]`.

    Returns:
      A dict: `mean` and `std` of the next observation under each member `[K, B, O]` (std 0 for
      deterministic members),
      `next_observation` `[B, O]`, the mean over members, both of all parts of an observation joined
      in the order of their keys, with choices one-hot; `reward` `[B]` and `terminated` bool `[B]`.
      Where the task has functions for these, they are of that mean. Learned ones are the members'
      mean, each of its own next observation; `terminated` is then whether `termination_probability`
      `[B]`, which is there as well, is above a half.
    """
    seen = actions_lib.clipped(self._spec.action, action)
    features = self._outcomes.features(seen)
    vector = self._observations.joined(observation)
    distribution = self.ensemble((vector, features))
    mean = distribution.mean()
    following = tf.reduce_mean(mean, 0)
    shown = self._observations.shown(following)
    result = {'mean': mean, 'std': distribution.stddev(), 'next_observation': following}
    result.update(self._learned(vector, seen, mean))
    if 'reward' not in result:
      result['reward'] = self._spec.reward(observation, seen, shown)
    if 'terminated' not in result:
      result['terminated'] = self._spec.terminated(shown)
    return result

  def _learned(self, vector, seen, following):
    """The members' means of what is learned, `[B]`, of vectors `[B, O]` and those that follow `[K,
    B, O]`.
    """
    outcomes, normalize = self._outcomes, self.ensemble.observation_normalizer.normalize
    if not self.heads:
      return {}
    tiled = lambda value: tf.repeat(value[None], self.ensemble.members, 0)
    reward, probability = outcomes.expected(
        outcomes.unpack(), tiled(normalize(vector)), tiled(seen), normalize(following))
    learned = {'reward': tf.reduce_mean(reward, 0)} if outcomes.reward_heads else {}
    if outcomes.termination_heads:
      likely = tf.reduce_mean(probability, 0)
      learned.update(termination_probability=likely, terminated=likely > 0.5)
    return learned
