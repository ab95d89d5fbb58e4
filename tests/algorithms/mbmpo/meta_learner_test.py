"""The meta-learner: which variables an update moves, and where to."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.mbmpo import config as config_lib
from mbrl_tf.algorithms.mbmpo import imagination as imagination_lib
from mbrl_tf.algorithms.mbmpo import losses
from mbrl_tf.algorithms.mbmpo import meta_learner
from tests.algorithms.mbmpo import cases

K, B = 2, 3
SEED = tf.constant([5, 6])


@pytest.fixture(autouse=True)
def eagerly():
  """XLA draws other random numbers from the same seed, and takes seconds to compile for each learner."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make(num_values=None, **settings):
  policy, ensemble = cases.make_policy(num_values), cases.make_ensemble(K, num_values or cases.A)
  imagination = cases.make_imagination(ensemble, policy, cases.make_spec(num_values=num_values))
  config = config_lib.MetaConfig(**{'inner_lr': 0.1, 'outer_lr': 1e-2, 'outer_epochs': 2, 'kl_coefficient': 1e-3, **settings})
  return meta_learner.MetaLearner(policy, imagination, K, config), policy, ensemble, imagination


def starts():
  return cases.starts(K, B, lead=(2,))


def values(variables):
  return [v.numpy().copy() for v in variables]


def difference(before, after):
  return np.concatenate([np.ravel(a - b) for a, b in zip(after, before)])


@pytest.mark.parametrize('num_values', [None, 4])
def test_an_update_moves_the_policy_and_the_optimizer_and_nothing_else(num_values):
  learner, policy, ensemble, _ = make(num_values)
  own = [*policy.variables, *learner.optimizer.variables, learner.kl_coefficients]
  policy_before, ensemble_before = values(policy.variables), values(ensemble.variables)
  assert len(ensemble.variables) > 8  # normalizers and limits are among them
  learner.meta_update(starts(), SEED)
  for before, variable in zip(policy_before, policy.variables):
    assert not np.allclose(before, variable)
  for before, variable in zip(ensemble_before, ensemble.variables):
    np.testing.assert_array_equal(before, variable)
  assert {id(v) for v in learner.trainable_variables} <= {id(v) for v in [*own, *ensemble.variables]}


def outer_data(learner):
  """The meta-learner's own data before and after adaptation."""
  adapted, before, _ = learner.adapt(starts()[0], SEED)
  return before, learner._batch(adapted, learner._imagination.scan(adapted, starts()[1], SEED))


@pytest.mark.parametrize('num_values', [None, 4])
def test_compiled_outer_steps_are_the_eager_ones(num_values):
  """On given data, for XLA draws other random numbers from the same seed."""
  results = []
  for compiled in (False, True):
    learner, policy, _, _ = make(num_values)
    before, after = outer_data(learner)
    tf.config.run_functions_eagerly(not compiled)
    steps = learner._take_outer_steps
    told = steps(before, after)
    results.append((values(policy.parameters), {key: np.asarray(value) for key, value in told.items()}))
  (eager, told), (compiled, told_compiled) = results
  for one, other in zip(eager, compiled):
    np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4)
  for key in told:
    np.testing.assert_allclose(told[key], told_compiled[key], rtol=1e-2, atol=1e-3)


def test_a_compiled_update_learns_as_an_eager_one_does():
  """Not the same numbers, for XLA draws others; but what they are made of, and that they are finite."""
  tf.config.run_functions_eagerly(False)
  learner, policy, _, _ = make()
  before = values(policy.parameters)
  told = learner.compiled_meta_update(starts(), SEED)
  assert told['return_mean'].shape == (2, K) and np.isfinite(told['loss']) and (difference(before, policy.parameters) != 0).all()
  adapted, (_, batches, rollouts) = learner.compiled_adapt(starts()[0], SEED), tf.function(learner.adapt)(starts()[0], SEED)
  for own, expected in zip(losses.adapt(policy, cases.copies(policy, K), batches[0], 0.1), adapted):
    np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-5)
  assert rollouts[0].reward.shape[:2] == (6, K)


