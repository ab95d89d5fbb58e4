"""Which loss trains what, that gradients are right, and that a compiled step is the eager one."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import imagination, learner, losses
from mbrl_tf.models import rssm
from mbrl_tf.ops import returns
from tests.algorithms.dreamer import small

NAMES = ('world_model', 'actor', 'value')
RATES = ('model__learning_rate', 'behavior__actor_learning_rate', 'behavior__value_learning_rate')


def snapshot(modules):
  return [[variable.numpy() for variable in module.trainable_variables] for module in modules]


def moved(before, after):
  return [any((a != b).any() for a, b in zip(x, y)) for x, y in zip(before, after)]


@pytest.mark.parametrize('trained', range(3), ids=NAMES)
@pytest.mark.parametrize('choices', [None, 3])
def test_each_loss_moves_its_own_variables_and_no_others(trained, choices):
  spec = small.spec(choices=choices)
  config = small.config(**{rate: 0.1 if index == trained else 0.0 for index, rate in enumerate(RATES)})
  modules = small.models(spec, config)
  tested = learner.Learner(*modules, config)
  before = snapshot(modules)
  metrics = tested.step(small.batch(spec), tf.constant([1, 2]))
  assert moved(before, snapshot(modules)) == [index == trained for index in range(3)]
  assert all(float(metrics[f'{name}/gradient_norm']) > 0 for name in ('model', 'actor', 'value'))


def test_every_variable_of_the_world_model_gets_a_gradient():
  for observation in small.OBSERVATIONS:
    spec = small.spec(observation)
    world = small.models(spec, small.config())[0]
    with tf.GradientTape() as tape:
      loss = world.loss(small.batch(spec), tf.constant([1, 2])).loss
    for variable, gradient in zip(world.trainable_variables, tape.gradient(loss, world.trainable_variables)):
      assert gradient is not None and np.abs(gradient).max() > 0, (observation, variable.name)


def test_all_gradients_are_taken_before_any_is_applied():
  spec, config = small.spec(), small.config()
  modules = small.models(spec, config)
  expected = learner.Learner(*modules, config)
  frozen = small.config(**dict.fromkeys(RATES, 0.0))
  unmoved = learner.Learner(*small.models(spec, frozen), frozen)
  batch, seed = small.batch(spec), tf.constant([1, 2])
  first, second = expected.step(batch, seed), unmoved.step(batch, seed)
  for name in first:
    if name != 'actor/entropy':
      np.testing.assert_allclose(first[name], second[name], rtol=1e-6, err_msg=name)


def directional(loss_of, variables, gradients, size=3e-3):
  """The change of a loss along its gradient, by central differences, and what the gradient says."""
  norm = np.sqrt(sum(float(tf.reduce_sum(g * g)) for g in gradients))
  originals = [variable.numpy() for variable in variables]
  values = []
  for sign in (1, -1):
    for variable, original, gradient in zip(variables, originals, gradients):
      variable.assign(original + sign * size * gradient / norm)
    values.append(float(loss_of()))
  for variable, original in zip(variables, originals):
    variable.assign(original)
  return (values[0] - values[1]) / (2 * size), norm


def test_the_gradients_of_the_model_are_those_of_finite_differences():
  spec = small.spec('both')
  world = small.models(spec, small.config(model__image_scale=0.01))[0]
  loss_of = lambda: world.loss(small.batch(spec), tf.constant([1, 2])).loss
  with tf.GradientTape() as tape:
    loss = loss_of()
  gradients = tape.gradient(loss, world.trainable_variables)
  measured, expected = directional(loss_of, world.trainable_variables, gradients)
  assert measured == pytest.approx(expected, rel=0.03)


def test_the_gradients_of_the_actor_through_the_model_are_those_of_finite_differences():
  config = small.config()
  world, actor, value = small.models(small.spec(), config)
  start = world.rssm.initial(5)

  def loss_of():
    features = imagination.imagine(world.rssm, actor, start, 4, tf.constant([1, 2])).features
    rewards, values = world.reward(features[:-1]).mean(), value(features).mean()
    discounts = 0.9 * tf.ones_like(rewards)
    targets = returns.lambda_returns(rewards, values[:-1], discounts, values[-1], 0.95)
    return losses.actor_loss(targets, losses.trajectory_weights(discounts, tf.ones([5])))

  # The actor reads states without sending gradients into them, so only a change of the first action's distribution is
  # the whole derivative: with a horizon of one step the two are the same.
  def one_step():
    features = imagination.imagine(world.rssm, actor, start, 1, tf.constant([1, 2])).features
    return -tf.reduce_mean(world.reward(features[1]).mean() + value(features[1]).mean())

  with tf.GradientTape() as tape:
    loss = one_step()
  gradients = tape.gradient(loss, actor.trainable_variables)
  measured, expected = directional(one_step, actor.trainable_variables, gradients)
  assert expected > 1e-5 and measured == pytest.approx(expected, rel=0.05)
  with tf.GradientTape() as tape:
    loss = loss_of()
  assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, actor.trainable_variables))


@pytest.mark.parametrize('normalized, average, unit', [(False, 4.0, 1.0), (True, 4.0, 4.0), (True, 0.5, 1.0)])
def test_returns_and_losses_of_imagined_trajectories_by_hand(normalized, average, unit):
  """Rewards, discounts and values of states 0 to H - 1, the value of state H as the bootstrap, and weights by reach.

  The actor's loss measures returns by the average of their deviation, unless that is below 1.
  """
  spec, config = small.spec(), small.config(behavior__discount=0.9, behavior__lambda_=0.7, behavior__entropy_scale=0.2,
                                            behavior__normalize_returns=normalized)
  world, actor, value = small.models(spec, config)
  tested, batch, seed = learner.Learner(world, actor, value, config), small.batch(spec), tf.constant([1, 2])
  if normalized:
    tested.return_scale.assign(average)
  seeds = tf.random.experimental.stateless_split(seed, 3)
  states = world.loss(batch, seeds[0]).posteriors
  start = tf.nest.map_structure(lambda x: tf.reshape(x, [small.B * small.T, -1]), states)
  features = imagination.imagine(world.rssm, actor, start, 4, seeds[1]).features
  entropies = np.array([actor(features[t]).entropy() for t in range(4)])
  rewards, values = world.reward(features).mean().numpy(), value(features).mean().numpy()
  begins = batch.is_first.numpy().reshape(-1)
  assert begins.sum() == 2 and (np.abs(rewards[0, begins]) > 1e-3).all()
  rewards[0, begins] = 0  # no action led there
  going = 0.9 * world.continuation(features).probs_parameter().numpy()
  targets, weights = small.returns_by_hand(rewards, values, going, batch.terminated, 0.7)
  told = tested.step(batch, seed)
  assert float(told['actor/loss']) == pytest.approx(-(weights * (targets / unit + 0.2 * entropies)).mean(), rel=1e-4)
  assert float(told['imagine/return_std']) == pytest.approx(targets.std(), rel=1e-3)
  if normalized:
    expected = average + 0.01 * (targets.std() - average)
    assert float(tested.return_scale) == pytest.approx(expected, rel=1e-5)
    tested._follow_return_scale(tf.constant(np.inf))  # left out, as the step is
    assert float(tested.return_scale) == pytest.approx(expected, rel=1e-5)
  assert float(told['actor/entropy']) == pytest.approx(entropies.mean(), rel=1e-4)
  expected = (weights * (0.5 * (values[:4] - targets) ** 2 + 0.5 * np.log(2 * np.pi))).mean()
  assert float(told['value/loss']) == pytest.approx(expected, rel=1e-4)


def test_the_deviation_of_returns_is_told_of_large_returns_too():
  spec, config = small.spec(), small.config(behavior__horizon=1, model__continuation=False)
  world, actor, value = small.models(spec, config)
  value.trainable_variables[-1].assign([3e4])  # the bias of the last layer
  tested, batch, seed = learner.Learner(world, actor, value, config), small.batch(spec), tf.constant([1, 2])
  seeds = tf.random.experimental.stateless_split(seed, 3)
  starts = tested._starts(world.loss(batch, seeds[0]).posteriors, batch, seeds[2])
  targets = tested.imagined_returns(starts, seeds[1]).targets.numpy().astype(np.float64)
  assert targets.mean() > 2e4 and 0.01 < targets.std() < 10
  assert float(tested.step(batch, seed)['imagine/return_std']) == pytest.approx(targets.std(), rel=0.01)


def test_a_saturated_actor_is_freed_by_its_entropy_alone():
  """Where all actions are at their bounds, the return has no gradient; a nat's worth has, and it points inwards."""
  norms = {}
  for scale in (0.0, 1.0):
    spec, config = small.spec(), small.config(behavior__entropy_scale=scale, behavior__actor_learning_rate=0.01)
    world, actor, value = small.models(spec, config)
    kernel, bias = actor.trainable_variables[-2:]
    kernel.assign(tf.zeros_like(kernel))
    bias.assign([15.0, 15.0, -30.0, -30.0])  # means of 5 tanh(3) before the tanh, deviations of 1e-4
    told = learner.Learner(world, actor, value, config).step(small.batch(spec), tf.constant([1, 2]))
    norms[scale] = float(told['actor/gradient_norm'])
    moved_by = bias.numpy() - [15.0, 15.0, -30.0, -30.0]
  assert norms[0.0] < 1e-2 * norms[1.0] and (moved_by[:2] < 0).all()


