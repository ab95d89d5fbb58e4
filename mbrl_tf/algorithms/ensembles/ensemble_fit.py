"""Fits the ensemble to real transitions."""

import tensorflow as tf

from mbrl_tf.algorithms.ensembles import members_fit


class EnsembleFit(members_fit.MembersFit):
  """Fits the normalizers and the members of a `DynamicsEnsemble`."""

  def __init__(self, ensemble, config, capacity):
    """As `MembersFit`, of transitions."""
    super().__init__(ensemble, config, capacity, name='ensemble_fit')
    self._ensemble = ensemble
    self.compiled_error_std = tf.function(self.error_std, reduce_retracing=True, autograph=False)

  def fit(self, transitions, action_features, seed):
    """Fits normalizers and members.

    Args:
      transitions: `types.Transitions` of numpy arrays, `[M, ...]`, at most the capacity.
      action_features: `[M, A]`, what the model is given of the actions.
      seed: an integer, of splits and batches.

    Returns:
      `members_fit.FitResult`.
    """
    generators = self.generators(seed)
    data = self._normalized(transitions, action_features)
    train, validation = self.splits(len(transitions.reward), generators)
    result = self.fit_rows(data, train, validation, generators)
    if not self._ensemble.probabilistic:
      self._ensemble.error_std.assign(self.compiled_error_std(*data, tf.constant(validation)))
    return result

  def error_std(self, inputs, targets, validation):
    """Root of the mean squared error of each entry on each member's held-out data.

    Args:
      inputs, targets: as in `epoch`.
      validation: int32 `[K, V]`.

    Returns:
      `[K, O]`, in normalised changes.
    """
    unpacked = self._ensemble.unpack([tf.convert_to_tensor(p) for p in self._ensemble.parameters])
    predicted, _ = self._ensemble.change_moments(unpacked, tf.gather(inputs, validation))
    return tf.sqrt(tf.reduce_mean(tf.square(tf.gather(targets, validation) - predicted), 1))

  def _normalized(self, transitions, action_features):
    """Fits the normalizers to all the data, and returns padded inputs and targets."""
    self._ensemble.fit_normalizers(transitions.observation, action_features, transitions.next_observation)
    return self.roomy(*self._ensemble.examples(
        transitions.observation, action_features, transitions.next_observation))