def test_adapted_policies_took_their_steps_each_on_rollouts_of_the_step_before():
  learner, policy, _, imagination = make(inner_steps=2)
  adapted, batches, rollouts = learner.adapt(starts()[0], SEED)
  assert len(batches) == 2
  parameters = cases.copies(policy, K)
  for index, batch in enumerate(batches):
    for own, expected in zip(batch.old_parameters, parameters):
      np.testing.assert_allclose(own, expected, atol=1e-6)
    parameters = losses.adapt(policy, parameters, batch, 0.1)
  for own, expected in zip(adapted, parameters):
    np.testing.assert_allclose(own, expected, atol=1e-6)
    assert not np.allclose(own[0], own[1], atol=1e-5)  # each task went its own way
  first = imagination_lib.members_first(rollouts[0])
  np.testing.assert_array_equal(batches[0].observation, tf.reshape(first.observation, [K, -1, cases.O]))
  assert len(rollouts) == 2
  assert not np.isclose(batches[0].action, batches[1].action).any()
  advantages = imagination.advantages(first)
  np.testing.assert_array_equal(batches[0].advantage, tf.reshape(advantages, [K, -1]))


def test_the_outer_data_come_from_the_adapted_policies():
  learner, _, _, imagination = make()
  seen = {}

  def outer_steps(before, after):
    seen.update(before=before, after=after)
    return {}

  learner._take_outer_steps = outer_steps
  told = learner.meta_update(starts(), SEED)
  adapted, _, first = learner.adapt(starts()[0], tf.random.experimental.stateless_split(SEED, 2)[0])
  for own, expected in zip(seen['after'].old_parameters, adapted):
    np.testing.assert_allclose(own, expected, atol=1e-6)
  again = imagination.rollouts(adapted, starts()[1], tf.random.experimental.stateless_split(SEED, 2)[1])
  np.testing.assert_allclose(seen['after'].action, tf.reshape(again.action, [K, -1, cases.A]), atol=1e-5)
  for row, rollouts in enumerate((imagination_lib.members_first(first[0]), again)):
    totals = rollouts.reward.numpy().sum(-1)
    np.testing.assert_allclose(told['return_mean'][row], totals.mean(-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(told['return_min'][row], totals.min(-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(told['return_max'][row], totals.max(-1), rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(told['length'], [[6., 6.], [6., 6.]])


def test_returns_and_lengths_are_told_of_first_episodes_where_rollouts_begin_again():
  told = []
  for restarts in (False, True):
    policy, ensemble = cases.make_policy(), cases.make_ensemble(K)
    spec = cases.make_spec(lambda observation: observation[..., 2] > 1.0)
    imagination = cases.make_imagination(ensemble, policy, spec, restarts=restarts)
    learner = meta_learner.MetaLearner(policy, imagination, K, config_lib.MetaConfig(inner_lr=0.0))
    told.append(learner.meta_update(starts(), SEED))
  assert 1 < told[0]['length'].numpy().min() < 6
  for name in ('length', 'return_mean', 'return_min', 'return_max'):
    np.testing.assert_allclose(told[0][name], told[1][name], rtol=1e-5)


def test_one_outer_step_is_adam_on_the_meta_gradient():
  learner, policy, _, _ = make(outer_epochs=1, gradient_clip=0.)
  before = values(policy.parameters)
  batches, after = outer_data(learner)
  gradients, _ = learner.meta_gradient(batches, after)
  told = learner._outer_steps(batches, after)
  # Adam's first step is lr * g / (|g| + a small number).
  expected = [-1e-2 * g / (np.abs(g) + 1e-7 / np.sqrt(1 - 0.999)) for g in gradients]
  np.testing.assert_allclose(difference(before, policy.parameters), np.concatenate([np.ravel(e) for e in expected]), atol=2e-5)
  norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
  np.testing.assert_allclose([told['gradient_norm'], told['gradient_norm_max']], [norm, norm], rtol=1e-5)


def test_outer_steps_lower_the_loss_on_their_own_data():
  learner, policy, _, _ = make(outer_epochs=10)
  batches, after = outer_data(learner)
  loss = float(learner.meta_gradient(batches, after)[1].loss)
  told = learner._outer_steps(batches, after)
  assert float(told['loss']) < loss - 0.01
  assert (told['inner_kl'].numpy() > 0).all() and (told['outer_kl'].numpy() > 0).all()


def test_gradient_clipping_acts_before_adam():
  """Adam does not see the scale of a first gradient, but its moments do."""
  moments = {}
  for limit in (0., 0.01, 1e6):
    learner, _, _, _ = make(outer_epochs=1, gradient_clip=limit)
    learner.meta_update(starts(), SEED)
    first = [v.numpy() for v in learner.optimizer.variables if 'm/' in v.name]
    assert first
    moments[limit] = np.sqrt(sum(np.sum(np.square(m)) for m in first)) / 0.1
  assert moments[0.] > 0.02
  np.testing.assert_allclose(moments[1e6], moments[0.], rtol=1e-5)
  np.testing.assert_allclose(moments[0.01], 0.01, rtol=1e-4)


def test_outer_steps_stop_where_the_kl_says_so():
  """They are those of a learner that is allowed so many, and one step less would not have passed the limit."""
  learner, policy, _, _ = make(outer_epochs=30, kl_target=1e-3, kl_stop=2.0)
  before, after = outer_data(learner)
  steps = int(learner._outer_steps(before, after)['outer_steps'])
  assert 1 < steps < 30
  kls = []
  for epochs in (steps - 1, steps):
    free, expected, _, _ = make(outer_epochs=epochs, kl_target=1e-3)
    told = free._outer_steps(before, after)
    assert told['outer_steps'] == epochs
    kls.append(float(tf.reduce_mean(told['inner_kl'])))
  assert kls[0] <= 2e-3 < kls[1]
  for variable, value in zip(policy.parameters, expected.parameters):
    np.testing.assert_array_equal(variable, value)


def test_coefficients_follow_the_kl_that_is_told():
  learner, _, _, _ = make(outer_epochs=6, kl_target=1e-7)
  told = learner.meta_update(starts(), SEED)
  assert (told['inner_kl'].numpy() > 1.5e-7).all()
  np.testing.assert_allclose(learner.kl_coefficients, [2e-3, 2e-3], rtol=1e-6)
  learner, _, _, _ = make(kl_target=100.)
  learner.kl_coefficients.assign([4e-3, 1e-3])
  learner.meta_update(starts(), SEED)
  np.testing.assert_allclose(learner.kl_coefficients, [2e-3, 1e-3], rtol=1e-6)  # halved, but never below the initial 1e-3


def test_k_members_at_once_give_the_mean_gradient_of_single_ones():
  learner, policy, _, _ = make()
  batches, after = outer_data(learner)
  policy.log_std.assign_add([0.1, -0.1])  # away from where the data were sampled
  joint, _ = learner.meta_gradient(batches, after)
  row = lambda nest, k: tf.nest.map_structure(lambda x: x[k:k + 1], nest)
  singles = []
  for k in range(K):
    learner.kl_coefficients = tf.Variable([1e-3])
    singles.append(learner.meta_gradient([row(batches[0], k)], row(after, k))[0])
  for own, *parts in zip(joint, *singles):
    np.testing.assert_allclose(own, np.mean(parts, 0), rtol=1e-3, atol=1e-6)


def test_the_policy_s_deviation_is_told_where_it_has_one():
  learner, policy, _, _ = make()
  policy.log_std.assign([0., np.log(0.5)])
  np.testing.assert_allclose(learner._policy_std(), [1., 0.5], rtol=1e-6)
  np.testing.assert_array_equal(make(num_values=3)[0]._policy_std(), [0.])


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('number', [np.nan, np.inf])
def test_outer_steps_that_are_not_finite_are_left_out_and_counted(number, compiled):
  learner, policy, _, _ = make(outer_epochs=3)
  before, after = outer_data(learner)
  spoiled = after._replace(advantage=tf.fill(after.advantage.shape, number))
  steps = learner._outer_steps
  if compiled:
    tf.config.run_functions_eagerly(False)
    steps = tf.function(steps, jit_compile=True)
  everything = [*policy.parameters, *learner.optimizer.variables, learner.kl_coefficients]
  old = values(everything)
  told = steps(before, spoiled)
  assert (int(told['skipped_steps']), int(told['outer_steps'])) == (3, 0) and not np.isfinite(told['loss'])
  coefficients = old.pop()  # follow the KL, which is 0 where no step was taken
  for a, b in zip(old, values(everything)):
    np.testing.assert_array_equal(a, b)
  np.testing.assert_array_equal(learner.kl_coefficients, np.maximum(coefficients / 2, learner._config.kl_coefficient))
  told = steps(before, after)
  assert (int(told['skipped_steps']), int(told['outer_steps'])) == (0, 3)
  assert difference(old[:len(policy.parameters)], policy.parameters).any()
