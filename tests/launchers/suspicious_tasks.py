"""A task that refuses to be stepped beside TensorFlow, as software rendering does by crashing."""

import multiprocessing
import sys

from mbrl_tf.environments import toy


class Suspicious(toy.PointMass):
  """A point mass whose worker must be free of TensorFlow."""

  def reset(self, *, seed=None, options=None):
    if multiprocessing.parent_process() is None:
      raise AssertionError('not in a worker')
    loaded = {'tensorflow', 'tf_agents', 'tensorflow_probability'} & set(sys.modules)
    if loaded:
      raise AssertionError(f'the worker has loaded {loaded}')
    return super().reset(seed=seed, options=options)
