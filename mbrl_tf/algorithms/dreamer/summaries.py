"""What Dreamer reports: names and arithmetic of its metrics."""

import numpy as np


def of_steps(steps):
  """Means over gradient steps of what each told.

  Args:
    steps: list of dicts of `[]`; may be empty.

  Raises:
    FloatingPointError: a loss or gradient norm is not finite.
  """
  columns = {name: np.array([step[name].numpy() for step in steps]) for name in (steps[0] if steps else ())}
  for name, values in columns.items():
    if not np.isfinite(values).all():
      index = int(np.flatnonzero(~np.isfinite(values))[0])
      raise FloatingPointError(
          f'{name} is not finite; a lower learning rate or learner.gradient_clip may help. '
          f'Received: {name}={values[index]} in gradient step {index} of the iteration')
  return {name: float(values.mean()) for name, values in columns.items()}


def histograms(parts):
  """All trained parameters by name."""
  named = {}
  for room, module in (('world_model', parts.world_model), ('actor', parts.actor), ('value', parts.value)):
    for index, variable in enumerate(module.trainable_variables):
      named[f'{room}/{index:02d}_{variable.name.split(":")[0].replace("/", "_")}'] = variable.numpy()
  return named
