"""The planner against slow rollouts, an exact optimum, and enumerated sequences."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.tdmpc2 import planner
from tests.algorithms.tdmpc2 import small

H, N = small.H, 3
SEED = tf.constant([3, 4])
YES, NO = tf.constant(True), tf.constant(False)


class Told:
  """A distribution that only knows its mean."""

  def __init__(self, mean):
    self._mean = mean

  def mean(self):
    return self._mean


def make(world, prior, discount=0.9, **changes):
  settings = {'samples': 64, 'rounds': 3, 'policy_samples': 8, 'elites': 8, **changes}
  horizon = settings.pop('horizon', H)
  config = small.config(replay__horizon=horizon, value__returns=1,
                        **{f'planner__{name}': value for name, value in settings.items()})
  return planner.Planner(world, prior, discount, config)


def plan(tested, latent, mean=None, terminates=NO, explores=NO, seed=SEED):
  """Without compiling."""
  mean = tf.repeat(tested.initial_mean()[None], len(latent), 0) if mean is None else mean
  return tested.plan(latent, mean, terminates, explores, tested.noise(len(latent), seed))


@pytest.mark.parametrize('choices, terminates, members', [(None, True, 2), (3, True, 5),
                                                          (None, False, 5)])
def test_sequences_are_worth_what_a_slow_rollout_adds_up(choices, terminates, members):
  spec, config = small.spec(choices=choices), small.config(planner__samples=6,
                                                           planner__policy_samples=2,
                                                           planner__elites=2,
                                                           value__members=members)
  world, prior = small.models(spec, config)
  tested = planner.Planner(world, prior, 0.9, config)
  generator = np.random.default_rng(0)
  size = prior.action_size
  actions = (generator.uniform(-1, 1, (H, N, 6, size)) if choices is None
             else np.eye(size)[generator.integers(0, size, (H, N, 6))]).astype('f')
  latent = world.encode(tf.constant(small.draw_all(spec, (N,), generator)))
  noise = tested.noise(N, SEED)
  found = tested.values(latent, tf.constant(actions), tf.constant(terminates), noise)
  drawn = range(members) if noise.chosen is None else noise.chosen.numpy()
  assert found.shape == (N, 6) and len(drawn) == 2
  for row, sample in itertools.product(range(N), range(6)):
    state, total, factor = latent[row][None], 0.0, 1.0
    for t in range(H):
      action = tf.constant(actions[t, row, sample])[None]
      total += factor * float(world.reward(state, action).mean()[0])
      state = world.next(state, action)
      factor *= 0.9
      if terminates:
        factor *= 1 - 1 / (1 + np.exp(-float(world.termination_logits(state)[0])))
    last, _ = prior.sample(state, noise.last[row, sample][None])
    values = world.values(state, last).mean().numpy()[:, 0]
    total += factor * np.mean([values[member] for member in drawn])
    assert float(found[row, sample]) == pytest.approx(total, rel=1e-3, abs=1e-4)


class LinearQuadratic:
  """x' = A x + B u, paid with -x'Qx - u'Ru; its values are those of the best controller."""

  A = np.array([[1.0, 0.2], [0.0, 1.0]])
  B = np.array([[0.02, 0.05], [0.3, -0.1]])
  Q, R, GAMMA = np.diag([1.0, 0.3]), np.diag([0.3, 0.5]), 0.95
  members = 2

  def __init__(self):
    value = np.zeros((2, 2))  # by value iteration: V(x) = -x'Px
    for _ in range(3000):
      inner = self.R + self.GAMMA * self.B.T @ value @ self.B
      self.gain = self.GAMMA * np.linalg.solve(inner, self.B.T @ value @ self.A)
      closed = self.A - self.B @ self.gain
      value = self.Q + self.gain.T @ self.R @ self.gain + self.GAMMA * closed.T @ value @ closed
    self.value = value

  def next(self, latent, action):
    return latent @ tf.constant(self.A.T, tf.float32) + action @ tf.constant(self.B.T, tf.float32)

  def reward(self, latent, action):
    return Told(-self._cost(latent, self.Q) - self._cost(action, self.R))

  def termination_logits(self, latent):
    return tf.fill(tf.shape(latent)[:-1], 100.0)  # which must not count where nothing terminates

  def values(self, latent, action, chosen):
    del action, chosen
    return Told(tf.stack([-self._cost(latent, self.value)] * 2))

  def _cost(self, vector, matrix):
    return tf.einsum('...i,ij,...j->...', vector, tf.constant(matrix, tf.float32), vector)


