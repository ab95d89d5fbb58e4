"""The planner against plain loops in numpy, an exact optimum, and enumerated sequences."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.ensembles import outcomes as outcomes_lib
from mbrl_tf.algorithms.pets import config as pets
from mbrl_tf.algorithms.pets import planner
from tests.algorithms.mbmpo import cases
from tests.algorithms.mbmpo.imagination_test import member_in_numpy

N, SEED = 2, tf.constant([3, 4])
_RAW = SimpleNamespace(normalize=lambda value: tf.cast(value, tf.float32))


def settings(**changes):
  return pets.PlannerConfig(**{'horizon': 3, 'samples': 6, 'rounds': 1, 'elites': 2, 'momentum': 0.25,
                               'particles': 4, 'min_std': 0.05, **changes})


def start(tested, rows):
  return tf.repeat(tested.initial_mean()[None], rows, 0)


class World:
  """Members that move as a function says, and pay and end as others do; states are observations."""

  probabilistic, parameters, observation_normalizer = False, (), _RAW
  reward_heads = termination_heads = None

  def __init__(self, size, members, move, reward, ends=lambda following: tf.zeros_like(following[..., 0])):
    self.observation_size, self.members = size, members
    self._move, self._reward, self._ends = move, reward, ends

  def unpack(self, parameters=()):
    return parameters

  def next_state(self, unpacked, states, actions, noise):
    del unpacked, noise
    return self._move(states, actions)

  def expected(self, unpacked, states, actions, following):
    del unpacked
    return self._reward(states, actions, following), self._ends(following)

  def planner(self, action, **changes):
    return planner.Planner(self, self, SimpleNamespace(action=action), settings(**changes))


def far_out(observation):
  return observation[..., 2] > 1.0


@pytest.mark.parametrize('propagation', pets.PROPAGATIONS)
@pytest.mark.parametrize('num_values, terminated', [(None, far_out), (None, None), (3, far_out)])
def test_one_round_is_that_of_plain_loops(propagation, num_values, terminated):
  spec = cases.make_spec(terminated, num_values)
  ensemble = cases.make_ensemble(2, num_values or cases.A, probabilistic=True)
  tested = planner.Planner(ensemble, outcomes_lib.Outcomes(spec, ensemble), spec,
                           settings(propagation=propagation))
  observations = cases.starts(1, N)[0].numpy()
  mean = np.array(start(tested, N))
  if num_values is None:
    mean += np.random.default_rng(1).uniform(-0.4, 0.4, mean.shape).astype('f')
  noise = tested.noise(N, SEED)
  found = tested.plan(tf.constant(observations), tf.constant(mean), noise)

  drawn = noise.samples[0].numpy()
  actions = (np.clip(mean[:, None] + 0.5 * drawn, -1, 1) if num_values is None
             else np.eye(num_values)[(np.log(mean[:, None]) + drawn).argmax(-1)])
  returns, ended = np.zeros((N, 6)), 0
  for row, sample, particle in np.ndindex(N, 6, 4):
    at, seen, alive = particle, observations[row], 1.0
    for t in range(3):
      if noise.order is not None:  # place `at` is given to the particle that stood at order[at]
        at = int(np.flatnonzero(noise.order[0, t].numpy() == at)[0])
      member, of_member = divmod(at, 2)
      action = actions[row, sample, t]
      following = sampled_in_numpy(
          ensemble, member, seen, action, noise.particles[0, t, member, of_member, row].numpy())
      taken = action if num_values is None else action.argmax()
      returns[row, sample] += alive * cases.reward_in_numpy(seen, taken, following) / 4
      if terminated and following[2] > 1.0:
        alive, ended = 0.0, ended + 1
      seen = following
  assert terminated is None or 0 < ended < N * 6 * 4
  chosen = np.argsort(-returns, 1)[:, :2]
  elites = np.take_along_axis(actions, chosen[..., None, None], 1)
  best = elites.mean(1)
  if num_values is not None:
    best = (best + 0.05 / num_values) / 1.05
  expected = 0.25 * mean + 0.75 * best
  np.testing.assert_allclose(found.value, np.take_along_axis(returns, chosen, 1).mean(1),
                             rtol=1e-3, atol=1e-3)
  np.testing.assert_allclose(found.action, expected[:, 0], rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found.mean[:, :-1], expected[:, 1:], rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(found.mean[:, -1], start(tested, N)[:, -1])  # comes new


def sampled_in_numpy(ensemble, member, observation, features, noise):
  """One draw of one member for one row, written out."""
  scale = lambda units: (units.mean.numpy(), units.std.numpy())
  (om, os), (am, as_), (cm, cs) = map(scale, (
      ensemble.observation_normalizer, ensemble.action_normalizer, ensemble.change_normalizer))
  hidden = np.concatenate([(observation - om) / os, (features - am) / as_])
  hidden = np.tanh(hidden @ ensemble.kernels[0].numpy()[member] + ensemble.biases[0].numpy()[member])
  out = hidden @ ensemble.kernels[1].numpy()[member] + ensemble.biases[1].numpy()[member]
  low, high = (bound.numpy()[member] for bound in ensemble.log_variance_bounds)
  softplus = lambda x: np.log1p(np.exp(x))
  log_variance = high - softplus(high - out[cases.O:])
  log_variance = low + softplus(log_variance - low)
  change = out[:cases.O] + noise * np.exp(0.5 * log_variance)
  return observation + (change * cs + cm) * os


def test_the_loops_move_a_mean_as_imagination_does():
  """So that the loop above is not wrong in the way that the planner is."""
  ensemble = cases.make_ensemble(2)
  moved = member_in_numpy(ensemble, 1, np.ones(3), np.ones(2))
  expected = cases.next_observation(ensemble, tf.ones([2, 1, 3]), tf.ones([2, 1, 2]))[1, 0]
  np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_variances_and_means_of_several_rounds_keep_a_share_of_those_before():
  world = World(1, 1, lambda s, a: s, lambda s, a, f: -tf.square(a[..., 0] - 0.3))
  tested = world.planner(types.ActionSpec(1), horizon=1, rounds=3, samples=8, particles=1)
  noise = tested.noise(1, SEED)
  mean, variance = 0.0, 0.25
  for drawn in noise.samples.numpy()[:, 0, :, 0, 0]:
    actions = np.clip(mean + np.sqrt(variance) * drawn, -1, 1)
    elites = actions[np.argsort((actions - 0.3)**2)[:2]]
    mean = 0.25 * mean + 0.75 * elites.mean()
    variance = max(0.25 * variance + 0.75 * elites.var(), 0.05**2)
  found = tested.plan(tf.zeros([1, 1]), start(tested, 1), noise)
  np.testing.assert_allclose(found.action, [[mean]], rtol=1e-4)


def test_a_particle_keeps_its_member_to_the_end_or_is_given_to_another_one_at_each_decision():
  """Member k moves by k + 1, and what is paid is the square of the place: mixed members reach other
  places."""
  steps = tf.constant([1.0, 2.0])[:, None, None]
  world = World(1, 2, lambda s, a: s + steps, lambda s, a, f: tf.square(f[..., 0]))
  act = types.ActionSpec(1)
  kept, drawn = (world.planner(act, propagation=mode) for mode in ('tsinf', 'ts1'))
  assert kept.noise(1, SEED).order is None and kept.noise(1, SEED).particles is None
  actions = tf.zeros([1, 6, 3, 1])
  paid = lambda path: np.sum(np.square(np.cumsum(path)))
  found = kept.returns(tf.zeros([1, 1]), actions)
  np.testing.assert_allclose(found, np.full((1, 6), (paid([1, 1, 1]) + paid([2, 2, 2])) / 2))
  assert drawn.noise(1, SEED).order.shape == (1, 3, 4)
  orders = tf.concat([drawn.noise(1, tf.constant([seed, 1])).order for seed in range(300)], 0)
  np.testing.assert_array_equal(np.sort(orders, -1), np.broadcast_to(range(4), orders.shape))
  means = [float(drawn.returns(tf.zeros([1, 1]), actions, None, each)[0, 0]) for each in orders[:40]]
  # Each particle is as likely with one member as with the other, whatever moved it before.
  np.testing.assert_allclose((orders.numpy() < 2).mean(0), np.full((3, 4), 0.5), atol=0.1)
  independent = np.mean([paid(path) for path in itertools.product([1, 2], repeat=3)])
  assert np.mean(means) == pytest.approx(independent, abs=0.7)
  assert abs(float(found[0, 0]) - independent) > 1.5


def test_rewards_count_by_the_probability_that_the_episode_goes_on_and_lost_ones_are_the_worst():
  nan = float('nan')
  world = World(
      1, 1, lambda s, a: s + a, lambda s, a, f: tf.where(f[..., 0] > 5, nan, 1.0 + f[..., 0]),
      lambda f: tf.where(f[..., 0] > 0.5, 1.0, 0.2))
  tested = world.planner(types.ActionSpec(1), samples=3, particles=1)
  # Goes on with 0.8 each time; ends at once, whatever comes then; is lost while alive.
  actions = tf.constant([[[0.0] * 3, [1.0, 9.0, 0.0], [9.0] * 3]])[..., None]
  found = tested.returns(tf.zeros([1, 1]), actions)[0].numpy()
  np.testing.assert_allclose(found[:2], [1 + 0.8 + 0.64, 2.0], rtol=1e-5)
  assert found[2] == np.finfo(np.float32).min


class LinearQuadratic:
  """x' = A x + B u, paid with -x'Qx - u'Ru for H steps; what is best is known from Riccati's
  recursion."""

  A = np.array([[1.0, 0.2], [0.0, 1.0]])
  B = np.array([[0.02, 0.05], [0.3, -0.1]])
  Q, R, H = np.diag([1.0, 0.3]), np.diag([0.3, 0.5]), 4
  STARTS = np.array([[0.5, 0.0], [-0.3, 0.4], [0.2, -0.6]])

  def __init__(self):
    value, self.gains = np.zeros((2, 2)), []
    for _ in range(self.H):  # what is paid is the state that follows
      inner = self.R + self.B.T @ (self.Q + value) @ self.B
      gain = np.linalg.solve(inner, self.B.T @ (self.Q + value) @ self.A)
      closed = self.A - self.B @ gain
      value = closed.T @ (self.Q + value) @ closed + gain.T @ self.R @ gain
      self.gains.insert(0, gain)
    self.optimum = -np.einsum('ni,ij,nj->n', self.STARTS, value, self.STARTS)
    self.best = -self.STARTS @ self.gains[0].T
    move = lambda s, a: s @ tf.constant(self.A.T, tf.float32) + a @ tf.constant(self.B.T, tf.float32)
    cost = lambda x, m: tf.einsum('...i,ij,...j->...', x, tf.constant(m, tf.float32), x)
    self.world = World(2, 1, move, lambda s, a, f: -cost(f, self.Q) - cost(a, self.R))

  def regrets(self, **changes):
    """How far first actions are from the best ones, and returns of the elites below the best."""
    tested = self.world.planner(types.ActionSpec(2), horizon=self.H, particles=1, momentum=0.1,
                                min_std=0.01, **changes)
    found = tested.plan(tf.constant(self.STARTS, tf.float32), start(tested, 3), tested.noise(3, SEED))
    assert np.all(found.value <= self.optimum + 1e-4)  # nothing is better than the best
    return np.abs(found.action - self.best).mean(), np.mean(self.optimum - found.value)


def test_the_plan_of_a_linear_quadratic_task_comes_close_to_the_optimum_and_closer_with_effort():
  task = LinearQuadratic()
  assert 0.3 < np.abs(task.best).max() < 1
  close = task.regrets(samples=400, rounds=10, elites=40)
  assert close[0] < 0.03 and close[1] < 0.003, close
  fewer = task.regrets(samples=400, rounds=2, elites=40)
  assert fewer[0] > 2 * close[0] and fewer[1] > 2 * close[1], (fewer, close)


def test_planning_over_a_number_and_a_choice_finds_the_best_of_both():
  """Each of three gears has a push that is best in it, and each state another best gear."""
  pushes, worth = tf.constant([-0.8, 0.6, 0.2]), tf.constant([[0.0, 0.5, 0.3], [0.5, 0.0, 0.3]])

  def reward(states, actions, following):
    del following
    gear = tf.one_hot(tf.cast(actions[..., 1], tf.int32), 3)
    missed = tf.reduce_sum(gear * tf.square(actions[..., :1] - pushes), -1)
    return tf.reduce_sum(gear * tf.gather(worth, tf.cast(states[..., 0], tf.int32)), -1) - missed

  tested = World(1, 1, lambda s, a: s, reward).planner(
      types.ActionSpec(1, (3,)), horizon=2, samples=200, rounds=6, elites=20, particles=1)
  found = tested.plan(tf.constant([[0.0], [1.0]]), start(tested, 2), tested.noise(2, SEED))
  np.testing.assert_array_equal(np.argmax(found.action[:, 1:], -1), [1, 0])
  np.testing.assert_allclose(found.action[:, 0], [0.6, -0.8], atol=0.1)
  np.testing.assert_allclose(np.sum(found.mean[..., 1:], -1), np.ones((2, 2)), rtol=1e-4)
  assert np.min(found.mean[..., 1:]) > 0  # none is given up


def test_environments_do_not_see_each_other_and_the_compiled_plan_is_the_eager_one():
  task = LinearQuadratic()
  tested = task.world.planner(types.ActionSpec(2), rounds=2, samples=16, elites=4, particles=1)
  observations, noise = tf.constant(task.STARTS, tf.float32), tested.noise(3, SEED)
  found = tested.plan(observations, start(tested, 3), noise)
  for row in range(3):
    own = slice(row, row + 1)
    alone = tested.plan(observations[own], start(tested, 1),
                        noise._replace(samples=noise.samples[:, own]))
    np.testing.assert_allclose(alone.action, found.action[own], rtol=1e-4, atol=1e-5)
  compiled = tested(observations, start(tested, 3), SEED)
  tf.nest.map_structure(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), compiled, found)
