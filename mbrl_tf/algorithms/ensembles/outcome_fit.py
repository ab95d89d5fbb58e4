"""Fits the heads of reward and termination to the transitions, splits and epochs of the
ensemble.
"""

import numpy as np
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.algorithms.ensembles import members_fit


class OutcomeFit(tf.Module):
  """Fits what heads a task needs; without any it does nothing."""

  def __init__(self, reward_heads, termination_heads, config, capacity):
    """Makes the optimizers' variables.

    Args:
      reward_heads: `RewardHeads`, or None.
      termination_heads: `TerminationHeads`, or None.
      config: `EnsembleConfig`: heads are fitted as members are.
      capacity: transitions at most.
    """
    super().__init__(name='outcome_fit')
    self._reward_heads, self._termination_heads = reward_heads, termination_heads
    make = lambda heads, told: heads and members_fit.MembersFit(
        heads, config, capacity, f'{told}fit', told)
    self.reward = make(reward_heads, 'reward_')
    self.termination = make(termination_heads, 'termination_')

  def fit(self, transitions, action_features, seed):
    """Fits the heads; to be called after the ensemble is fitted to the same transitions, with the
    same seed.

    Args:
      transitions: `types.Transitions` of numpy arrays, `[M, ...]`, at most the capacity.
      action_features: `[M, A]`, what the model is given of the actions.
      seed: an integer, of splits and batches.

    Returns:
      `members_fit.FitResult` by `reward_` and `termination_`; without the latter while no episode
      has terminated.

    Raises:
      UserError: where a reward is not finite.
    """
    if not (self.reward or self.termination):
      return {}
    examples = (self._reward_heads or self._termination_heads).fitted_inputs(
        transitions.observation, action_features, transitions.next_observation).numpy()
    results = {}
    if self.reward:
      results['reward_'] = self._fit_rewards(examples, transitions.reward, seed)
    if self.termination and transitions.terminated.any():
      results['termination_'] = self._fit_terminations(examples, transitions.terminated, seed)
    return results

  def _fit_rewards(self, examples, rewards, seed):
    lost = np.flatnonzero(~np.isfinite(rewards))
    if len(lost):
      raise errors.UserError(
          'Rewards must be finite to be learned, so the environment must pay a number for each '
          'step. '
          f'Received: {len(lost)} of {len(rewards)} rewards, reward={rewards[lost[0]]}')
    targets = self._reward_heads.fit_unit(rewards).numpy()
    generators = self.reward.generators(seed)
    train, validation = self.reward.splits(len(rewards), generators)
    return self.reward.fit_rows(self.reward.roomy(examples, targets), train, validation, generators)

  def _fit_terminations(self, examples, terminated, seed):
    heads, fitter = self._termination_heads, self.termination
    generators = fitter.generators(seed)
    train, validation = fitter.splits(len(terminated), generators)
    drawn, drawn_validation = (
        heads.drawn(rows, terminated, generators) for rows in (train, validation))
    heads.fit_shares(train, drawn, terminated)
    targets = terminated[:, None].astype(np.float32)
    result = fitter.fit_rows(fitter.roomy(examples, targets), drawn, drawn_validation, generators)
    heads.calibrate(examples, validation, terminated)
    return result