STARTS = np.array([[0.5, 0.0], [-0.3, 0.4], [0.2, -0.6], [-0.6, -0.1]])
IDLE = SimpleNamespace(
    action=types.ActionSpec(2), sample=lambda latent, noise: (tf.zeros_like(noise), None))


def regrets(world, seeds=3, **changes):
  """How far the plans' first actions are from the best ones, and their values below the best."""
  tested, actions, values = make(world, IDLE, LinearQuadratic.GAMMA, temperature=30.0,
                                 **changes), [], []
  best = -STARTS @ world.gain.T
  optimum = -np.einsum('ni,ij,nj->n', STARTS, world.value, STARTS)
  assert np.abs(best).max() < 1  # within the bounds of actions
  for seed in range(seeds):
    found = plan(tested, tf.constant(STARTS, tf.float32), seed=tf.constant([seed, 1]))
    actions.append(np.abs(found.action - best).mean())
    values.append(np.mean(optimum - found.value))
    assert np.all(found.value <= optimum + 1e-4)  # nothing is better than the best
  return np.mean(actions), np.mean(values)


def test_the_plan_of_a_linear_quadratic_task_comes_close_to_the_optimum_and_closer_with_effort():
  world = LinearQuadratic()
  close = regrets(world, samples=512, rounds=6, elites=48)
  assert close[0] < 0.1 and close[1] < 0.05, close  # of 1.0
  fewer_rounds = regrets(world, samples=512, rounds=1, elites=48)
  fewer_samples = regrets(world, samples=32, rounds=6, elites=8)
  assert fewer_rounds[0] > 2 * close[0] and fewer_rounds[1] > 2 * close[1], (fewer_rounds, close)
  assert fewer_samples[0] > 1.5 * close[0] and fewer_samples[1] > 1.5 * close[1], (fewer_samples,
                                                                                   close)


def test_a_plan_goes_on_where_the_last_one_was():
  world = LinearQuadratic()
  tested = make(world, IDLE, world.GAMMA, temperature=30.0, samples=256, elites=32)
  first = plan(tested, tf.constant(STARTS, tf.float32))
  assert first.mean.shape == (4, H, 2)
  np.testing.assert_array_equal(first.mean[:, -1], np.zeros((4, 2)))  # of the step that comes new
  # A mean that is the best sequence makes a better first round than none.
  states, best = STARTS, []
  for _ in range(H):
    best.append(-states @ world.gain.T)
    states = states @ world.A.T + best[-1] @ world.B.T
  warm = make(world, IDLE, world.GAMMA, temperature=30.0, samples=64, rounds=1, max_std=0.1)
  latent = tf.constant(STARTS, tf.float32)
  mean = tf.constant(np.stack(best, 1), tf.float32)
  assert np.abs(plan(warm, latent, mean).action - best[0]).mean() < 0.06
  assert np.abs(best[1] - best[0]).max() > 0.3
  np.testing.assert_allclose(plan(warm, latent, mean).mean[:, :-1], mean[:, 1:],
                             atol=0.15)  # one step on


