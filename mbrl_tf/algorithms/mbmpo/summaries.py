"""What MB-MPO reports: names and arithmetic of its metrics."""

import numpy as np

from mbrl_tf.algorithms.ensembles import summaries as ensemble_summaries
from mbrl_tf.ops import finite


def of_updates(updates):
  """Imagined returns by member and by meta-update, and what the outer steps tell.

  Imagined returns are also given under the names that RLlib's published curves have:
  `MAMLIter{i}_DynaTrajInner_{j}_episode_reward_{mean,min,max}` for meta-update i, after j inner steps.

  Raises:
    FloatingPointError: all meta-updates took no step, or `finite.LIMIT` in a row, because the loss or its gradient was not
      finite.
  """
  updates = [{name: np.asarray(value) for name, value in update.items()} for update in updates]
  lost = [update['skipped_steps'] > 0 and update['outer_steps'] == 0 for update in updates]
  finite.require_steps('meta/loss', lost, 'a lower meta.outer_lr or a meta.gradient_clip', [update['loss'] for update in updates])
  metrics, last = {}, updates[-1]
  for index, update in enumerate(updates):
    for inner in range(len(update['return_mean'])):
      prefix = f'MAMLIter{index}_DynaTrajInner_{inner}_episode_reward'
      metrics[f'{prefix}_mean'] = update['return_mean'][inner].mean()
      metrics[f'{prefix}_min'] = update['return_min'][inner].min()
      metrics[f'{prefix}_max'] = update['return_max'][inner].max()
  for inner, phase in ((0, 'before'), (-1, 'after')):
    metrics[f'imagine/return_{phase}_mean'] = last['return_mean'][inner].mean()
    metrics[f'imagine/length_{phase}_mean'] = last['length'][inner].mean()
    for member, value in enumerate(last['return_mean'][inner]):
      metrics[f'imagine/return_{phase}_mean_member_{member}'] = value
  metrics['imagine/adaptation_gain'] = finite.mean([(u['return_mean'][-1] - u['return_mean'][0]).mean() for u in updates])
  for name in ('loss', 'surrogate', 'inner_kl', 'outer_kl', 'kl_coefficient', 'gradient_norm', 'gradient_norm_max', 'outer_steps'):
    metrics[f'meta/{name}'] = finite.mean([update[name].mean() for update in updates])
  skipped, taken = (sum(float(update[name]) for update in updates) for name in ('skipped_steps', 'outer_steps'))
  metrics['meta/skipped_share'] = skipped / max(skipped + taken, 1)
  metrics['meta/policy_std'] = last['policy_std'].mean()
  return {name: float(value) for name, value in metrics.items()}


def histograms(parts):
  """The meta-policy's parameters and the ensemble's, by name."""
  named = {f'policy/{variable.name.split(":")[0]}': variable for variable in parts.policy.parameters}
  return {**{name: variable.numpy() for name, variable in named.items()},
          **ensemble_summaries.histograms(parts.ensemble)}
