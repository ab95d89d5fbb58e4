"""The ensemble as it is exported: one step from observation and action, with reward and termination."""

import tensorflow as tf


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
    observed = spec.observation
    self.predict = tf.function(self._predict, input_signature=[
        tf.TensorSpec([None, *observed.shape], tf.as_dtype(observed.dtype), 'observation'),
        tf.TensorSpec([None, *spec.action.shape], tf.as_dtype(spec.action.dtype), 'action')])

  def _predict(self, observation, action):
    """One step under each member.

    Args:
      observation: `[B, O]`, in the task's units and type.
      action: as `types.ActionSpec` says, `[B, A]` or `[B]`.

    Returns:
      A dict: `mean` and `std` of the next observation under each member `[K, B, O]` (std 0 for deterministic members),
      `next_observation` `[B, O]`, the mean over members; `reward` `[B]` and, where the task terminates, `terminated`
      `[B]`, both of the mean.
    """
    features = self._imagination.action_features(action)
    distribution = self.ensemble((observation, features))
    mean = distribution.mean()
    following = tf.reduce_mean(mean, 0)
    seen = self._imagination.clipped(action)
    result = {'mean': mean, 'std': distribution.stddev(), 'next_observation': following,
              'reward': self._spec.reward(observation, seen, following)}
    if self._spec.terminated is not None:
      result['terminated'] = self._spec.terminated(following)
    return result
