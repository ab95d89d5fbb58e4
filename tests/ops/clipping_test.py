"""Clipping against numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import clipping


def test_each_gradient_is_at_most_a_share_of_its_variable():
  generator = np.random.default_rng(0)
  shapes, scales = [(3, 4), (4,), (2, 2), (3,)], [10.0, 0.01, 1.0, 5.0]
  gradients = [(scale * generator.normal(size=shape)).astype('f')
               for shape, scale in zip(shapes, scales)]
  variables = [generator.normal(size=shape).astype('f') for shape in shapes[:-1]]
  variables.append(np.zeros(3, 'f'))  # which counts as one of norm 1e-3
  clipped = clipping.adaptive(gradients, variables, tf.constant(1.0), 0.3)
  for gradient, variable, found in zip(gradients, variables, clipped):
    most = 0.3 * max(np.linalg.norm(variable), 1e-3)
    expected = gradient * min(1.0, most / np.linalg.norm(gradient))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
  np.testing.assert_array_equal(clipped[1], gradients[1])  # small enough as it is
  still = clipping.adaptive([tf.zeros([3])], [tf.ones([3])], tf.constant(0.0), 0.3)
  np.testing.assert_array_equal(still[0], np.zeros(3))


@pytest.mark.parametrize('clip', [clipping.adaptive, clipping.global_norm])
def test_where_the_norm_is_not_finite_nothing_is(clip):
  for norm in (np.nan, np.inf):
    clipped = clip([tf.ones([2]), tf.ones([3])], [tf.ones([2]), tf.ones([3])], tf.constant(norm),
                   1.0)
    assert all(np.isnan(gradient).all() for gradient in clipped)


def test_the_global_norm_is_that_of_all_together():
  gradients = [tf.fill([4], 3.0), tf.fill([2, 2], 4.0)]
  clipped = clipping.global_norm(gradients, None, tf.linalg.global_norm(gradients), 1.0)
  assert float(tf.linalg.global_norm(clipped)) == pytest.approx(1.0)
  np.testing.assert_allclose(clipped[1] / clipped[0][0], np.full((2, 2), 4 / 3), rtol=1e-5)
