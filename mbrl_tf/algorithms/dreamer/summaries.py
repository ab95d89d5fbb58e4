"""What Dreamer reports: names of its histograms."""


def histograms(parts):
  """All trained parameters by name."""
  named = {}
  for room, module in (('world_model', parts.world_model), ('actor', parts.actor), ('value', parts.value)):
    for index, variable in enumerate(module.trainable_variables):
      named[f'{room}/{index:02d}_{variable.name.split(":")[0].replace("/", "_")}'] = variable.numpy()
  return named
