"""What TD-MPC2 reports: names of its histograms."""


def histograms(parts):
  """All trained parameters by name."""
  named = {}
  rooms = {'world_model': parts.world_model.learned_variables,
           'policy': parts.prior.trainable_variables}
  for room, variables in rooms.items():
    for index, variable in enumerate(variables):
      name = variable.name.split(':')[0].replace('/', '_')
      named[f'{room}/{index:02d}_{name}'] = variable.numpy()
  return named
