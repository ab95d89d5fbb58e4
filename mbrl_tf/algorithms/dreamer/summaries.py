"""What Dreamer reports: names and arithmetic of its metrics."""

import numpy as np

from mbrl_tf.ops import finite


def of_steps(steps):
  """Means over gradient steps of what each told, of the values that are finite.

  What has none is missing, such as the gradient norm where no step was taken while a loss scale comes down.

  Args:
    steps: list of dicts of `[]`, as `Learner.step` tells; may be empty.

  Raises:
    FloatingPointError: all steps of a loss were left out, or `finite.LIMIT` in a row, because the loss or its gradient was not
      finite. With loss scaling a gradient that is not finite counts where the scale cannot come down any more.
  """
  columns = {name: np.array([step[name].numpy() for step in steps]) for name in (steps[0] if steps else ())}
  for name in columns:
    if name.endswith('/skipped_share'):
      _require_steps(name.split('/')[0], columns)
  return {name: finite.mean(values) for name, values in columns.items() if np.isfinite(values).any()}


def _require_steps(room, columns):
  """Raises where steps of a room's loss are left out and go on to be."""
  loss, skipped, scale = (columns.get(f'{room}/{name}') for name in ('loss', 'skipped_share', 'loss_scale'))
  skipped, advice = skipped == 1, 'a lower learning rate or learner.gradient_clip'
  if scale is not None:
    advice += ", or learner.precision='bfloat16' or 'float32',"
    if not skipped.all() or scale[-1] > 1:  # above 1 a scale is still on its way down, which may take a whole iteration
      skipped = skipped & (~np.isfinite(loss) | (scale <= 1))
  finite.require_steps(f'{room}/loss', skipped, advice, loss)


def histograms(parts):
  """All trained parameters by name."""
  named = {}
  for room, module in (('world_model', parts.world_model), ('actor', parts.actor), ('value', parts.value)):
    for index, variable in enumerate(module.trainable_variables):
      named[f'{room}/{index:02d}_{variable.name.split(":")[0].replace("/", "_")}'] = variable.numpy()
  return named
