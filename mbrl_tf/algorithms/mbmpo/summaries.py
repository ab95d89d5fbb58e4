"""What MB-MPO reports: names and arithmetic of its metrics."""

import numpy as np


def of_fit(fit):
  """Epochs and losses of each member, and their means."""
  metrics = {'fit/epochs_mean': fit.epochs.mean(), 'fit/validation_loss_mean': fit.validation_loss.mean(),
             'fit/train_loss_mean': fit.train_loss.mean()}
  for member in range(len(fit.epochs)):
    metrics[f'fit/epochs_member_{member}'] = fit.epochs[member]
    metrics[f'fit/validation_loss_member_{member}'] = fit.validation_loss[member]
    metrics[f'fit/train_loss_member_{member}'] = fit.train_loss[member]
  return {name: float(value) for name, value in metrics.items()}


def of_updates(updates):
  """Imagined returns by member and by meta-update, and what the outer steps tell.

  Imagined returns are also given under the names that RLlib's published curves have:
  `MAMLIter{i}_DynaTrajInner_{j}_episode_reward_{mean,min,max}` for meta-update i, after j inner steps.
  """
  updates = [{name: np.asarray(value) for name, value in update.items()} for update in updates]
  _require_finite(updates)
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
  metrics['imagine/adaptation_gain'] = np.mean([(u['return_mean'][-1] - u['return_mean'][0]).mean() for u in updates])
  for name in ('loss', 'surrogate', 'inner_kl', 'outer_kl', 'kl_coefficient', 'gradient_norm', 'gradient_norm_max', 'outer_steps'):
    metrics[f'meta/{name}'] = np.mean([update[name].mean() for update in updates])
  metrics['meta/policy_std'] = last['policy_std'].mean()
  return {name: float(value) for name, value in metrics.items()}


def _require_finite(updates):
  """Raises where a meta-update's loss or gradient is not finite: the meta-policy is lost, and must not be saved."""
  for index, update in enumerate(updates):
    for name in ('loss', 'gradient_norm_max'):
      if not np.isfinite(update[name]).all():
        raise FloatingPointError(
            f'The {name} of a meta-update is not finite; a lower meta.outer_lr or a meta.gradient_clip may help. '
            f'Received: {name}={update[name]} in meta-update {index}')


def histograms(parts):
  """The meta-policy's parameters and the ensemble's, by name."""
  named = {f'policy/{variable.name.split(":")[0]}': variable for variable in parts.policy.parameters}
  named.update({f'ensemble/{variable.name.split(":")[0]}': variable for variable in parts.ensemble.parameters})
  return {name: variable.numpy() for name, variable in named.items()}
