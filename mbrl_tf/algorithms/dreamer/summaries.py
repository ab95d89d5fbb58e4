"""What Dreamer reports: names and arithmetic of its metrics."""

import numpy as np


def of_steps(steps):
  """Means over gradient steps of what each told.

  Where the loss is scaled, a step that was left out has no gradient norm: the mean is over those that were taken, and is
  missing where none was.

  Args:
    steps: list of dicts of `[]`, as `Learner.step` tells; may be empty.

  Raises:
    FloatingPointError: a loss is not finite; or a gradient, where the loss is not scaled, or where no step was taken
      although the scale has come down to 1.
  """
  columns = {name: np.array([step[name].numpy() for step in steps]) for name in (steps[0] if steps else ())}
  taken = {name.split('/')[0]: values == 0 for name, values in columns.items() if name.endswith('/skipped_share')}
  for room, which in taken.items():
    columns[f'{room}/gradient_norm'] = columns[f'{room}/gradient_norm'][which]
  _require_finite(columns)
  for room, which in taken.items():
    _require_a_step(room, which, columns[f'{room}/loss_scale'][-1])
  return {name: float(values.mean()) for name, values in columns.items() if values.size}


def _require_a_step(room, taken, last_scale):
  """Raises where each step of an iteration was left out, and no lower scale can help."""
  # Above 1 a scale is still on its way down, which may take longer than a short iteration.
  if not taken.any() and last_scale <= 1:
    raise FloatingPointError(
        f'The gradient of {room}/loss was not finite in any gradient step of the iteration, though the loss is no longer scaled; '
        "learner.precision='bfloat16' or 'float32' may help. "
        f'Received: {room}/loss_scale={last_scale} in the last of {len(taken)} steps')


def _require_finite(columns):
  """Raises at the first loss, norm or other value that is not finite."""
  for name, values in columns.items():
    if not np.isfinite(values).all():
      index = int(np.flatnonzero(~np.isfinite(values))[0])
      raise FloatingPointError(
          f'{name} is not finite; a lower learning rate or learner.gradient_clip may help. '
          f'Received: {name}={values[index]} in gradient step {index} of the iteration')


def histograms(parts):
  """All trained parameters by name."""
  named = {}
  for room, module in (('world_model', parts.world_model), ('actor', parts.actor), ('value', parts.value)):
    for index, variable in enumerate(module.trainable_variables):
      named[f'{room}/{index:02d}_{variable.name.split(":")[0].replace("/", "_")}'] = variable.numpy()
  return named
