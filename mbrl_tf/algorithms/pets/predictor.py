"""What the ensemble predicts of real episodes, for those who want to understand it."""

import numpy as np
import tensorflow as tf

from mbrl_tf.algorithms.ensembles import predictor
from mbrl_tf.ops import actions as actions_lib


class Predictor(predictor.EnsemblePredictor):
  """Lets a plan act in the members; see `algorithms.base.Predictor`."""

  def __init__(self, ensemble, observations, action, outcomes, planner, config):
    """Only keeps its arguments.

    Args:
      ensemble, observations, action, outcomes: as in `EnsemblePredictor`.
      planner: `Planner`.
      config: `PlannerConfig`.
    """
    super().__init__(
        ensemble, observations, action, outcomes, config.horizon, ensemble.probabilistic)
    self._planner = planner

  def act(self, windows, decisions, seed):
    """See `algorithms.base.Predictor`: each member follows the plan that is made at the beginning,
    without planning again, so H is at most the horizon of a plan."""
    vectors = self._observations.joined(windows.observation)[:, 0]
    initial = tf.repeat(self._planner.initial_mean()[None], tf.shape(vectors)[0], 0)
    seed = tf.constant(seed)
    plan = self._planner(vectors, initial, seed)
    # The mean of the next plan is the rest of this one, and something new at its end.
    whole = tf.concat([plan.action[:, None], plan.mean[:, :-1]], 1)[:, :decisions]
    found = self._compiled(
        self._ensemble.observation_normalizer.normalize(vectors),
        actions_lib.from_features(self._action, whole, tf.int32), seed, False)
    going = found['going'].numpy()
    before = np.cumprod(np.concatenate([np.ones_like(going[..., :1]), going[..., :-1]], -1), -1)
    return found['reward'].numpy(), before
