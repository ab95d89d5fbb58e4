"""The policy: what it carries from step to step, noise, and the exported functions that do the same."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf.algorithms.dreamer import exported_model, policy
from mbrl_tf.models import rssm
from tests.algorithms.dreamer import small

N = 4
ZERO_SEED = tf.constant([0, 0])


def make(observation='vector', choices=None, noise=None):
  spec = small.spec(observation, choices)
  world, actor, _ = small.models(spec, small.config())
  return policy.DreamerPolicy(world, actor, spec, tf.random.Generator.from_seed(1), noise), world, actor, spec


def observations(spec, seed):
  batch = small.batch(spec, seed).observation
  return tf.nest.map_structure(lambda value: tf.concat([value[:, 0], value[:1, 1]], 0), batch)


def compiled(tested, spec):
  """From a seed to the first actions of episodes."""
  seen, state = observations(spec, 0), tested.get_initial_state(N)
  return tf.function(lambda seed: step(tested, seen, state, seed, True).action, autograph=False)


def step(tested, observation, state, seed=None, first=False):
  make_step = ts.restart if first else lambda o, batch_size: ts.transition(o, tf.zeros([batch_size]))
  return tested.action(make_step(observation, batch_size=N) if first else make_step(observation, N), state, seed)


@pytest.mark.parametrize('observation, choices', [('vector', None), ('both', 3), ('image', None)])
def test_acting_is_inferring_the_state_and_taking_the_mode(observation, choices):
  tested, world, actor, spec = make(observation, choices)
  state = tested.get_initial_state(N)
  latent, led = world.rssm.initial(N), tf.zeros([N, world.action_size])
  zeros = tf.zeros([N, 4])
  for t in range(3):
    seen = observations(spec, t)
    told = step(tested, seen, state, first=t == 0)
    latent = world.rssm.posterior(world.rssm.prior(latent, led, zeros), world.encode(seen), zeros)
    led = tf.cast(actor(rssm.features(latent)).mode(), tf.float32)
    expected = led if choices is None else tf.argmax(led, -1)
    np.testing.assert_allclose(told.action, expected, rtol=1e-4, atol=1e-5)
    assert told.action.dtype == (tf.float32 if choices is None else tf.int64)
    state = told.state


def test_a_row_whose_episode_begins_forgets_and_the_others_do_not():
  tested, _, _, spec = make()
  state = step(tested, observations(spec, 0), tested.get_initial_state(N), first=True).state
  seen = observations(spec, 1)
  mixed = ts.TimeStep(tf.constant([0, 1, 1, 0]), tf.zeros([N]), tf.ones([N]), seen)
  told = tested.action(mixed, state)
  fresh, going = step(tested, seen, tested.get_initial_state(N), first=True), step(tested, seen, state)
  for row, expected in enumerate((fresh, going, going, fresh)):
    np.testing.assert_allclose(told.action[row], expected.action[row], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(told.state['deterministic'][row], expected.state['deterministic'][row], rtol=1e-4, atol=1e-6)


def test_exploration_adds_noise_of_the_given_deviation_and_stays_in_bounds():
  tested, world, actor, spec = make(noise=0.3)
  quiet = policy.DreamerPolicy(world, actor, spec, tf.random.Generator.from_seed(1), 0.0)
  acts = [compiled(p, spec) for p in (tested, quiet)]
  differences = []
  for seed in range(300):
    loud, sample = (act(tf.constant([seed, 1])).numpy() for act in acts)
    assert np.abs(loud).max() <= 1
    differences.extend((loud - sample)[(np.abs(loud) < 1)])
  # What was clipped is left out, so the rest is a bit narrower than the noise.
  assert 0.2 < np.std(differences) < 0.32 and len(differences) > 500


def test_discrete_exploration_chooses_at_random_as_often_as_asked():
  tested, _, _, spec = make(choices=3, noise=1.0)
  act = compiled(tested, spec)
  chosen = np.concatenate([act(tf.constant([seed, 1])) for seed in range(300)])
  np.testing.assert_allclose(np.bincount(chosen, minlength=3) / len(chosen), [1 / 3] * 3, atol=0.05)


def test_seeds_decide_and_without_one_the_generator_does():
  tested, _, _, spec = make(noise=0.3)
  seen, state = observations(spec, 0), tested.get_initial_state(N)
  act = lambda seed: step(tested, seen, state, seed, True).action.numpy()
  np.testing.assert_array_equal(act(ZERO_SEED), act(ZERO_SEED))
  assert (act(None) != act(None)).any()


def test_the_action_carried_is_the_one_taken():
  tested, _, _, spec = make(noise=0.3)
  told = step(tested, observations(spec, 0), tested.get_initial_state(N), ZERO_SEED, True)
  np.testing.assert_array_equal(told.state['action'], told.action)


@pytest.mark.parametrize('observation, choices', [('vector', None), ('both', 3)])
def test_exported_functions_are_those_of_the_model(observation, choices):
  _, world, _, spec = make(observation, choices)
  exported = exported_model.ExportedModel(world, spec)
  seen, zeros = observations(spec, 0), world.rssm.initial(N)
  action = tf.zeros([N, small.A]) if choices is None else tf.zeros([N], tf.int64)
  first = tf.ones([N], tf.bool)
  state = exported.observe(zeros.deterministic, zeros.stochastic, action, first, seen, ZERO_SEED)
  again = exported.observe(zeros.deterministic + 1, zeros.stochastic + 1, action, first, seen, ZERO_SEED)
  np.testing.assert_allclose(state['stochastic'], again['stochastic'], rtol=1e-5)
  noise = tf.random.stateless_normal([2, N, 4], ZERO_SEED)
  expected = world.rssm.posterior(
      world.rssm.prior(zeros, tf.zeros([N, world.action_size]), noise[0]), world.encode(seen), noise[1])
  np.testing.assert_allclose(state['stochastic'], expected.stochastic, rtol=1e-4, atol=1e-5)
  following = exported.imagine(state['deterministic'], state['stochastic'], action, ZERO_SEED)
  prior = world.rssm.prior(expected, world.action_features(action), noise[0])
  np.testing.assert_allclose(following['deterministic'], prior.deterministic, rtol=1e-4, atol=1e-5)
  decoded = exported.decode(state['deterministic'], state['stochastic'])
  keys = spec.observation if isinstance(spec.observation, dict) else ['observation']
  assert {f'observation/{key}' for key in keys} | {'reward', 'continuation'} == set(decoded)
  assert decoded['reward'].shape == (N,) and (decoded['continuation'].numpy() > 0).all()
