"""Observations taken apart: what is an image, and everything else as one vector that comes back."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.models import observations

SPEC = {'zeta': types.ArraySpec((2, 3), 'float32'), 'camera': types.ArraySpec((8, 8, 3), 'uint8'),
        'alpha': types.ArraySpec((), 'float32'), 'memory': types.ArraySpec((4,), 'uint8'),
        'back': types.ArraySpec((8, 8, 1), 'uint8')}


def draw(lead):
  generator = np.random.default_rng(0)
  return {
      key: (generator.integers(0, 256, (*lead, *array.shape)).astype(array.dtype)
            if array.dtype == 'uint8' else generator.normal(size=(*lead, *array.shape)).astype('f')
           ) for key, array in SPEC.items()
  }


def test_images_and_vectors_are_told_apart():
  tested = observations.Observations(SPEC)
  assert tested.images == ['back', 'camera'] and tested.vector_size == 1 + 4 + 6 and set(
      tested.specs) == set(SPEC)
  np.testing.assert_array_equal(tested.is_byte, [False] + 4 * [True] + 6 * [False])


def test_what_is_joined_is_float64_where_a_part_is():
  spec = {'coarse': types.ArraySpec((2,), 'float32'), 'fine': types.ArraySpec((1,), 'float64'),
          'memory': types.ArraySpec((1,), 'uint8')}
  tested = observations.Observations(spec)
  value = {'coarse': np.array([1, 2], 'f'), 'fine': np.array([1e6 + 1e-7]), 'memory': np.uint8([9])}
  joined = tested.joined({key: tf.constant(array) for key, array in value.items()})
  np.testing.assert_array_equal(joined, [1, 2, 1e6 + 1e-7, 9])
  np.testing.assert_allclose(tested.rounding[:3], [2.0**-23, 2.0**-23, 2.0**-52])
  # One that was stored before, when all were float32.
  older = {key: tf.constant(array.astype('f')) for key, array in value.items()}
  assert tested.joined(older).dtype == tf.float64


def test_all_but_images_is_joined_in_the_order_of_the_keys_and_split_again():
  tested = observations.Observations(SPEC)
  for lead in ((), (5,), (2, 3)):
    value = draw(lead)
    joined = tested.joined({key: tf.constant(array) for key, array in value.items()})
    expected = np.concatenate([np.reshape(value['alpha'], (*lead, 1)), value['memory'].astype('f'),
                               value['zeta'].reshape(*lead, 6)], -1)
    assert joined.dtype == tf.float32
    np.testing.assert_array_equal(joined, expected)
    back = tested.split(joined)
    assert set(back) == {'alpha', 'memory', 'zeta'}
    for key, array in back.items():
      np.testing.assert_array_equal(array, value[key], err_msg=key)


def test_a_single_array_is_a_vector_or_an_image():
  vector = observations.Observations(types.ArraySpec((3,), 'float32'))
  assert vector.images == [] and vector.vector_size == 3
  value = tf.constant([[1.0, 2.0, 3.0]])
  np.testing.assert_array_equal(vector.joined(value), value)
  np.testing.assert_array_equal(vector.split(value)['observation'], value)
  image = observations.Observations(types.ArraySpec((8, 8, 3), 'uint8'))
  assert image.images == ['observation'] and image.vector_size == 0


def test_an_observation_is_looked_up_by_key_without_being_changed():
  value = {'a': 1}
  assert observations.by_key(value) == value and observations.by_key(value) is not value
  assert observations.by_key(7) == {'observation': 7}


def test_entries_are_called_by_their_keys():
  observed = observations.Observations({
      'speed': types.ArraySpec((2,), 'float32'), 'image': types.ArraySpec((16, 16, 3), 'uint8'),
      'gear': types.ArraySpec((), 'int64', choices=(3,))})
  assert observed.entries == ('gear[0]', 'gear[1]', 'gear[2]', 'speed[0]', 'speed[1]')
  assert len(observed.entries) == observed.vector_size
