"""The policy: what it carries from one decision to the next, and what is random in it."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.algorithms.pets import planner as planner_lib
from mbrl_tf.algorithms.pets import policy

H, N = 3, 2
_PUSHES = types.ActionSpec(2)


class Recorded:
  """A planner that keeps what it is given, and plans to go on by one."""

  def __init__(self, action):
    self.size, self.calls = action.features_size, []

  def initial_mean(self):
    return tf.zeros([H, self.size])

  def __call__(self, observations, mean, seed):
    self.calls.append((observations.numpy(), mean.numpy(), tuple(np.array(seed))))
    acts = tf.one_hot([1, 2], self.size) if self.size == 3 else mean[:, 0] + 0.5
    return planner_lib.Plan(acts, mean + 1, tf.zeros([N]))


def make(action=_PUSHES, generator=None):
  spec = types.EnvironmentSpec('x', types.ArraySpec((2,), 'float32'), action, 5)
  recorded = Recorded(action)
  return policy.PETSPolicy(recorded, spec, generator), recorded


def step(tested, state, is_first, seed=None):
  time_step = ts.TimeStep(tf.constant(np.where(is_first, 0, 1), tf.int32), tf.zeros([N]),
                          tf.ones([N]), tf.constant([[1.0, 2.0], [3.0, 4.0]]))
  return tested.action(time_step, state, seed)


def test_a_plan_begins_with_what_is_left_of_the_one_before_in_the_same_episode():
  tested, recorded = make()
  first = step(tested, tested.get_initial_state(N), [True, True])
  second = step(tested, first.state, [False, True])
  means = [mean for _, mean, _ in recorded.calls]
  np.testing.assert_array_equal(means[0], np.zeros((N, H, 2)))
  np.testing.assert_array_equal(means[1], [np.ones((H, 2)), np.zeros((H, 2))])
  np.testing.assert_array_equal(second.state['plan'], means[1] + 1)
  np.testing.assert_array_equal(second.action, [[1.0, 1.0], [0.5, 0.5]])  # clipped to the bounds
  np.testing.assert_array_equal(recorded.calls[0][0], [[1.0, 2.0], [3.0, 4.0]])


def test_choices_are_their_indices():
  tested, _ = make(types.ActionSpec(choices=(3,)))
  acted = step(tested, tested.get_initial_state(N), [True, True])
  np.testing.assert_array_equal(acted.action, [1, 2])
  assert acted.action.dtype == tested.action_spec.dtype


@pytest.mark.parametrize('draws', [False, True])
def test_without_a_generator_the_draws_are_the_same_each_time(draws):
  tested, recorded = make(generator=tf.random.Generator.from_seed(1) if draws else None)
  state = tested.get_initial_state(N)
  for _ in range(3):
    step(tested, state, [True, True])
  assert len({seed for *_, seed in recorded.calls}) == (3 if draws else 1)
  step(tested, state, [True, True], tf.constant([7, 8]))
  assert recorded.calls[-1][2] == (7, 8)
