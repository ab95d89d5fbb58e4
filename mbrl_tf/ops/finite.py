"""Steps that were left out because a loss or a gradient was not finite: how many are borne, and how they are told.

All learners do the same: such a step is not applied, the share of them is reported as `<room>/skipped_share`, and where it
goes on the run stops, before a checkpoint is written.
"""

import numpy as np

LIMIT = 10  # steps of one loss that may be left out in a row


def require_steps(name, skipped, advice, received):
  """Stops a run whose learning does not recover.

  Args:
    name: of the loss.
    skipped: bool `[steps]` of one iteration, in order: which were left out because it or its gradient was not finite.
    advice: what may help.
    received: the values, one for each step, of which the last one left out is told.

  Raises:
    FloatingPointError: where all steps were left out, or `LIMIT` in a row.
  """
  skipped = np.asarray(skipped, bool)
  if not skipped.any():
    return
  longest = max(len(run) for run in ''.join('x' if left_out else ' ' for left_out in skipped).split())
  if skipped.all() or longest >= LIMIT:
    last = int(np.flatnonzero(skipped)[-1])
    raise FloatingPointError(
        f'{name} or its gradient is not finite in {longest} steps in a row, none of which was applied; {advice} may help. '
        f'Received: {name}={received[last]} in step {last} of the {len(skipped)} of this iteration')


def mean(values):
  """The mean of those that are finite; NaN where none is."""
  finite = np.asarray(values, np.float64)
  finite = finite[np.isfinite(finite)]
  return float(finite.mean()) if finite.size else float('nan')
