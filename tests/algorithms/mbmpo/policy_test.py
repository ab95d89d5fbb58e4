"""The policies that act in the real environment."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import policy_saver
from tf_agents.trajectories import time_step as ts

from mbrl_tf.algorithms.mbmpo import policy as policy_lib
from tests.algorithms.mbmpo import cases

K, N = 2, 5
OBSERVATION = np.random.default_rng(0).normal(size=[N, cases.O]).astype(np.float32)


def time_step():
  return ts.restart(tf.constant(OBSERVATION), N)


def adapted_policies(num_values=None, deterministic=False):
  model = cases.make_policy(num_values)
  adapted = policy_lib.AdaptedPolicies(model, cases.make_spec(num_values=num_values), K, seed=1)
  parameters = cases.different(model, K, scale=0.2)
  if deterministic:
    parameters[-1] = tf.fill(parameters[-1].shape, -100.)
  adapted.assign(parameters)
  return adapted, model, parameters


def test_environment_i_is_given_to_policy_i_mod_k():
  adapted, model, parameters = adapted_policies(deterministic=True)
  actions = adapted.action(time_step()).action
  np.testing.assert_array_equal(adapted.member_of_env(N), [0, 1, 0, 1, 0])
  for row in range(N):
    own = model.distribution([p[row % K] for p in parameters], OBSERVATION[row:row + 1]).mean()[0]
    np.testing.assert_allclose(actions[row], np.clip(own, -1, 1), atol=1e-4)
    other = model.distribution([p[1 - row % K] for p in parameters], OBSERVATION[row:row + 1]).mean()[0]
    assert not np.allclose(actions[row], np.clip(other, -1, 1), atol=1e-3)


def test_discrete_rows_follow_their_own_policy():
  adapted, model, parameters = adapted_policies(num_values=3)
  parameters[3] = tf.constant([[50., 0., 0.], [0., 0., 50.]])  # the last bias
  adapted.assign(parameters)
  action = adapted.action(time_step()).action
  assert action.dtype == tf.int64
  np.testing.assert_array_equal(action, [0, 2, 0, 2, 0])


def test_actions_are_sampled_anew_and_within_the_bounds():
  adapted, _, _ = adapted_policies()
  actions = np.stack([adapted.action(time_step()).action for _ in range(30)])
  assert np.abs(actions).max() == 1  # clipped
  assert len(np.unique(actions[np.abs(actions) < 1])) == (np.abs(actions) < 1).sum()
  seeded = [adapted.action(time_step(), seed=[1, 2]).action for _ in range(2)]
  np.testing.assert_array_equal(*seeded)


@pytest.mark.parametrize('num_values', [None, 3])
def test_the_distribution_has_one_row_for_each_environment(num_values):
  adapted, _, _ = adapted_policies(num_values)
  distribution = adapted.distribution(time_step()).action
  assert distribution.batch_shape == [N]
  assert distribution.sample(seed=[1, 1]).shape == ([N, cases.A] if num_values is None else [N])


def test_only_adapted_policies_are_told_as_members():
  adapted, _, parameters = adapted_policies()
  adapted.assign(parameters, np.array([False, True]))
  np.testing.assert_array_equal(adapted.member_of_env(N), [-1, 1, -1, 1, -1])
  adapted.assign_meta_policy()
  np.testing.assert_array_equal(adapted.member_of_env(N), [-1] * N)


def test_all_can_be_made_the_meta_policy():
  adapted, model, _ = adapted_policies()
  adapted.assign_meta_policy()
  for own, meta in zip(adapted.parameters, model.parameters):
    for k in range(K):
      np.testing.assert_array_equal(own[k], meta)


def test_a_compiled_action_sees_a_new_adaptation():
  adapted, _, parameters = adapted_policies(deterministic=True)
  act = tf.function(adapted.action)
  before = act(time_step()).action.numpy()
  adapted.assign([p + 0.1 for p in parameters[:-1]] + [parameters[-1]])
  assert not np.allclose(before, act(time_step()).action)


def test_the_generator_is_part_of_a_checkpoint(tmp_path):
  adapted, _, _ = adapted_policies()
  path = tf.train.Checkpoint(policy=adapted).save(str(tmp_path / 'c'))
  expected = adapted.action(time_step()).action.numpy()
  assert not np.array_equal(expected, adapted.action(time_step()).action)
  other, _, _ = adapted_policies()
  other.assign_meta_policy()
  tf.train.Checkpoint(policy=other).restore(path)
  np.testing.assert_array_equal(other.action(time_step()).action, expected)


@pytest.mark.parametrize('num_values', [None, 3])
def test_the_meta_policy_acts_with_its_mode(num_values):
  model = cases.make_policy(num_values)
  if num_values is None:
    model.kernels[-1].assign(5 * model.kernels[-1])
  policy = policy_lib.MetaPolicy(model, cases.make_spec(num_values=num_values))
  action = policy.action(time_step()).action
  if num_values is None:
    mean = model(OBSERVATION).mean().numpy()
    assert np.abs(mean).max() > 1
    np.testing.assert_allclose(action, np.clip(mean, -1, 1), rtol=1e-5)
  else:
    np.testing.assert_array_equal(action, model(OBSERVATION).probs_parameter().numpy().argmax(-1))
    assert action.dtype == tf.int64


@pytest.mark.parametrize('num_values', [None, 3])
@pytest.mark.parametrize('kind', ['meta', 'adapted'])
def test_policies_can_be_saved_and_loaded(tmp_path, kind, num_values):
  adapted, model, _ = adapted_policies(num_values, deterministic=num_values is None)
  policy = policy_lib.MetaPolicy(model, cases.make_spec(num_values=num_values)) if kind == 'meta' else adapted
  policy_saver.PolicySaver(policy, batch_size=None).save(str(tmp_path / 'policy'))
  loaded = tf.saved_model.load(str(tmp_path / 'policy'))
  action = loaded.action(time_step(), loaded.get_initial_state(N)).action
  if kind == 'meta' or num_values is None:
    np.testing.assert_allclose(action, policy.action(time_step()).action, atol=1e-4)
  else:
    assert action.shape == [N] and set(action.numpy()) <= {0, 1, 2}
