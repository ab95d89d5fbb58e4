"""Which algorithms there are. To add one: copy the file names of a folder beside this file, and add a line here."""

import importlib

from mbrl_tf import errors

_PACKAGES = {
    'dreamer': ('mbrl_tf.algorithms.dreamer', 'DreamerConfig'),
    'mbmpo': ('mbrl_tf.algorithms.mbmpo', 'MBMPOConfig'),
}


def names():
  """All names, sorted."""
  return sorted(_PACKAGES)


def config_class(name):
  """The dataclass of an algorithm's config. Does not import TensorFlow."""
  package, class_name = _lookup(name)
  return getattr(importlib.import_module(f'{package}.config'), class_name)


def build(config, spec, driver, store, seed):
  """Builds the algorithm that `config.algorithm` names; arguments as for its `build.build`."""
  package, _ = _lookup(config.algorithm)
  return importlib.import_module(f'{package}.build').build(config, spec, driver, store, seed)


def _lookup(name):
  if name not in _PACKAGES:
    raise errors.unknown_name('algorithm', name, names())
  return _PACKAGES[name]
