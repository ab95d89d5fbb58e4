"""The policy: what it carries from step to step, and what is random in it."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import policy_saver
from tf_agents.trajectories import time_step as ts

from mbrl_tf.algorithms.tdmpc2 import planner as planner_lib
from mbrl_tf.algorithms.tdmpc2 import policy
from tests.algorithms.tdmpc2 import small

N, H = 4, small.H
SEED = tf.constant([5, 6])


def make(observation='vector', choices=None, planner=None, frames=3, **keywords):
  spec = small.spec(observation, choices)
  world, prior = small.models(spec, small.config(model__frame_stack=frames))
  generator = tf.random.Generator.from_seed(1)
  tested = policy.TDMPC2Policy(world, prior, spec, generator, planner, tf.Variable(False),
                               **keywords)
  return tested, world, prior, spec


def observations(spec, seed):
  return tf.nest.map_structure(tf.constant, small.draw_all(spec, (N,), np.random.default_rng(seed)))


def step(tested, observation, state, first=False, seed=None):
  firsts = np.broadcast_to(first, N)
  time_step = ts.TimeStep(tf.constant(np.where(firsts, 0, 1), tf.int32), tf.zeros([N]),
                          tf.ones([N]), observation)
  return tested.action(time_step, state, seed)


@pytest.mark.parametrize('choices', [None, 3])
def test_without_planner_and_exploring_the_mode_of_the_prior_acts(choices):
  tested, world, prior, spec = make(choices=choices)
  assert tested.policy_state_spec == ()
  seen = observations(spec, 0)
  told = step(tested, seen, (), True)
  expected = prior.mode(world.encode(seen)).numpy()
  np.testing.assert_allclose(told.action, expected if choices is None else expected.argmax(-1),
                             rtol=1e-5)
  np.testing.assert_array_equal(step(tested, seen, (), True).action, told.action)
  assert told.action.dtype == (tf.float32 if choices is None else tf.int64) and told.state == ()


@pytest.mark.parametrize('observation', ['both', 'image'])
def test_images_are_seen_with_the_two_before_them_of_the_same_episode(observation):
  tested, world, prior, spec = make(observation)
  key = 'image' if observation == 'both' else 'observation'
  state, shown = tested.get_initial_state(N), []
  firsts = [
      np.ones(N, bool),
      np.zeros(N, bool),
      np.array([True, False, False, False]),
      np.zeros(N, bool)
  ]
  for t, first in enumerate(firsts):
    seen = observations(spec, t)
    image = (seen['image'] if observation == 'both' else seen).numpy()
    shown = [np.where(first[:, None, None, None], image, old) for old in shown or [image] * 2]
    stacked = np.concatenate([*shown, image],
                             -1)  # the oldest first, and an episode's first image instead of none
    told = step(tested, seen, state, first)
    whole = {**seen, 'image': tf.constant(stacked)
            } if observation == 'both' else tf.constant(stacked)
    np.testing.assert_allclose(told.action, prior.mode(world.encode(whole)), rtol=1e-4, atol=1e-6)
    shown, state = [shown[1], image], told.state
    np.testing.assert_array_equal(state[f'images/{key}'], np.concatenate(shown, -1))


def test_exploring_samples_the_prior_and_the_seed_decides():
  tested, world, prior, spec = make(explores=True)
  seen, drawn = observations(spec, 0), []
  for seed in range(80):
    drawn.append(step(tested, seen, (), True, tf.constant([seed, 1])).action.numpy())
  parameters = prior(world.encode(seen)).numpy().astype(np.float64)
  mean, std = parameters[:, :2], np.exp(-10 + 6 * (np.tanh(parameters[:, 2:]) + 1))
  before = np.arctanh(np.clip(drawn, -1 + 1e-7, 1 - 1e-7))
  inside = (np.abs(mean) + 2 * std < 3)  # where the tanh has not rounded the draws away
  assert inside.any()
  np.testing.assert_allclose(((before.mean(0) - mean) / std)[inside], 0, atol=0.4)
  np.testing.assert_allclose((before.std(0) / std)[inside], 1, atol=0.3)
  act = lambda seed: step(tested, seen, (), True, seed).action.numpy()
  np.testing.assert_array_equal(act(SEED), act(SEED))
  state = tested.generator.state.numpy()
  act(SEED)
  np.testing.assert_array_equal(tested.generator.state, state)  # a given seed alone decides
  assert (act(None) != act(None)).any() and (tested.generator.state.numpy() != state).any()


def test_pink_noise_is_carried_and_begins_anew_with_an_episode():
  tested, world, prior, spec = make(explores=True, pink=True)
  seen = observations(spec, 0)
  first = step(tested, seen, tested.get_initial_state(N), True, SEED)
  going = step(tested, seen, first.state, [False, False, True, True], SEED)
  changed = tf.nest.map_structure(lambda value: value + 7.0, first.state)
  other = step(tested, seen, changed, [False, False, True, True], SEED)
  same = (other.action.numpy() == going.action.numpy()).all(-1)
  assert same.tolist() == [False, False, True, True]
  # The action is the prior's sample of the noise carried, whose parts add up to a standard normal.
  noise = tf.reduce_sum(going.state['noise'], -1) / np.sqrt(going.state['noise'].shape[-1])
  np.testing.assert_allclose(going.action,
                             prior.sample(world.encode(seen), noise)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('choices, keywords', [(3, {'explores': True, 'pink': True}),
                                               (None, {'pink': True})])
def test_choices_and_a_policy_that_does_not_explore_have_no_pink_noise(choices, keywords):
  assert make(choices=choices, **keywords)[0].policy_state_spec == ()


class Recorder:
  """A planner that tells what it was given."""

  def __init__(self):
    self.calls = []

  def initial_mean(self):
    return tf.fill([H, small.A], 0.25)

  def __call__(self, latent, mean, terminates, explores, seed, noise):
    self.calls.append(
        (latent.numpy(), mean.numpy(), bool(terminates), bool(explores), seed.numpy(), noise))
    return SimpleNamespace(action=tf.fill([N, small.A], 0.5), mean=mean + 1.0)


def test_a_plan_begins_where_the_one_before_ended_but_not_across_episodes():
  recorder = Recorder()
  tested, world, _, spec = make(planner=recorder)
  state = tested.get_initial_state(N)
  for t, first in enumerate([True, False, [True, False, True, False]]):
    told = step(tested, observations(spec, t), state, first)
    np.testing.assert_array_equal(told.action, np.full((N, small.A), 0.5))
    np.testing.assert_allclose(recorder.calls[t][0], world.encode(observations(spec, t)), rtol=1e-5)
    state = told.state
  begins = np.array([call[1][:, 0, 0] for call in recorder.calls])
  np.testing.assert_array_equal(begins, [[0.25] * 4, [1.25] * 4, [0.25, 2.25, 0.25, 2.25]])
  assert [call[2:4] for call in recorder.calls] == [(False, False)] * 3
  assert len({tuple(call[4]) for call in recorder.calls
             }) == 1  # the seed of an evaluation is always the same
  tested._terminates.assign(True)
  step(tested, observations(spec, 0), state)
  assert recorder.calls[-1][2] and recorder.calls[-1][5] is None


def test_an_exploring_planner_is_given_other_seeds_and_the_pink_noise():
  recorder = Recorder()
  tested, _, _, spec = make(planner=recorder, explores=True, pink=True)
  state = tested.get_initial_state(N)
  for first in (True, False):
    told = step(tested, observations(spec, 0), state, first)
    state = told.state
    expected = tf.reduce_sum(state['noise'], -1) / np.sqrt(state['noise'].shape[-1])
    np.testing.assert_allclose(recorder.calls[-1][5], expected, rtol=1e-5)
  assert (recorder.calls[0][4] != recorder.calls[1][4]).any() and recorder.calls[0][3]


def planning(choices, **settings):
  """A spec, a policy with a planner whose models seem to have learned, and its policy prior."""
  spec, config = small.spec(choices=choices), small.config(**settings)
  world, prior = small.models(spec, config)
  planner = planner_lib.Planner(world, prior, 0.9, config)
  tested = policy.TDMPC2Policy(world, prior, spec, tf.random.Generator.from_seed(1), planner,
                               tf.Variable(True))
  return spec, tested, prior


@pytest.mark.parametrize('choices', [None, 3, small.MIXED])
def test_with_a_real_planner_actions_are_of_their_kind_and_nothing_is_random_in_an_evaluation(
    choices):
  tf.config.run_functions_eagerly(True)
  spec, tested, prior = planning(
      choices, planner__samples=8, planner__rounds=1, planner__elites=3, planner__policy_samples=2)
  seen, state = observations(spec, 0), tested.get_initial_state(N)
  one, two = (step(tested, seen, state, True) for _ in range(2))
  tf.config.run_functions_eagerly(False)
  np.testing.assert_array_equal(one.action, two.action)
  assert all(
      tested.action_spec.is_compatible_with(tf.constant(action)) for action in one.action.numpy())
  assert one.state['plan'].shape == (N, H, prior.action_size)


@pytest.mark.parametrize('choices', [
    pytest.param(None, marks=pytest.mark.long), small.MIXED])  # which has both kinds
def test_an_exported_planner_that_selects_acts_as_the_live_one(choices, tmp_path):
  """Its models are moved away from their first weights, so that no rounding decides who is elite."""
  spec, tested, _ = planning(
      choices, replay__horizon=2, value__returns=1, planner__samples=16, planner__rounds=2,
      planner__elites=4, planner__policy_samples=4)
  policy_saver.PolicySaver(tested, batch_size=None).save(str(tmp_path / 'policy'))
  loaded = tf.saved_model.load(str(tmp_path / 'policy'))
  for seed in range(3):
    time_step = ts.restart(observations(spec, seed), N)
    live = tested.action(time_step, tested.get_initial_state(N))
    told = loaded.action(time_step, loaded.get_initial_state(N))
    np.testing.assert_allclose(told.action, live.action, atol=1e-5)
    np.testing.assert_allclose(told.state['plan'], live.state['plan'], atol=1e-5)
