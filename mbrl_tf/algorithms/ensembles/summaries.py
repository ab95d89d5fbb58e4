"""What is reported of an ensemble: names and arithmetic of its metrics."""


def of_fits(fits):
  """Epochs and losses of each member, and their means, of `FitResult`s by how their names begin after `fit/`."""
  metrics = {}
  for told, fit in fits.items():
    for name, values in (('epochs', fit.epochs), ('validation_loss', fit.validation_loss), ('train_loss', fit.train_loss)):
      metrics[f'fit/{told}{name}_mean'] = values.mean()
      metrics.update({f'fit/{told}{name}_member_{member}': value for member, value in enumerate(values)})
    metrics[f'fit/{told}skipped_share'] = fit.skipped_share.mean()
  return {name: float(value) for name, value in metrics.items()}


def of_functions(compared):
  """How far the task's own functions are from what its simulator did, in `agreement.Comparison`s."""
  return {f'collect/{each.function}_error': each.error for each in compared}


def histograms(ensemble):
  """The parameters of a `DynamicsEnsemble`, by name."""
  return {f'ensemble/{variable.name.split(":")[0]}': variable.numpy()
          for variable in ensemble.parameters}