class Table:
  """Seven states in a table, three choices."""

  members = 2

  def __init__(self, seed, ends=()):
    generator = np.random.default_rng(seed)
    self.following = generator.integers(0, 7, (7, 3))
    self.paid, self.worth, self.ends = generator.normal(
        size=(7, 3)), 2 * generator.normal(size=7), list(ends)

  def next(self, latent, action):
    following = tf.constant(np.eye(7)[self.following].reshape(21, 7), tf.float32)
    return tf.tensordot(self._pair(latent, action), following, 1)

  def reward(self, latent, action):
    return Told(
        tf.tensordot(self._pair(latent, action), tf.constant(self.paid.reshape(21), tf.float32), 1))

  def termination_logits(self, latent):
    ends = np.where(np.isin(np.arange(7), self.ends), 50.0, -50.0)
    return tf.tensordot(latent, tf.constant(ends, tf.float32), 1)

  def values(self, latent, action, chosen):
    del action, chosen
    return Told(tf.stack([tf.tensordot(latent, tf.constant(self.worth, tf.float32), 1)] * 2))

  def best(self, state, terminates):
    """Value and first choice of the best of all 27 sequences."""
    found = []
    for choices in itertools.product(range(3), repeat=3):
      at, total, factor = state, 0.0, 1.0
      for choice in choices:
        total += factor * self.paid[at, choice]
        at = self.following[at, choice]
        factor *= 0.9 * (not (terminates and at in self.ends))
      found.append((total + factor * self.worth[at], choices[0]))
    return max(found)

  def _pair(self, latent, action):
    return tf.reshape(latent[..., :, None] * action[..., None, :], [*latent.shape[:-1], 21])


UNIFORM = SimpleNamespace(action=types.ActionSpec(choices=(3,)), sample=lambda latent, noise:
                          (tf.one_hot(tf.argmax(noise, -1), 3), None))


@pytest.mark.parametrize('seed', [0, 1, 6])
def test_planning_over_choices_finds_the_best_sequence_also_where_it_ends_the_episode(seed):
  world = Table(seed, ends=(2, 4))
  tested = make(world, UNIFORM, samples=200, rounds=3, elites=12, temperature=20.0)
  differing = 0
  for terminates in (False, True):
    found = plan(tested, tf.eye(7), terminates=tf.constant(terminates))
    expected = [world.best(state, terminates) for state in range(7)]
    np.testing.assert_allclose(found.value, [value for value, _ in expected], rtol=1e-4)
    np.testing.assert_array_equal(found.action, np.eye(3)[[choice for _, choice in expected]])
    np.testing.assert_allclose(found.mean[:, -1], np.full((7, 3), 1 / 3), rtol=1e-6)
    np.testing.assert_allclose(np.sum(found.mean, -1), np.ones((7, 3)), rtol=1e-4)
    assert np.min(found.mean) > 0  # none is given up
    differing += sum(
        value != world.best(state, False)[0] for state, (value, _) in enumerate(expected))
  assert differing  # foreseen terminations change what is best


class Gears:
  """Each of three gears has a push that is best in it, and one gear is better than the others; the
  worth of a push alone or of a gear alone is told by nothing."""
  BEST, WORTH = np.array([-0.8, 0.6, 0.2], 'f'), np.array([0.0, 0.5, 0.3], 'f')
  members = 2

  def next(self, latent, action):
    del action
    return latent

  def reward(self, latent, action):
    push, gear = action[..., 0], action[..., 1:]
    missed = tf.reduce_sum(gear * tf.square(push[..., None] - self.BEST), -1)
    return Told(latent[..., 0] * tf.reduce_sum(gear * self.WORTH, -1) - missed)

  def termination_logits(self, latent):
    return tf.zeros_like(latent[..., 0])

  def values(self, latent, action, chosen):
    del action, chosen
    return Told(tf.zeros([2, *latent.shape[:-1]]))


def test_a_plan_over_a_push_and_a_gear_finds_both():
  guess = SimpleNamespace(action=types.ActionSpec(1, (3,)), sample=lambda latent, noise: (tf.concat(
      [tf.tanh(noise[..., :1]), tf.one_hot(tf.argmax(noise[..., 1:], -1), 3)], -1), None))
  tested = make(Gears(), guess, samples=256, rounds=6, elites=24, temperature=20.0, max_std=1.0)
  assert tested.initial_mean().shape == (H, 4)
  # Where the gears' worth is turned round, the first one is best.
  found = plan(tested, tf.constant([[1.0], [1.0], [-1.0]]))
  np.testing.assert_array_equal(found.action[:, 1:], np.eye(3)[[1, 1, 0]])
  np.testing.assert_allclose(found.action[:, 0], [0.6, 0.6, -0.8], atol=0.08)
  np.testing.assert_allclose(np.sum(found.mean[..., 1:], -1), np.ones((N, H)), rtol=1e-4)
  explored = plan(tested, tf.ones([N, 1]), explores=YES)
  assert (np.sort(explored.action[:, 1:], -1) == [0, 0, 1]).all()
  assert (np.abs(explored.action[:, 0]) <= 1).all()


