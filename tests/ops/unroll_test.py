"""A recurrence against numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import unroll

INPUTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def step(state, row):
  state = {'sum': 0.5 * state['sum'] + row['x']}
  return state, (state['sum'], state['sum'] ** 2)


@pytest.mark.parametrize('compiled', [False, True])
def test_scan_carries_the_state_and_stacks_the_outputs(compiled):
  run = lambda x: unroll.scan(step, {'sum': tf.zeros([3])}, {'x': x}, 5)
  last, (sums, squares) = (tf.function(run) if compiled else run)(tf.constant(INPUTS))
  expected, total = [], np.zeros(3)
  for row in INPUTS:
    total = 0.5 * total + row
    expected.append(total)
  np.testing.assert_allclose(sums, expected, rtol=1e-5)
  np.testing.assert_allclose(squares, np.square(expected), rtol=1e-5)
  np.testing.assert_allclose(last['sum'], expected[-1], rtol=1e-5)


def test_gradients_flow_through_all_steps():
  x = tf.constant(INPUTS)
  with tf.GradientTape() as tape:
    tape.watch(x)
    last, _ = unroll.scan(step, {'sum': tf.zeros([3])}, {'x': x}, 5)
    value = tf.reduce_sum(last['sum'])
  np.testing.assert_allclose(tape.gradient(value, x), np.tile(0.5 ** np.arange(4, -1, -1)[:, None], (1, 3)), rtol=1e-6)
