"""What MB-MPO reports: names and arithmetic of its metrics."""

import contextlib
import time

import numpy as np


class PhaseClock:
  """Seconds spent in each named phase since they were last read."""

  def __init__(self):
    self._seconds = {}

  @contextlib.contextmanager
  def __call__(self, phase):
    """Adds the time spent in the `with` block to the phase."""
    start = time.perf_counter()
    yield
    self._seconds[phase] = self._seconds.get(phase, 0.0) + time.perf_counter() - start

  def read(self):
    """Returns `seconds/<phase>` and starts anew."""
    seconds, self._seconds = self._seconds, {}
    return {f'seconds/{phase}': value for phase, value in seconds.items()}


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
  `MAMLIter{i}_DynaTrajInner_{j}_episode_reward_{mean,min,max}` for meta-update i, before (j = 0) and after (j = 1)
  adaptation.
  """
  updates = [{name: np.asarray(value) for name, value in update.items()} for update in updates]
  metrics, last = {}, updates[-1]
  for index, update in enumerate(updates):
    for inner, phase in enumerate(('before', 'after')):
      prefix = f'MAMLIter{index}_DynaTrajInner_{inner}_episode_reward'
      metrics[f'{prefix}_mean'] = update[f'return_{phase}_mean'].mean()
      metrics[f'{prefix}_min'] = update[f'return_{phase}_min'].min()
      metrics[f'{prefix}_max'] = update[f'return_{phase}_max'].max()
  for phase in ('before', 'after'):
    metrics[f'imagine/return_{phase}_mean'] = last[f'return_{phase}_mean'].mean()
    metrics[f'imagine/length_{phase}_mean'] = last[f'length_{phase}'].mean()
    for member, value in enumerate(last[f'return_{phase}_mean']):
      metrics[f'imagine/return_{phase}_mean_member_{member}'] = value
  metrics['imagine/adaptation_gain'] = np.mean([(u['return_after_mean'] - u['return_before_mean']).mean() for u in updates])
  for name in ('loss', 'surrogate', 'inner_kl', 'outer_kl', 'kl_coefficient', 'gradient_norm', 'gradient_norm_max'):
    metrics[f'meta/{name}'] = np.mean([update[name].mean() for update in updates])
  metrics['meta/policy_std'] = last['policy_std'].mean()
  return {name: float(value) for name, value in metrics.items()}


def histograms(parts):
  """The meta-policy's parameters and the ensemble's, by name."""
  named = {f'policy/{variable.name.split(":")[0]}': variable for variable in parts.policy.parameters}
  named.update({f'ensemble/{variable.name.split(":")[0]}': variable for variable in parts.ensemble.parameters})
  return {name: variable.numpy() for name, variable in named.items()}