@pytest.mark.parametrize('is_discrete', [False, True])
def test_the_seed_decides_and_without_exploring_only_the_search_is_random(is_discrete):
  world, prior = (Table(0), UNIFORM) if is_discrete else (LinearQuadratic(), IDLE)
  latent = tf.eye(7) if is_discrete else tf.constant(STARTS, tf.float32)
  tested = make(world, prior, samples=9, rounds=2, policy_samples=2, elites=5, temperature=0.5)
  noise, other = (tested.noise(len(latent), tf.constant([seed, 2])) for seed in (1, 2))
  mean = tf.repeat(tested.initial_mean()[None], len(latent), 0)
  act = lambda explores, noise: tested.plan(latent, mean, NO, explores, noise)
  for explores in (NO, YES):
    tf.nest.map_structure(np.testing.assert_array_equal, act(explores, noise), act(explores, noise))
    assert (act(explores, noise).value != act(explores, other).value).numpy().any()
  swapped = noise._replace(elite=other.elite, action=other.action)
  quiet, loud = act(NO, noise), act(YES, noise)
  np.testing.assert_array_equal(act(NO, swapped).action, quiet.action)
  assert (act(YES, swapped).action != loud.action).numpy().any()
  np.testing.assert_array_equal(quiet.mean, loud.mean)  # what acts does not matter to the next plan
  assert (np.abs(loud.action) <= 1).all()


def test_an_elite_acts_with_the_deviation_of_the_plan():
  world = LinearQuadratic()
  tested = make(world, IDLE, samples=24, rounds=3, elites=6, temperature=30.0, min_std=0.3,
                max_std=0.3)
  latent = tf.zeros([600, 2])
  found = plan(tested, latent, explores=YES)
  quiet = plan(tested, latent)
  # An elite, of which the deviation is smaller than that of the samples, and noise of 0.3.
  assert 0.28 < np.std(found.action - quiet.action) < 0.45 and abs(np.mean(found.action)) < 0.05


def test_the_policy_proposes_sequences():
  """Of a policy that knows what is best, a first round of 8 samples already does."""
  world = LinearQuadratic()
  gain = tf.constant(-world.gain.T, tf.float32)
  knowing = SimpleNamespace(
      action=types.ActionSpec(2), sample=lambda latent, noise: (latent @ gain, None))
  latent, optimum = tf.constant(STARTS,
                                tf.float32), -np.einsum('ni,ij,nj->n', STARTS, world.value, STARTS)
  tested = make(world, knowing, world.GAMMA, samples=8, rounds=1, policy_samples=2, elites=2,
                temperature=1e4)
  found = plan(tested, latent)
  np.testing.assert_allclose(found.value, optimum, rtol=1e-3, atol=1e-5)
  np.testing.assert_allclose(found.action, latent @ gain, atol=1e-3)
  without = plan(make(world, knowing, world.GAMMA, samples=8, rounds=1, policy_samples=0, elites=2),
                 latent)
  assert (without.value.numpy() < optimum - 1e-3).all()


def test_the_compiled_plan_is_the_eager_one():
  world = LinearQuadratic()
  tested = make(world, IDLE, samples=16, rounds=2, elites=4, policy_samples=2)
  latent, noise = tf.constant(STARTS, tf.float32), tf.ones([4, 2])
  mean = tf.repeat(tested.initial_mean()[None], 4, 0)
  compiled = tested(latent, mean, NO, YES, SEED, noise)
  eager = tested.plan(latent, mean, NO, YES, tested.noise(4, SEED)._replace(action=noise))
  tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
                        compiled, eager)
