"""What PETS reports: names and arithmetic of its metrics."""

import numpy as np


def of_plans(plan, episodes, horizon):
  """What plans promise, beside what came of it.

  Args:
    plan: `planner.Plan`.
    episodes: `types.Episode`s that plans led.
    horizon: H, decisions in a plan.

  Returns:
    `imagine/return_mean`, the sum of rewards that the plans' H decisions are expected to bring; and
    `imagine/return_real_mean`, the sum of the first H rewards of the episodes, which was planned
    anew before each: it may well be higher. Not the latter where there are no episodes.
  """
  metrics = {'imagine/return_mean': float(np.mean(plan.value))}
  if episodes:
    metrics['imagine/return_real_mean'] = float(
        np.mean([episode.reward[:horizon].sum() for episode in episodes]))
  return metrics
