"""What many gradient steps told, as one number each."""

import numpy as np

from mbrl_tf.ops import finite


def of_steps(steps):
  """Means over gradient steps of what each told, of the values that are finite.

  What has none is missing, such as the gradient norm where no step was taken while a loss scale
  comes down.

  Args:
    steps: list of dicts of `[]`, as `Learner.step` tells; may be empty.

  Raises:
    FloatingPointError: all steps of a loss were left out, or `finite.LIMIT` in a row, because the
      loss or its gradient was not finite. With loss scaling a gradient that is not finite counts
      where the scale cannot come down any more.
  """
  names = steps[0] if steps else ()
  columns = {name: np.array([step[name].numpy() for step in steps]) for name in names}
  for name in columns:
    if name.endswith('/skipped_share'):
      _require_steps(name.split('/')[0], columns)
  return {name: finite.mean(values) for name, values in columns.items()
          if np.isfinite(values).any()}


def _require_steps(room, columns):
  """Raises where steps of a room's loss are left out and go on to be."""
  told = lambda name: columns.get(f'{room}/{name}')
  loss, skipped, scale = told('loss'), told('skipped_share'), told('loss_scale')
  skipped, advice = skipped == 1, 'a lower learning rate or learner.gradient_clip'
  if scale is not None:
    advice += ", or learner.precision='bfloat16' or 'float32',"
    # Above 1 a scale is still on its way down, which may take a whole iteration.
    if not skipped.all() or scale[-1] > 1:
      skipped = skipped & (~np.isfinite(loss) | (scale <= 1))
  finite.require_steps(f'{room}/loss', skipped, advice, loss)
