"""Imagined rollouts, against a plain loop over tasks, rollouts and time."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.mbmpo import losses
from mbrl_tf.models import outcome_heads
from tests.algorithms.mbmpo import cases

K, B, H = 2, 3, 6


def far_out(observation):
  """Terminates some rollouts of the cases below, and not all."""
  return observation[..., 2] > 1.0


def imagine(terminated=None, num_values=None, seed=(1, 1), start=None, members=K, probabilistic=False, **settings):
  """Returns rollouts, with what made them."""
  spec = cases.make_spec(terminated, num_values)
  ensemble = cases.make_ensemble(members, num_values or cases.A, probabilistic=probabilistic)
  if not probabilistic:
    ensemble.error_std.assign(np.random.default_rng(2).uniform(0.1, 0.5, ensemble.error_std.shape))
  policy = cases.make_policy(num_values)
  imagination = cases.make_imagination(ensemble, policy, spec, **settings)
  start = cases.starts(members, B) if start is None else start
  rollouts = imagination.rollouts(cases.different(policy, members), start, tf.constant(seed))
  return tf.nest.map_structure(lambda x: x.numpy(), rollouts), imagination, ensemble, policy


def member_in_numpy(ensemble, k, observation, features):
  """One step of one member for one row, written out."""
  moments = lambda n: (n.mean.numpy(), n.std.numpy())
  (om, os), (am, as_), (cm, cs) = map(
      moments, (ensemble.observation_normalizer, ensemble.action_normalizer, ensemble.change_normalizer))
  inputs = np.concatenate([(observation - om) / os, (features - am) / as_])
  hidden = np.tanh(inputs @ ensemble.kernels[0].numpy()[k] + ensemble.biases[0].numpy()[k])
  change = (hidden @ ensemble.kernels[1].numpy()[k] + ensemble.biases[1].numpy()[k]) * cs + cm
  return observation + change * os


@pytest.mark.parametrize('terminated', [None, far_out])
@pytest.mark.parametrize('num_values', [None, 4])
def test_rollouts_are_the_plain_loop(terminated, num_values):
  rollouts, _, ensemble, _ = imagine(terminated, num_values)
  assert num_values is not None or (np.abs(rollouts.action) > 1).any()  # so that clipping is seen
  ended = 0
  for k, b in np.ndindex(K, B):
    observation, alive = cases.starts(K, B).numpy()[k, b], 1.
    for t in range(H):
      action = rollouts.action[k, b, t]
      features = np.clip(action, -1, 1) if num_values is None else np.eye(num_values)[action]
      seen = features if num_values is None else action
      following = member_in_numpy(ensemble, k, observation, features)
      assert rollouts.mask[k, b, t] == alive
      if alive:
        np.testing.assert_allclose(rollouts.observation[k, b, t], observation, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            rollouts.reward[k, b, t], cases.reward_in_numpy(observation, seen, following), rtol=1e-3, atol=1e-4)
        observation = following
        alive = 0. if terminated is not None and following[2] > 1.0 else 1.
      else:
        assert rollouts.reward[k, b, t] == 0
    ended += 1 - alive
  assert (0 < ended < K * B) if terminated else ended == 0


def test_shapes_and_types():
  rollouts = imagine()[0]
  assert [x.shape for x in rollouts] == [(K, B, H, cases.O), (K, B, H, cases.A), (K, B, H), (K, B, H), (K, B, H)]
  discrete = imagine(num_values=4)[0]
  assert discrete.action.shape == (K, B, H) and discrete.action.dtype == np.int32
  assert set(np.unique(discrete.action)) <= {0, 1, 2, 3} and len(np.unique(discrete.action)) > 1


def test_each_rollout_begins_at_its_start():
  np.testing.assert_allclose(
      imagine()[0].observation[:, :, 0], cases.starts(K, B), rtol=1e-5, atol=1e-6)


def test_actions_are_sampled_from_the_task_s_own_policy():
  start = tf.repeat(cases.starts(K, 1), 2000, 1)
  rollouts, _, _, policy = imagine(start=start, horizon=1)
  distribution = policy.distribution(cases.different(policy, K), cases.starts(K, 1))
  sampled = rollouts.action[:, :, 0]
  np.testing.assert_allclose(sampled.mean(1), distribution.mean()[:, 0], atol=0.15)
  np.testing.assert_allclose(sampled.std(1), distribution.stddev()[:, 0], rtol=0.08)


def test_seeds_reproduce_and_differ():
  first, again, other = imagine()[0], imagine()[0], imagine(seed=(1, 2))[0]
  np.testing.assert_array_equal(first.action, again.action)
  assert not np.isclose(first.action, other.action).any()


def test_no_two_steps_rollouts_or_tasks_share_their_noise():
  rollouts, _, _, policy = imagine()
  rows = tf.reshape(rollouts.observation, [K, B * H, cases.O])
  distribution = policy.distribution(cases.different(policy, K), rows)
  noise = (tf.reshape(rollouts.action, [K, B * H, cases.A]) - distribution.mean()) / distribution.stddev()
  apart = np.diff(np.sort(np.ravel(noise)))
  assert apart.min() > 1e-5, apart.min()


@pytest.mark.parametrize('probabilistic', [False, True])
def test_member_noise_is_drawn_with_the_member_s_deviation(probabilistic):
  start = tf.repeat(cases.starts(K, 1), 2000, 1)
  rollouts, _, ensemble, _ = imagine(start=start, horizon=2, probabilistic=probabilistic, member_noise=True)
  features = np.clip(rollouts.action[:, :, 0], -1, 1)
  mean = cases.next_observation(ensemble, start, features)
  one = cases.next_observation(ensemble, start, features, tf.ones_like(start)) - mean
  if not probabilistic:
    # A member errs by so many deviations of changes, which are so many of observations.
    scale = ensemble.change_normalizer.std * ensemble.observation_normalizer.std
    expected = (ensemble.error_std.numpy() * scale)[:, None, :] * tf.ones_like(one)
    np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-6)
  noise = (rollouts.observation[:, :, 1] - mean) / one
  np.testing.assert_allclose(noise.numpy().mean(1), np.zeros([K, cases.O]), atol=0.1)
  np.testing.assert_allclose(noise.numpy().std(1), np.ones([K, cases.O]), rtol=0.08)


def test_k_tasks_at_once_are_k_single_tasks():
  """The same actions cannot be drawn in a smaller batch, so the policy's noise is made invisible."""
  spec = cases.make_spec(far_out)
  ensemble, policy = cases.make_ensemble(K), cases.make_policy()
  parameters = cases.different(policy, K)
  parameters[-1] = tf.fill(parameters[-1].shape, -100.)
  joint = cases.make_imagination(ensemble, policy, spec)
  together = joint.rollouts(parameters, cases.starts(K, B), tf.constant([1, 1]))
  advantages = joint.advantages(together)
  for k in range(K):
    single = cases.make_ensemble(1)
    for own, all_members in zip(single.parameters, ensemble.parameters):
      own.assign(all_members[k:k + 1])
    alone_imagination = cases.make_imagination(single, policy, spec)
    alone = alone_imagination.rollouts([p[k:k + 1] for p in parameters], cases.starts(K, B)[k:k + 1], tf.constant([1, 1]))
    for one, many in zip(alone, together):
      np.testing.assert_allclose(one[0], many[k], rtol=1e-3, atol=1e-4)
    own_rollouts = tf.nest.map_structure(lambda x: x[k:k + 1], together)
    np.testing.assert_allclose(alone_imagination.advantages(own_rollouts)[0], advantages[k], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('settings', [{}, {'discount': 0.5}, {'gae_lambda': 0.2}, {'ridge': 3.0}], ids=str)
def test_advantages_are_those_of_a_baseline_that_is_fitted_to_each_task(settings):
  rollouts, imagination, _, _ = imagine(far_out, members=K, **settings)
  discount, gae_lambda, ridge = ({'discount': 0.9, 'gae_lambda': 0.8, 'ridge': 1e-5} | settings).values()
  advantages = imagination.advantages(tf.nest.map_structure(tf.constant, rollouts)).numpy()
  for k in range(K):
    steps = [(b, t) for b in range(B) for t in range(int(rollouts.mask[k, b].sum()))]
    to_go = {(b, t): sum(discount**(h - t) * float(rollouts.reward[k, b, h]) for h in range(t, H)) for b, t in steps}
    features = np.array([np.concatenate([o, o**2, [t / 100, (t / 100)**2, (t / 100)**3, 1]]) for o, t in (
        (np.clip(rollouts.observation[k, b, t].astype(float), -10, 10), t) for b, t in steps)])
    weights = np.linalg.solve(features.T @ features + ridge * np.eye(features.shape[1]), features.T @ [*to_go.values()])
    values, expected = dict(zip(steps, features @ weights)), {}
    for b, t in reversed(steps):
      error = rollouts.reward[k, b, t] + discount * values.get((b, t + 1), 0) - values[b, t]
      expected[b, t] = error + discount * gae_lambda * expected.get((b, t + 1), 0)
    mean, std = np.mean([*expected.values()]), np.std([*expected.values()])
    for (b, t), value in expected.items():
      np.testing.assert_allclose(advantages[k, b, t], (value - mean) / std, rtol=2e-3, atol=2e-3)


def test_advantages_are_zero_where_masked_and_standardised_in_each_task():
  rollouts, imagination, _, _ = imagine(far_out)
  advantages = imagination.advantages(tf.nest.map_structure(tf.constant, rollouts)).numpy()
  assert (rollouts.mask == 0).sum() > 0
  assert (advantages[rollouts.mask == 0] == 0).all()
  for k in range(K):
    kept = advantages[k][rollouts.mask[k] > 0]
    np.testing.assert_allclose([kept.mean(), kept.std()], [0, 1], atol=1e-4)


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_what_follows_a_termination_changes_no_advantage(value):
  rollouts, imagination, _, _ = imagine(far_out)
  masked = rollouts.mask == 0
  spoiled = rollouts._replace(observation=np.where(masked[..., None], np.float32(value), rollouts.observation))
  constants = lambda x: tf.nest.map_structure(tf.constant, x)
  np.testing.assert_array_equal(imagination.advantages(constants(spoiled)), imagination.advantages(constants(rollouts)))


def test_a_model_that_runs_away_after_a_termination_does_no_harm():
  """All rollouts terminate at the first step; whatever the model would say next is never asked for."""
  exploding = lambda observation: tf.ones(tf.shape(observation)[:-1], tf.bool)
  rollouts, imagination, _, policy = imagine(exploding)
  np.testing.assert_array_equal(rollouts.mask, np.eye(H)[0] * np.ones([K, B, 1]))
  np.testing.assert_array_equal(rollouts.observation[:, :, 1:], np.repeat(rollouts.observation[:, :, 1:2], H - 1, 2))
  constants = tf.nest.map_structure(tf.constant, rollouts)
  batch = losses.task_batch(policy, cases.copies(policy, K), constants, imagination.advantages(constants))
  assert all(np.isfinite(p).all() for p in losses.adapt(policy, cases.copies(policy, K), batch, 0.1))


def test_a_rollout_that_terminates_weighs_as_the_truncated_one():
  """All rollouts cut at step 3 by the mask, or by the horizon."""
  rollouts, imagination, _, policy = imagine()
  cut = 3
  keep = (np.arange(H) < cut).astype(np.float32)
  masked = rollouts._replace(mask=rollouts.mask * keep, reward=rollouts.reward * keep)
  truncated = tf.nest.map_structure(lambda x: tf.constant(x[:, :, :cut]), rollouts)
  masked = tf.nest.map_structure(tf.constant, masked)
  long, short = imagination.advantages(masked), imagination.advantages(truncated)
  np.testing.assert_allclose(long[:, :, :cut], short, rtol=1e-3, atol=1e-4)
  parameters, moved = cases.copies(policy, K), cases.different(policy, K, 0.1)
  batches = [losses.task_batch(policy, parameters, r, a) for r, a in ((masked, long), (truncated, short))]
  for loss in (lambda batch: losses.inner_loss(policy, moved, batch),
               lambda batch: losses.kl_from_sampling_policy(policy, moved, batch)):
    np.testing.assert_allclose(loss(batches[0]), loss(batches[1]), rtol=1e-3, atol=1e-5)
  adapted = [losses.adapt(policy, moved, batch, 0.5) for batch in batches]
  for one, other in zip(*adapted):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_learned_rewards_and_ends_are_those_of_each_member_s_heads():
  ensemble, policy, spec = cases.make_ensemble(K), cases.make_policy(), cases.make_spec()
  reward, termination = outcome_heads.RewardHeads(ensemble, (4,), [1, 1]), outcome_heads.TerminationHeads(ensemble, (4,), [2, 2])
  reward.fit_unit(np.array([-1.0, 5.0]))
  termination.log_odds.assign([-1.5, 0.5])
  imagination = cases.make_imagination(ensemble, policy, spec, (reward, termination), horizon=2)
  start = tf.repeat(cases.starts(K, 1), 3000, 1)
  parameters = cases.copies(policy, K)
  parameters[-1] = tf.fill(parameters[-1].shape, -100.)  # all rollouts of a task are the same, but for how they end
  rollouts = imagination.rollouts(parameters, start, tf.constant([1, 1]))
  states = ensemble.observation_normalizer.normalize(start)
  actions = tf.clip_by_value(rollouts.action[:, :, 0], -1, 1)
  following = ensemble.next_state(ensemble.unpack(ensemble.parameters), states, actions)
  inputs = reward.inputs(states, actions, following)
  np.testing.assert_allclose(
      rollouts.reward[:, :, 0], reward.rewards(reward.unpack(reward.parameters), inputs), rtol=1e-3, atol=1e-3)
  likely = tf.sigmoid(termination.logits(termination.unpack(termination.parameters), tf.constant([-1.5, 0.5]), inputs))
  ended = 1 - rollouts.mask.numpy()[:, :, 1].mean(1)
  assert abs(likely[0, 0] - likely[1, 0]) > 0.1
  np.testing.assert_allclose(ended, likely[:, 0], atol=0.04)
  assert np.mean(rollouts.reward[:, :, 1] == 0, 1) == pytest.approx(ended)


def test_rollouts_that_begin_again_are_the_plain_loop_and_their_advantages_those_of_the_parts():
  rollouts, imagination, ensemble, _ = imagine(far_out, restarts=True)
  assert (rollouts.mask == 1).all() and rollouts.ended.sum() > 1 and (rollouts.ended[..., :-1] > 0).any()
  for k, b in np.ndindex(K, B):
    observation = start = cases.starts(K, B).numpy()[k, b]
    for t in range(H):
      np.testing.assert_allclose(rollouts.observation[k, b, t], observation, rtol=1e-3, atol=1e-4)
      action = np.clip(rollouts.action[k, b, t], -1, 1)
      following = member_in_numpy(ensemble, k, observation, action)
      np.testing.assert_allclose(
          rollouts.reward[k, b, t], cases.reward_in_numpy(observation, action, following), rtol=1e-3, atol=1e-4)
      assert rollouts.ended[k, b, t] == (following[2] > 1.0)
      observation = start if rollouts.ended[k, b, t] else following
  advantages = imagination.advantages(tf.nest.map_structure(tf.constant, rollouts)).numpy()
  for k in range(K):
    features, to_go, ends = [], [], []
    for b, t in np.ndindex(B, H):
      o = np.clip(rollouts.observation[k, b, t].astype(float), -10, 10)
      features.append(np.concatenate([o, o**2, [t / 100, (t / 100)**2, (t / 100)**3, 1]]))
      last = next((s for s in range(t, H) if rollouts.ended[k, b, s]), H - 1)
      ends.append(last)
      to_go.append(sum(0.9**(s - t) * rollouts.reward[k, b, s] for s in range(t, last + 1)))
    features = np.array(features)
    values = features @ np.linalg.solve(features.T @ features + 1e-5 * np.eye(features.shape[1]), features.T @ to_go)
    expected = np.zeros([B, H])
    for index, (b, t) in reversed([*enumerate(np.ndindex(B, H))]):
      goes_on = t < ends[index]
      error = rollouts.reward[k, b, t] + (0.9 * values[index + 1] if goes_on else 0) - values[index]
      expected[b, t] = error + (0.9 * 0.8 * expected[b, t + 1] if goes_on else 0)
    np.testing.assert_allclose(advantages[k], (expected - expected.mean()) / expected.std(), rtol=2e-3, atol=2e-3)