def test_imagination_starts_from_different_states_of_the_batch():
  spec, config = small.spec(), small.config(behavior__start_states=2 * small.B, behavior__horizon=1)
  tested, batch, started = small.make_learner(spec, config), small.batch(spec), []
  is_first = batch.is_first.numpy().reshape(-1)
  for seed in range(40):
    # Each state tells its own place, B T + t; one of them had terminated, and two begin an episode.
    place = tf.reshape(tf.range(float(small.B * small.T)), [small.B, small.T, 1])
    starts = tested._starts(place, batch, tf.constant([seed, 3]))
    started.append(starts.state[:, 0].numpy().astype(int))
    assert len(set(started[-1])) == 6 and np.bincount(started[-1] // small.T).tolist() == [2, 2, 2]
    np.testing.assert_array_equal(starts.weight, [place != 1 * small.T + 2 for place in started[-1]])
    np.testing.assert_array_equal(starts.paid, [not is_first[place] for place in started[-1]])
  counts = np.bincount(np.concatenate(started), minlength=small.B * small.T)
  assert counts.min() > 0 and counts.sum() == 240  # 13.3 each; none is left out for ever


def test_imagination_equals_single_steps():
  world, actor, _ = small.models(small.spec(), small.config())
  start = world.rssm.initial(5)
  features, entropies, *_ = imagination.imagine(world.rssm, actor, start, 3, tf.constant([1, 2]))
  seeds = tf.random.experimental.stateless_split([1, 2], 2)
  noise, state = tf.random.stateless_normal([3, 5, 4], seeds[0]), start
  action_noise = tf.random.stateless_normal([3, 5, small.A], seeds[1])
  np.testing.assert_array_equal(features[0], rssm.features(start))
  for t in range(3):
    distribution = actor(rssm.features(state))
    np.testing.assert_allclose(entropies[t], distribution.entropy(), rtol=1e-4)
    raw = actor.raw(rssm.features(state))
    state = world.rssm.prior(state, actor.sample(raw, action_noise[t]), noise[t])
    np.testing.assert_allclose(features[t + 1], rssm.features(state), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('observation, choices', [('vector', None), ('image', 3), ('both', None)])
def test_the_compiled_step_is_the_eager_one(observation, choices):
  spec, config = small.spec(observation, choices), small.config(behavior__horizon=2)
  compiled, eager = (small.make_learner(spec, config) for _ in range(2))
  for index in range(2):
    seed = tf.constant([index, 7])
    told, expected = compiled.compiled_step(small.batch(spec, index), seed), eager.step(small.batch(spec, index), seed)
    for name in expected:
      np.testing.assert_allclose(told[name], expected[name], rtol=2e-3, atol=1e-4, err_msg=name)


def waves(shape):
  """In place of standard normals, of which XLA makes others of the same seed than TensorFlow does."""
  return tf.reshape(tf.sin(7 * tf.cast(tf.range(tf.reduce_prod(shape)), tf.float32)), shape)


def test_a_step_compiled_by_xla_is_the_eager_one(monkeypatch):
  for module in (tf.random, tf.compat.v2.random):  # the second is what TensorFlow Probability calls
    monkeypatch.setattr(module, 'stateless_normal', lambda shape, seed, **_: waves(shape))
  spec, config = small.spec('both'), small.config(behavior__horizon=2)
  compiled, eager = (small.make_learner(spec, config) for _ in range(2))
  step = tf.function(compiled.step, jit_compile=True, autograph=False)
  for index in range(2):
    seed = tf.constant([index, 7])
    batch = tf.nest.map_structure(lambda value: value[:, 1:4], small.batch(spec, index))  # in which an episode ends
    told, expected = step(batch, seed), eager.step(batch, seed)
    for name in expected:
      np.testing.assert_allclose(told[name], expected[name], rtol=2e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize('observation, choices, precision', [('both', 3, 'float32'), ('both', None, 'bfloat16')])
def test_xla_compiles_the_step_as_a_whole(observation, choices, precision):
  """With its own random numbers, a part of the states to start from, and bounds, for a device on
  which XLA is the default."""
  spec = small.spec(observation, choices)
  config = small.config(behavior__horizon=2, behavior__start_states=small.B, behavior__reward_margin=0.5,
                        behavior__entropy_scale=0.1, behavior__normalize_returns=True, learner__precision=precision)
  modules = small.models(spec, config)
  tested, before = learner.Learner(*modules, config), snapshot(modules)
  # Few rows: each of them makes the program longer, and its compilation.
  batch = tf.nest.map_structure(lambda value: value[:, 1:4], small.batch(spec))
  told = tf.function(tested.step, jit_compile=True, autograph=False)(batch, tf.constant([1, 2]))
  assert all(np.isfinite(value) for value in told.values()), told
  assert all(moved(before, snapshot(modules)))


def test_the_gradient_is_clipped_by_its_global_norm():
  spec, config = small.spec(), small.config(learner__gradient_clip=1e-3)
  tested = small.make_learner(spec, config)
  seen = []
  tested.trainers['model'].optimizer.apply_gradients = lambda pairs, **_: seen.extend(gradient for gradient, _ in pairs)
  metrics = tested.step(small.batch(spec), tf.constant([1, 2]))
  assert float(metrics['model/gradient_norm']) > 1e-3
  assert float(tf.linalg.global_norm(seen)) == pytest.approx(1e-3, rel=1e-4)


def test_a_start_where_the_episode_terminated_does_not_count():
  spec, config = small.spec(), small.config()
  tested, batch = small.make_learner(spec, config), small.batch(spec)
  everywhere = batch._replace(terminated=tf.ones_like(batch.terminated))
  metrics = tested.step(everywhere, tf.constant([1, 2]))
  assert float(metrics['imagine/weight_mean']) == 0 and float(metrics['actor/loss']) == 0 and float(metrics['value/loss']) == 0


def test_a_part_whose_loss_is_not_finite_is_left_as_it_was():
  spec, config = small.spec(), small.config()
  modules = small.models(spec, config)
  tested, batch, before = learner.Learner(*modules, config), small.batch(spec), snapshot(modules)
  broken = batch._replace(reward=tf.fill(batch.reward.shape, np.nan))
  told = tested.compiled_step(broken, tf.constant([1, 2]))
  # What is inferred and imagined does not depend on the rewards of this batch.
  assert moved(before, snapshot(modules)) == [False, True, True]
  assert np.isnan(told['model/loss']) and np.isnan(told['model/gradient_norm']) and np.isfinite(told['actor/loss'])
  assert [int(trainer.optimizer.iterations) for trainer in (tested.trainers['model'], tested.trainers['actor'])] == [0, 1]
  tested.compiled_step(batch, tf.constant([1, 2]))
  assert moved(before, snapshot(modules)) == [True, True, True]


@pytest.mark.parametrize('gradient, loss', [(np.inf, 1.0), (np.nan, 1.0), (1.0, np.inf), (1.0, np.nan)])
@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_a_gradient_or_loss_that_is_not_finite_leaves_the_step_out_and_tells(precision, gradient, loss):
  spec, config = small.spec(), small.config(learner__precision=precision)
  modules = small.models(spec, config)
  trainer = learner.Learner(*modules, config).trainers['value']
  ones, before = [tf.ones_like(variable) for variable in modules[2].trainable_variables], snapshot(modules)
  apply = tf.function(lambda gradient, loss: trainer.apply([ones[0] * gradient, *ones[1:]], loss), autograph=False)
  told = [apply(tf.constant(gradient), tf.constant(loss))]
  assert not any(moved(before, snapshot(modules)))
  told.append(apply(tf.constant(1.0), tf.constant(1.0)))
  assert moved(before, snapshot(modules)) == [False, False, True]
  assert all(np.isfinite(variable).all() for variable in modules[2].trainable_variables)  # and so are Adam's moments
  norm = np.sqrt(sum(one.numpy().size for one in ones))
  assert not np.isfinite(told[0]['gradient_norm']) and float(told[1]['gradient_norm']) == pytest.approx(norm, rel=1e-5)
  if precision == 'float16':
    assert [float(values['skipped_share']) for values in told] == [1, 0]
    assert [float(values['loss_scale']) for values in told] == [2**15, 2**14]


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_lower_precision_has_about_the_same_losses_and_learns(precision):
  spec = small.spec('both')
  config = small.config(learner__precision=precision)
  modules = small.models(spec, config)
  lower, full = learner.Learner(*modules, config), small.make_learner(spec, small.config())
  batch, before = small.batch(spec), snapshot(modules)
  expected = full.step(batch, tf.constant([1, 2]))
  # The first steps of float16 are left out until its loss scale has come down.
  told = [lower.compiled_step(batch, tf.constant([1, 2])) for _ in range(20)]
  for name in ('model/loss', 'actor/loss', 'value/loss'):
    np.testing.assert_allclose(told[0][name], expected[name], rtol=0.1, atol=0.05, err_msg=name)
  assert float(told[-1]['model/loss']) < float(told[0]['model/loss'])
  assert all(np.isfinite(value) for value in told[-1].values())
  if precision == 'float16':
    assert {float(values['model/skipped_share']) for values in told} == {0, 1}
    assert float(told[-1]['model/loss_scale']) < float(told[0]['model/loss_scale'])
  after = snapshot(modules)
  assert all(moved(before, after)) and all(np.isfinite(value).all() for part in after for value in part)
  assert {value.dtype for part in after for value in part} == {np.dtype('float32')}


def test_imagined_rewards_and_values_are_cut_off_at_their_bounds_by_hand():
  spec, config = small.spec(), small.config(
      behavior__discount=0.9, behavior__lambda_=0.7, behavior__reward_margin=0.5, model__continuation=False)
  world, actor, value = small.models(spec, config)
  for head, scale in ((world.reward, 50.0), (value, 500.0)):
    head.trainable_variables[-2].assign(scale * head.trainable_variables[-2])
  tested, start, seed = learner.Learner(world, actor, value, config), world.rssm.initial(20), tf.constant([1, 2])
  for least, largest in ((0.5, 1.0), (-1.0, 0.2), (0.0, 0.9)):
    tested.widen_reward_range(least, largest)
  starts = learner.Starts(start, tf.ones([20]), tf.ones([20]))
  features, targets, *_, cut, _, _ = tested.imagined_returns(starts, seed)
  rewards, values = world.reward(features[:-1]).mean().numpy(), value(features).mean().numpy()
  # Real rewards lie in [-1, 1], which is widened by half its width: [-2, 2]; for ever, these are worth [-20, 20].
  beyond = np.abs(rewards) > 2
  assert 0.1 < beyond.mean() < 0.9 and 0.1 < (np.abs(values) > 20).mean() < 0.9
  assert float(cut) == pytest.approx(beyond.mean())
  rewards, values = np.clip(rewards, -2, 2), np.clip(values, -20, 20)
  expected, last = [], values[4]
  for t in reversed(range(4)):
    last = rewards[t] + 0.9 * (0.3 * values[t + 1] + 0.7 * last)
    expected.insert(0, last)
  np.testing.assert_allclose(targets, expected, rtol=1e-4, atol=1e-5)
