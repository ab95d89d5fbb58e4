"""What the ensemble predicts of real episodes, for those who want to understand it."""

import tensorflow as tf

from mbrl_tf.algorithms.ensembles import predictor


class Predictor(predictor.EnsemblePredictor):
  """Lets the policies that collect act in the members; see `algorithms.base.Predictor`."""

  def __init__(self, ensemble, observations, action, imagination, outcomes, adapted, config):
    """Only keeps its arguments.

    Args:
      ensemble, observations, action, outcomes: as in `EnsemblePredictor`.
      imagination: `Imagination`.
      adapted: `AdaptedPolicies`, which collect.
      config: `ImaginationConfig`.
    """
    super().__init__(
        ensemble, observations, action, outcomes, config.horizon, config.member_noise)
    self._imagination, self._adapted = imagination, adapted
    self._compiled_rollouts = tf.function(imagination.rollouts, autograph=False)

  def act(self, windows, decisions, seed):
    """See `algorithms.base.Predictor`: policy k in member k, as when it learns."""
    vectors = self._observations.joined(windows.observation)[:, 0]
    starts = tf.repeat(vectors[None], self._ensemble.members, 0)
    parameters = [tf.convert_to_tensor(p) for p in self._adapted.parameters]
    found = self._compiled_rollouts(parameters, starts, tf.constant(seed))
    # Where rollouts begin again after an end, that is another episode.
    before = tf.math.cumprod(1 - found.ended, -1, exclusive=True) * found.mask
    return found.reward.numpy()[..., :decisions], before.numpy()[..., :decisions]
