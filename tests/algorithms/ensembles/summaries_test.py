"""Names and arithmetic of the metrics."""

import numpy as np
import pytest

from mbrl_tf.algorithms.ensembles import members_fit, summaries


def test_a_fit_is_told_for_each_member():
  metrics = summaries.of_fits({
      '': members_fit.FitResult(np.array([3, 5]), np.array([0.1, 0.3]), np.array([0.2, 0.2]), np.array([0., 0.5])),
      'reward_': members_fit.FitResult(np.array([7, 7]), np.array([2.0, 4.0]), np.zeros(2), np.zeros(2))})
  assert metrics['fit/reward_validation_loss_mean'] == 3 and metrics['fit/reward_epochs_member_0'] == 7
  assert metrics['fit/skipped_share'] == 0.25
  assert metrics['fit/epochs_mean'] == 4 and metrics['fit/epochs_member_1'] == 5
  assert metrics['fit/validation_loss_mean'] == pytest.approx(0.2) and metrics['fit/validation_loss_member_0'] == 0.1
  assert metrics['fit/train_loss_member_1'] == 0.2
