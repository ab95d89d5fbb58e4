"""What is computed in float64 comes out of LiteRT's float32 as exact as its inputs are."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.models import normalizer
from mbrl_tf.training import lite


def run(function, **arrays):
  """What a function of named arrays gives in LiteRT's interpreter."""
  named = tf.function(lambda **given: function(**given))
  content = lite.convert(named.get_concrete_function(
      **{name: tf.TensorSpec([None, *array.shape[1:]], array.dtype, name)
         for name, array in arrays.items()}))
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    interpreter = tf.lite.Interpreter(model_content=content)
  narrow = {name: array.astype(np.float32) if array.dtype == np.float64 else array
            for name, array in arrays.items()}
  return interpreter.get_signature_runner(lite.SIGNATURE)(**narrow)


def test_a_small_motion_upon_a_large_offset_survives_and_what_is_no_number_stays_none():
  generator = np.random.default_rng(0)
  data = 101325.2 + generator.normal(size=[1000, 3]) * [0.5, 5, 0]
  known = normalizer.Normalizer(3)
  known.fit(data)
  # Its mean is no float32, and its deviation far below the distance of float32s from 0.
  function = tf.function(lambda given: {'normalized': known.normalize(given), 'doubled': 2 * given})
  given = data[:7].astype(np.float32)
  given[5, 0], given[6, 1] = np.nan, np.inf
  found = run(function, given=given)
  np.testing.assert_allclose(found['normalized'], function(given)['normalized'], atol=1e-5)
  assert np.isnan(found['normalized'][5, 0]) and np.isnan(found['normalized'][6, 1])
  np.testing.assert_array_equal(found['doubled'], 2 * given)


def test_float64_inputs_and_outputs_become_float32():
  function = tf.function(lambda a, b: {'sum': a + tf.cast(b, tf.float64), 'one': tf.constant(1.0)})
  found = run(function, a=np.array([0.5, 1.5]), b=np.array([1, 2], np.int64))
  np.testing.assert_array_equal(found['sum'], np.float32([1.5, 3.5]))
  assert found['sum'].dtype == np.float32 and found['one'] == 1


def test_what_litert_cannot_compute_is_told():
  function = tf.function(lambda given: {
      'noisy': given + tf.random.stateless_normal(tf.shape(given), [1, 2])})
  with pytest.raises(errors.UserError, match='draws nothing at random.*StatelessRandom'):
    run(function, given=np.zeros([2, 2], np.float32))
