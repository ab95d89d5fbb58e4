"""Which algorithms there are. To add one: copy the file names of a folder beside this file, and add a line here."""

import importlib
from typing import NamedTuple

from mbrl_tf import errors


class _Entry(NamedTuple):
  package: str
  config_class: str
  onednn: bool  # whether oneDNN's kernels are faster on a CPU: with convolutions twice, with many small products slower


_ALGORITHMS = {
    'dreamer': _Entry('mbrl_tf.algorithms.dreamer', 'DreamerConfig', onednn=True),
    'mbmpo': _Entry('mbrl_tf.algorithms.mbmpo', 'MBMPOConfig', onednn=False),
    'pets': _Entry('mbrl_tf.algorithms.pets', 'PETSConfig', onednn=False),
    'tdmpc2': _Entry('mbrl_tf.algorithms.tdmpc2', 'TDMPC2Config', onednn=False),
}


def names():
  """All names, sorted."""
  return sorted(_ALGORITHMS)


def config_class(name):
  """The dataclass of an algorithm's config. Does not import TensorFlow."""
  entry = _lookup(name)
  return getattr(importlib.import_module(f'{entry.package}.config'), entry.config_class)


def prefers_onednn(name):
  """Whether TensorFlow should use oneDNN's kernels on a CPU. It decides when it is imported, and leaves them out without AVX-512."""
  return _lookup(name).onednn


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm that `config.algorithm` names, by the function of this name in its
  package's `build.py`.

  Args:
    config: of the algorithm's own class, validated.
    spec: `types.EnvironmentSpec` of the task.
    driver: collects real episodes, and hands each to the store as it ends.
    store: where they are kept.
    seed: an integer.
    strategy: the `tf.distribute.Strategy` that learns; None for one device.

  Returns:
    An `algorithms.base.Algorithm`.

  Raises:
    UserError: where the algorithm cannot learn this task.
  """
  module = importlib.import_module(f'{_lookup(config.algorithm).package}.build')
  return module.build(config, spec, driver, store, seed, strategy)


def _lookup(name):
  if name not in list(_ALGORITHMS):  # a file may hold what no dict can be asked for
    raise errors.unknown_name('algorithm', name, names())
  return _ALGORITHMS[name]
