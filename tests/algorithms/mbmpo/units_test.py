"""A task in other units is learned alike, from the simulator to the exported model."""

import itertools
from typing import Any, Mapping, NamedTuple

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from mbrl_tf.algorithms.mbmpo import build
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog
from tests.algorithms.mbmpo import iteration_test


class Line(gymnasium.Env):
  """Place and speed of a point that is pushed, and a number that never varies, in units of one's
  choice.

  It is paid for being near 0.
  """
  action_space = spaces.Box(-1.0, 1.0, [1], np.float32)
  time_limit = 12

  def __init__(self, scale=(1.0, 1.0), shift=(0.0, 0.0), dtype='float64'):
    self._scale, self._shift = np.array([*scale, 1.0]), np.array([*shift, 0.0])
    self.observation_space = spaces.Box(-np.inf, np.inf, [3], np.dtype(dtype))

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._state = self.np_random.uniform(-1, 1, 2)
    return self._observed(), {}

  def step(self, action):
    self._state[1] = 0.9 * self._state[1] + 0.3 * float(action[0])
    self._state[0] += 0.3 * self._state[1]
    return self._observed(), -abs(float(self._state[0])), False, False, {}

  def reward_function(self, observation, action, next_observation):
    del observation, action
    return -tf.abs((next_observation[..., 0] - self._shift[0]) / self._scale[0])

  def _observed(self):
    observed = np.append(self._state, 7.3) * self._scale + self._shift
    return observed.astype(self.observation_space.dtype)


class Learned(NamedTuple):
  """What a run told, and what its model predicts from a state in the middle, less the shift, by the
  scale.
  """
  reports: Any
  predicted: Mapping[str, Any]


def learned(folder, scale=(1.0, 1.0), shift=(0.0, 0.0), dtype='float64'):
  settings = {'scale': scale, 'shift': shift, 'dtype': dtype}
  name, store = f'{__name__}:Line', episodes.EpisodeStore(folder)
  with catalog.make(name, 2, seed=1, kwargs=settings) as environment:
    driver = episode_driver.EpisodeDriver(environment, observers=(store.append,))
    config = iteration_test.make_config(imagination__horizon=4, ensemble__learning_rate=0.02)
    algorithm = build.build(config, environment.spec, driver, store, 1)
    reports = list(itertools.islice(algorithm.iterations(), 3))
  units = np.array([*scale, 1.0]), np.array([*shift, 0.0])
  start = (np.array([[0.2, -0.3, 7.3]]) * units[0] + units[1]).astype(dtype)
  told = algorithm.model_module().predict(tf.constant(start), tf.constant([[0.7]]))
  following = (told['next_observation'].numpy().astype(np.float64) - units[1]) / units[0]
  return Learned([report.metrics for report in reports],
                 {'next_observation': following, 'reward': told['reward'].numpy()})


@pytest.fixture(scope='module', autouse=True)
def eagerly():
  """To compile takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
  return learned(tmp_path_factory.mktemp('plain'))


@pytest.mark.parametrize('settings', [
    {'scale': (1e3, 1e-6), 'shift': (101_325.0, 0.0), 'dtype': 'float32'},  # pascals, micrometres
    {'scale': (1e-3, 1e6), 'shift': (1e6, -1e6)},
    {'scale': (1e-6, 1.0), 'shift': (1.0, 1e6)}], ids=str)
def test_a_run_in_other_units_tells_the_same(settings, expected, tmp_path):
  found = learned(tmp_path, **settings)
  for report, other in zip(found.reports, expected.reports, strict=True):
    names = {name for name in other if name.split('/')[0] not in ('seconds', 'collect')}
    for name in [*names, 'collect/return_mean', 'collect/return_min']:
      np.testing.assert_allclose(report[name], other[name], rtol=5e-3, atol=5e-3, err_msg=name)
  for name, value in expected.predicted.items():
    np.testing.assert_allclose(found.predicted[name], value, rtol=1e-3, atol=1e-3, err_msg=name)


def test_the_model_has_moved_and_what_never_varies_stays(expected):
  assert abs(expected.predicted['next_observation'][0, 1] + 0.3) > 0.02
  np.testing.assert_allclose(expected.predicted['next_observation'][0, 2], 7.3)
