"""The ensemble as it is exported: one step from observation and action, with reward and termination."""

import tensorflow as tf

from mbrl_tf.models import observations as observations_lib

class ExportedModel(tf.Module):
  """`predict`: observation, action -> mean, std per member, reward, next observation."""

  def __init__(self, ensemble, imagination, spec):
    """Makes the function that a SavedModel keeps.

    Args:
      ensemble: `DynamicsEnsemble`.
      imagination: `Imagination`, for what the model is given of an action.
      spec: `types.EnvironmentSpec`.
    """
    super().__init__(name='dynamics_model')
    self.ensemble, self._imagination, self._spec = ensemble, imagination, spec
    self._observations = observations_lib.Observations(spec.observation)
    self.predict = tf.function(self._predict, input_signature=[
        observations_lib.signature(spec.observation),
        tf.TensorSpec([None, *spec.action.shape], tf.as_dtype(spec.action.dtype), 'action')])

  def _predict(self, observation, action):
    """One step under each member.

    Args:
      observation: `[B, O]`, in the task's units and type, or a dict of arrays.
      action: as `types.ActionSpec` says, `[B, A]` or `[B]`.

    Returns:
      A dict: `mean` and `std` of the next observation under each member `[K, B, O]` (std 0 for deterministic members),
      `next_observation` `[B, O]`, the mean over members, both of all parts of an observation joined
      in the order of their keys, with choices one-hot; `reward` `[B]` and, where the task terminates, `terminated`
      `[B]`, both of the mean.
    """
    features = self._imagination.action_features(action)
    vector = self._observations.joined(observation)
    distribution = self.ensemble((vector, features))
    mean = distribution.mean()
    following = tf.reduce_mean(mean, 0)
    seen = self._imagination.clipped(action)
    shown = self._observations.shown(following)
    result = {'mean': mean, 'std': distribution.stddev(), 'next_observation': following,
              'reward': self._spec.reward(observation, seen, shown)}
    if self._spec.terminated is not None:
      result['terminated'] = self._spec.terminated(shown)
    return result
