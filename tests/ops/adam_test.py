"""Adam for several members, against the published recursion for each of them alone."""

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import adam

RNG = np.random.default_rng(0)
STEPS = 4
PARAMETERS = [RNG.normal(size=[2, 3, 2]), RNG.normal(size=[2, 3])]
GRADIENTS = [[RNG.normal(size=p.shape) for p in PARAMETERS] for _ in range(STEPS)]


def published(parameter, gradients, rate, beta1=0.9, beta2=0.999):
  """Algorithm 1 of arXiv:1412.6980, with an epsilon too small to be seen."""
  m, v = np.zeros_like(parameter), np.zeros_like(parameter)
  for t, g in enumerate(gradients, 1):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    parameter = parameter - rate * (m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t))
  return parameter


def run(steps, state=None, parameters=PARAMETERS, **settings):
  parameters = [tf.constant(p) for p in parameters]
  state = state or adam.initial_state(parameters)
  for index in range(steps):
    parameters, state = adam.update(parameters, [tf.constant(g) for g in GRADIENTS[index]], state, 0.1, **settings)
  return parameters, state


def test_steps_are_the_published_ones():
  parameters, state = run(STEPS, epsilon=0.)
  for index, parameter in enumerate(parameters):
    np.testing.assert_allclose(parameter, published(PARAMETERS[index], [g[index] for g in GRADIENTS], 0.1), rtol=1e-10)
  np.testing.assert_array_equal(state.count, [STEPS, STEPS])


def test_weight_decay_is_decoupled():
  parameters, _ = run(1, epsilon=0., weight_decays=[0.0, 0.3])
  np.testing.assert_allclose(parameters[0], published(PARAMETERS[0], [GRADIENTS[0][0]], 0.1), rtol=1e-10)
  shrunk = published(PARAMETERS[1], [GRADIENTS[0][1]], 0.1) - 0.1 * 0.3 * PARAMETERS[1]
  np.testing.assert_allclose(parameters[1], shrunk, rtol=1e-10)


def test_each_member_has_its_own_count():
  # Member 0 starts fresh beside member 1, which took three steps before.
  fresh, used = run(0)[1], run(3)[1]
  mix = lambda a, b: tf.concat([a[:1], b[1:]], 0)
  state = adam.AdamState([mix(a, b) for a, b in zip(fresh.first, used.first)],
                         [mix(a, b) for a, b in zip(fresh.second, used.second)], mix(fresh.count, used.count))
  mixed, state = run(1, state)
  alone_fresh, alone_used = run(1)[0], run(1, used)[0]
  for index, parameter in enumerate(mixed):
    np.testing.assert_allclose(parameter[0], alone_fresh[index][0])
    np.testing.assert_allclose(parameter[1], alone_used[index][1])
    assert not np.allclose(alone_fresh[index][1], alone_used[index][1])
  np.testing.assert_array_equal(state.count, [1, 4])


def test_a_zero_gradient_moves_nothing():
  parameters = [tf.constant(p) for p in PARAMETERS]
  moved, _ = adam.update(parameters, [tf.zeros_like(p) for p in parameters], adam.initial_state(parameters), 0.1)
  for before, after in zip(parameters, moved):
    np.testing.assert_array_equal(before, after)
