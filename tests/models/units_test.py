"""Units that are given, and units that are found."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import observations, units

SPEC = {'place': types.ArraySpec((2,), 'float64'), 'speed': types.ArraySpec((), 'float32')}


def episode(seed=0, paid=1.0):
  generator = np.random.default_rng(seed)
  seen = {'place': 1e-3 * generator.normal(size=(21, 2)) + 5.0,
          'speed': 1e3 * generator.normal(size=21).astype('f')}
  return types.Episode(seen, np.zeros((20, 1), 'f'), paid * generator.uniform(2, 3, 20),
                       np.zeros(20, bool))


@pytest.mark.parametrize('symlog', [False, True])
def test_what_is_as_it_is_stays_so(symlog):
  tested = units.AsTheyAre(observations.Observations(SPEC), symlog)
  values = np.array([-3.0, 0.5, 100.0])
  read = tested.read(tf.constant(values))
  expected = np.sign(values) * np.log1p(np.abs(values)) if symlog else values
  np.testing.assert_allclose(read, expected, rtol=1e-5)
  np.testing.assert_allclose(tested.shown(read), values, rtol=1e-4)
  assert read.dtype == tf.float32 and tested.reward == 1


def test_measured_units_are_deviations_and_a_power_of_ten():
  taken = observations.Observations(SPEC)
  tested = units.Measured(taken)
  told = episode(paid=40.0)
  tested.survey(told, True)
  joined = np.concatenate([told.observation['place'], told.observation['speed'][:, None]], -1)
  normalized = (joined - joined.mean(0)) / joined.std(0)
  expected = np.sign(normalized) * np.log1p(np.abs(normalized))
  read = tested.read(taken.joined(told.observation))
  np.testing.assert_allclose(read, expected, rtol=1e-3, atol=1e-3)
  np.testing.assert_allclose(tested.shown(read), joined, rtol=1e-4, atol=0.1)
  assert float(tested.reward) == 100
  # Hundred times as large: once something is learned, it stays.
  tested.survey(episode(paid=4000.0), False)
  assert float(tested.reward) == 100
