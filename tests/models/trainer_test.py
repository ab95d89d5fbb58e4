"""The learning rate while an optimizer warms up."""

import numpy as np
import tensorflow as tf

from mbrl_tf.models import trainer


def test_steps_are_as_large_as_the_rate_that_rises_says():
  """Adam's first steps are as large as its rate, whatever the gradient is."""
  variable = tf.Variable([0.0])
  tested = trainer.Trainer([variable], trainer.WarmUp(0.1, 4), 1e6)
  sizes = []
  for _ in range(6):
    before = float(variable[0])
    tested.apply([tf.constant([3.0])], tf.constant(1.0))
    sizes.append(before - float(variable[0]))
  np.testing.assert_allclose(sizes, [0.025, 0.05, 0.075, 0.1, 0.1, 0.1], rtol=1e-3)
