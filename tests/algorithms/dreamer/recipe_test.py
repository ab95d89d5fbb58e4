"""The learner with the recipe's pieces: losses by hand, where gradients stop, and what follows
what."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import imagination, learner, losses
from mbrl_tf.models import rssm
from tests.algorithms.dreamer import learner_test, small

SEED = tf.constant([1, 2])
MIXED = types.ActionSpec(2, (3, 2))


def make(choices=None, observation='vector', **changes):
  """A learner, its models, a batch, and the config."""
  spec, config = small.spec(observation, choices), small.recipe(**changes)
  *modules, slow = small.learned(spec, config)
  # The slow value model is one of its own.
  tested = learner.Learner(*modules, config, slow_value=slow)
  for variable in slow.trainable_variables:
    variable.assign(1.1 * variable + 0.01)
  return tested, modules, slow, small.batch(spec), config


@pytest.mark.parametrize('trained, choices', [(0, None), (1, MIXED), (2, None)],
                         ids=learner_test.NAMES)
def test_each_loss_moves_its_own_variables_and_no_others(trained, choices):
  rates = {rate: 0.1 if index == trained else 0.0 for index, rate in enumerate(learner_test.RATES)}
  tested, modules, slow, batch, _ = make(choices, **rates)
  before = learner_test.snapshot([*modules, slow])
  metrics = tested.step(batch, SEED)
  moved = learner_test.moved(before, learner_test.snapshot([*modules, slow]))
  assert moved == [*(index == trained for index in range(3)), True]
  assert all(float(metrics[f'{name}/gradient_norm']) > 0 for name in ('model', 'actor', 'value'))


def test_every_variable_of_the_world_model_gets_a_gradient():
  _, (world, *_), _, batch, _ = make()
  with tf.GradientTape() as tape:
    loss = world.loss(batch, SEED).loss
  gradients = tape.gradient(loss, world.trainable_variables)
  for variable, gradient in zip(world.trainable_variables, gradients):
    assert gradient is not None and np.abs(gradient).max() > 0, variable.name


def numpy_two_hot(head, features, targets):
  """Negative log-probabilities of targets in bins at equal distances in symlog space."""
  places = np.linspace(-4, 4, 15)
  bins = np.sign(places) * np.expm1(np.abs(places))
  logs = tf.nn.log_softmax(head(features).parameters['logits']).numpy()
  found = np.zeros(targets.shape)
  for at in np.ndindex(*targets.shape):
    inside = np.clip(targets[at], bins[0], bins[-1])
    above = min(int(np.searchsorted(bins, inside, side='right')), 14)
    share = (inside - bins[above - 1]) / (bins[above] - bins[above - 1])
    found[at] = -((1 - share) * logs[at][above - 1] + share * logs[at][above])
  return found


@pytest.mark.parametrize('choices', [None, MIXED], ids=['numbers', 'mixed'])
def test_returns_and_losses_by_hand(choices):
  """Numbers alone go through the dynamics, choices by their probability; and the slow value model
  goes its share of the way."""
  tested, (world, actor, value), slow, batch, config = make(choices)
  tested.return_scale.assign(3.0)
  seeds = tf.random.experimental.stateless_split(SEED, 3)
  told = world.loss(batch, seeds[0])
  start = tf.nest.map_structure(lambda x: tf.reshape(x, [small.B * small.T, *x.shape[2:]]),
                                told.posteriors)
  imagined = imagination.imagine(world.rssm, actor, start, 4, seeds[1])
  features = imagined.features
  rewards, values = world.reward(features).mean().numpy(), value(features).mean().numpy()
  rewards[0, batch.is_first.numpy().reshape(-1)] = 0
  going = 0.9 * world.continuation(features).probs_parameter().numpy()
  targets, weights = small.returns_by_hand(rewards, values, going, batch.terminated, 0.95)
  distribution = actor.distribution(imagined.raw)
  if choices is None:
    worth = targets / 3
  else:
    worth = distribution.log_prob(imagined.samples).numpy() * (targets - values[:4]) / 3
  expected_actor = -(weights * (worth + 0.2 * distribution.entropy().numpy())).mean()

  real = rssm.features(told.posteriors)
  unit = float(world.units.reward)
  assert unit == 10
  replayed, counts = losses.replay_returns(batch, batch.reward / unit, value(real).mean(), 0.9,
                                           0.95)
  of_slow = slow(features[:4]).mean().numpy()
  loss = lambda at, goal: numpy_two_hot(value, at, goal)
  imagined_loss = loss(features[:4], targets) + 0.5 * loss(features[:4], of_slow)
  expected_value = ((weights * imagined_loss).mean()
                    + 0.3 * (counts.numpy() * loss(real, replayed.numpy())).mean())
  before = [variable.numpy() for variable in slow.trainable_variables]
  found = tested.step(batch, SEED)
  for old, fast, now in zip(before, value.trainable_variables, slow.trainable_variables):
    np.testing.assert_allclose(now, old + 0.25 * (fast - old), rtol=1e-4, atol=1e-6)
  assert float(found['actor/loss']) == pytest.approx(expected_actor, rel=1e-3, abs=1e-5)
  assert float(found['value/loss']) == pytest.approx(expected_value, rel=1e-3)
  assert float(found['imagine/return_mean']) == pytest.approx(unit * targets.mean(), rel=1e-3)
  ordered = np.sort(targets.reshape(-1))
  spread = ordered[int(0.95 * 71)] - ordered[int(np.ceil(0.05 * 71))]
  assert float(tested.return_scale) == pytest.approx(3 + 0.01 * (spread - 3), rel=1e-3)


@pytest.mark.parametrize('choices', [None, 3])
def test_by_probability_the_actors_gradient_is_that_of_the_actions_as_they_were_drawn(choices):
  tested, (world, actor, _), _, batch, _ = make(choices, behavior__gradient='reinforce',
                                                behavior__entropy_scale=0.0)
  seeds = tf.random.experimental.stateless_split(SEED, 3)
  starts = tested._starts(world.loss(batch, seeds[0]).posteriors, batch, seeds[2])
  imagined = imagination.imagine(world.rssm, actor, starts.state, 4, seeds[1])
  judged = tested.imagined_returns(starts, seeds[1])
  drawn, still = tf.constant(imagined.samples.numpy()), tf.constant(imagined.features.numpy())
  advantages = tf.constant((judged.targets - judged.values).numpy())
  with tf.GradientTape() as tape:
    loss = -tf.reduce_mean(judged.weights * actor(still[:-1]).log_prob(drawn) * advantages)
  expected = tape.gradient(loss, actor.trainable_variables)
  assert max(np.abs(gradient).max() for gradient in expected) > 1e-4
  for found, gradient in zip(tested.found(batch, SEED).gradients['actor'], expected):
    np.testing.assert_allclose(found, gradient, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize('make_config', [small.config, small.recipe], ids=['published', 'recipe'])
def test_the_actor_reads_states_without_sending_gradients_into_them(make_config):
  """Its gradient is the one where each state that it reads is a constant; through those it would be
  another."""
  spec = small.spec()
  config = make_config()
  world, actor, *_ = small.learned(spec, config)
  start = tf.nest.map_structure(lambda x: tf.tile(x, [5] + [1] * (x.shape.rank - 1)),
                                world.rssm.initial(1))
  seeds = tf.random.experimental.stateless_split(SEED, 2)
  noise, action_noise = world.rssm.noise([3, 5], seeds[0]), actor.noise(3, 5, seeds[1])
  weights = tf.random.stateless_normal([config.model.deterministic], [7, 7])

  def gradient(reads):
    with tf.GradientTape() as tape:
      state = start
      for t in range(3):
        raw = actor.raw(reads(rssm.features(state)))
        state = world.rssm.prior(state, actor.taken(actor.sample(raw, action_noise[t])), noise[t])
      total = tf.reduce_sum(state.deterministic * weights)
    return tape.gradient(total, actor.trainable_variables)

  with tf.GradientTape() as tape:
    features = imagination.imagine(world.rssm, actor, start, 3, SEED).features
    total = tf.reduce_sum(features[-1, :, -config.model.deterministic:] * weights)
  found = tape.gradient(total, actor.trainable_variables)
  expected, through = gradient(tf.stop_gradient), gradient(tf.identity)
  for one, other in zip(found, expected):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
  apart = [np.abs(one - other).max() / np.abs(one).max() for one, other in zip(expected, through)]
  assert max(apart) > 0.01


def test_the_value_loss_sends_no_gradient_into_states_and_starts_none_into_the_model():
  tested, (world, *_), _, batch, _ = make()
  posteriors = world.loss(batch, SEED).posteriors
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(posteriors)
    starts = tested._starts(posteriors, batch, SEED)
    judged = tested.imagined_returns(starts, SEED)
    tape.watch([judged.features, judged.targets])
    loss = tested._value_loss(judged, posteriors, batch)
  watched = [judged.features, judged.targets, posteriors.deterministic, posteriors.stochastic]
  assert tape.gradient(loss, watched) == [None] * 4
  assert tape.gradient(judged.targets, watched[2:]) == [None, None]


def test_nothing_depends_on_the_units_of_observations_and_rewards():
  """Data in other units give the world model the same gradients; what else is learned reads its
  states and rewards alone."""
  spec, found = dataclasses.replace(small.spec(), observation=types.ArraySpec((4,), 'float64')), []
  episode, batch = small.episode(small.spec()), small.batch(small.spec())
  for unit, offset, paid in ((1.0, 0.0, 1.0), (1e4, 1e6, 1e-4)):
    world = small.models(spec, small.recipe())[0]
    in_units = lambda data: unit * np.asarray(data, 'float64') + offset
    world.units.survey(episode._replace(observation=in_units(episode.observation),
                                        reward=paid * episode.reward), True)
    assert float(world.units.reward) == pytest.approx(10 * paid)
    data = batch._replace(observation=tf.constant(in_units(batch.observation)),
                          reward=paid * batch.reward)
    with tf.GradientTape() as tape:
      loss = world.loss(data, SEED).loss
    found.append(tape.gradient(loss, world.trainable_variables))
  for one, other in zip(*found):
    np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-5)


def test_the_gradient_of_each_variable_is_clipped_by_its_own_norm_and_rates_rise():
  tested, (world, *_), _, batch, config = make(learner__warm_up_steps=4, model__learning_rate=0.01,
                                               learner__adaptive_clip=1e-3)
  seen, trainer = [], tested.trainers['model']
  assert float(trainer.optimizer._learning_rate(0)) == pytest.approx(0.0025)
  norms = [max(np.linalg.norm(variable), 1e-3) for variable in world.trainable_variables]
  trainer.optimizer.apply_gradients = lambda pairs, **_: seen.extend(
      gradient.numpy() for gradient, _ in pairs)
  tested.step(batch, SEED)
  shares = [np.linalg.norm(gradient) / norm for gradient, norm in zip(seen, norms)]
  assert max(shares) == pytest.approx(1e-3, rel=1e-3) and config.learner.gradient_clip == 100
