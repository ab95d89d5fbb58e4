"""Heads of reward and termination, written out in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.models import outcome_heads
from tests.algorithms.mbmpo import cases

K, M = 2, 7
RNG = np.random.default_rng(0)
STATES, FOLLOWING = (RNG.normal(size=[K, M, cases.O]).astype(np.float32) for _ in range(2))
ACTIONS = RNG.uniform(-1, 1, [K, M, cases.A]).astype(np.float32)
REWARDS = RNG.normal(5.0, 3.0, 40).astype(np.float32)


def make(kind, **settings):
  return kind(cases.make_ensemble(K), (5,), [7, 8], 'tanh', **settings)


def by_hand(heads, k, inputs):
  """What the network of one member tells of inputs `[M, ...]`."""
  kernels, biases = ([value.numpy()[k] for value in values] for values in (heads.kernels, heads.biases))
  return (np.tanh(inputs @ kernels[0] + biases[0]) @ kernels[1] + biases[1])[:, 0]


def inputs_by_hand(heads, states, actions, following):
  units = [(n.mean.numpy(), n.std.numpy()) for n in (
      heads._ensemble.action_normalizer, heads._ensemble.change_normalizer)]
  actions, changes = ((value - mean) / std for value, (mean, std) in zip((actions, following - states), units))
  return np.concatenate([states, actions, changes, following], -1)


def test_rewards_are_those_of_each_member_s_network_in_the_unit_of_the_task_and_within_its_range():
  heads = make(outcome_heads.RewardHeads, margin=0.1)
  heads.kernels[-1].assign(4 * heads.kernels[-1])
  heads.fit_unit(REWARDS)
  found = heads.rewards(heads.unpack(heads.parameters), heads.inputs(STATES, ACTIONS, FOLLOWING)).numpy()
  lowest, highest = REWARDS.min() - 0.1 * np.ptp(REWARDS), REWARDS.max() + 0.1 * np.ptp(REWARDS)
  told = [by_hand(heads, k, inputs_by_hand(heads, STATES[k], ACTIONS[k], FOLLOWING[k])) for k in range(K)]
  expected = REWARDS.mean() + REWARDS.std() * np.stack(told)
  assert (expected < lowest).any() and (expected > highest).any()
  np.testing.assert_allclose(found, np.clip(expected, lowest, highest), rtol=1e-4, atol=1e-4)


def test_log_odds_are_those_of_each_member_s_network_and_of_the_shares():
  heads = make(outcome_heads.TerminationHeads)
  terminated = np.arange(100) < 5
  rows = np.stack([np.arange(100), np.arange(5, 105) % 100])
  drawn = heads.drawn(rows, terminated, [np.random.default_rng(k) for k in range(K)])
  heads.fit_shares(rows, drawn, terminated)
  found = heads.logits(heads.unpack(heads.parameters), tf.convert_to_tensor(heads.log_odds),
                       heads.inputs(STATES, ACTIONS, FOLLOWING)).numpy()
  for k in range(K):
    told = by_hand(heads, k, inputs_by_hand(heads, STATES[k], ACTIONS[k], FOLLOWING[k]))
    np.testing.assert_allclose(found[k], told + np.log(0.05 / 0.95) - np.log(0.25 / 0.75), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('kind', [outcome_heads.RewardHeads, outcome_heads.TerminationHeads])
def test_losses_are_squared_errors_and_cross_entropies_of_what_the_members_are_fitted_to(kind):
  heads = make(kind)
  examples = heads.inputs(STATES, ACTIONS, FOLLOWING)
  targets = np.random.default_rng(1).integers(0, 2, [K, M, 1]).astype(np.float32)
  found = heads.losses_per_example(heads.unpack(heads.parameters), examples, targets)
  for k in range(K):
    told = by_hand(heads, k, inputs_by_hand(heads, STATES[k], ACTIONS[k], FOLLOWING[k]))
    wanted = targets[k, :, 0]
    likely = 1 / (1 + np.exp(-told))
    expected = ((told - wanted)**2 if kind is outcome_heads.RewardHeads
                else -(wanted * np.log(likely) + (1 - wanted) * np.log(1 - likely)))
    np.testing.assert_allclose(found[k], expected, rtol=1e-3, atol=1e-4)


def test_what_is_fitted_is_what_is_read_in_imagination():
  heads = make(outcome_heads.RewardHeads)
  normalize = heads._ensemble.observation_normalizer.normalize
  found = heads.fitted_inputs(STATES[0], ACTIONS[0], FOLLOWING[0])
  imagined = heads.inputs(normalize(STATES[0]), ACTIONS[0], normalize(FOLLOWING[0]))
  np.testing.assert_allclose(found, imagined, rtol=1e-4, atol=1e-4)


def test_ends_are_drawn_until_they_are_a_quarter_all_as_often_and_from_the_own_rows():
  heads = make(outcome_heads.TerminationHeads)
  terminated = np.isin(np.arange(1000), [3, 500, 999])
  rows = np.stack([np.arange(800), np.arange(200, 1000)])
  drawn = heads.drawn(rows, terminated, [np.random.default_rng(k) for k in range(K)])
  assert drawn.shape == rows.shape and drawn.dtype == np.int32
  for own, chosen in zip(rows, drawn):
    assert set(chosen) <= set(own) and terminated[chosen].mean() == 0.25
    assert [np.sum(chosen == row) for row in np.flatnonzero(terminated) if row in own] == [100, 100]
    assert np.bincount(chosen[~terminated[chosen]]).max() == 1


@pytest.mark.parametrize('ends, likely', [(0, 0.0), (10, 1.0)])
def test_what_never_ends_or_always_does_is_certain(ends, likely):
  heads = make(outcome_heads.TerminationHeads)
  rows, terminated = np.tile(np.arange(10), (K, 1)), np.arange(10) < ends
  heads.fit_shares(rows, heads.drawn(rows, terminated, [None] * K), terminated)
  logits = heads.logits(heads.unpack(heads.parameters), tf.convert_to_tensor(heads.log_odds),
                        heads.inputs(STATES, ACTIONS, FOLLOWING))
  np.testing.assert_array_equal(tf.sigmoid(logits), np.full([K, M], likely))


def test_as_many_held_out_ends_are_expected_as_there_were():
  heads = make(outcome_heads.TerminationHeads)
  rng = np.random.default_rng(4)
  examples = rng.normal(size=[300, heads.kernels[0].shape[1]]).astype(np.float32)
  terminated, rows = rng.uniform(size=300) < 0.1, np.stack([np.arange(150), np.arange(100, 250)])
  heads.log_odds.assign([0.0, -1000.0])  # the second has learned of no end
  heads.calibrate(examples, rows, terminated)
  likely = 1 / (1 + np.exp(-by_hand(heads, 0, examples[:150]) - heads.log_odds.numpy()[0]))
  np.testing.assert_allclose(likely.sum(), terminated[:150].sum(), rtol=1e-3)
  assert heads.log_odds.numpy()[1] == -1000
  before = heads.log_odds.numpy()
  heads.calibrate(examples, rows, np.zeros(300, bool))
  np.testing.assert_array_equal(heads.log_odds, before)
