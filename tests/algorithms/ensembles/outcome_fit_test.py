"""What the heads learn of real transitions: rewards of what only a model sees, rare ends, and the same in any unit."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.algorithms.ensembles import config as config_lib
from mbrl_tf.algorithms.ensembles import outcome_fit, outcomes
from mbrl_tf.models import dynamics_ensemble, outcome_heads

K, O, A = 2, 2, 1


class Task:
  """Places that move a little upon a large offset, in units of one's choice; each number of the data is made by hand."""

  def __init__(self, count, reward, terminated, seed=0, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    place = rng.normal(size=[count, O])
    action = rng.uniform(-1, 1, [count, A]).astype(np.float32)
    speed = 0.01 * (action - 0.3 * place + 0.3 * rng.normal(size=[count, O]))
    units = lambda value: value * scale + shift
    self.data = types.Transitions(
        units(place), action, reward(place, action, speed).astype(np.float32), units(place + speed),
        terminated(place + speed))


def nothing(place):
  return np.zeros(len(place), bool)


def speed_along(place, action, speed):
  del place
  return 100 * speed[:, 0] - 0.1 * action[:, 0]**2


def made(capacity, compiled=True, **settings):
  """Heads, and what fits them, by the numbers that are shown."""
  config = config_lib.EnsembleConfig(**{
      'members': K, 'batch_size': 50, 'learning_rate': 1e-2, 'annealed_updates': 300, 'validation_fraction': 0.2, **settings})
  ensemble = dynamics_ensemble.DynamicsEnsemble(O, A, K, (4,), [1, 2])
  heads = (outcome_heads.RewardHeads(ensemble, (16,), [3, 4], 'swish'),
           outcome_heads.TerminationHeads(ensemble, (16,), [5, 6], 'swish'))
  fit = outcome_fit.OutcomeFit(*heads, config, capacity)
  if not compiled:
    for each in (fit.reward, fit.termination):
      each.compiled_epoch = each.epoch
  return ensemble, heads, fit


def fitted(data, **settings):
  """What is expected of transitions, in numpy, by a function; and what the fit told."""
  ensemble, heads, fit = made(len(data.reward), **settings)
  ensemble.fit_normalizers(data.observation, data.action, data.next_observation)
  told = fit.fit(data, data.action, 0)
  spec = types.EnvironmentSpec('toy:task', types.ArraySpec((O,), 'float64'), types.ActionSpec(A), 10)
  piece = outcomes.Outcomes(spec, ensemble, *heads)
  tiled = lambda value: tf.tile(tf.cast(value, tf.float32)[None], [K, 1, 1])

  def expected(fresh):
    states, following = (tiled(ensemble.observation_normalizer.normalize(value))
                         for value in (fresh.observation, fresh.next_observation))
    return [value.numpy() for value in piece.expected(piece.unpack(), states, tiled(fresh.action), following)]

  return expected, told


def test_a_reward_of_a_velocity_that_is_not_observed_is_learned_in_the_task_s_unit():
  make = lambda seed: Task(1000, speed_along, nothing, seed, shift=50.0).data
  expected, told = fitted(make(0))
  fresh = make(1)
  reward, termination = expected(fresh)
  for own in reward:
    assert np.sqrt(np.mean((own - fresh.reward)**2)) < 0.1 * fresh.reward.std()
  assert set(told) == {'reward_'} and (termination == 0).all()


def test_a_termination_that_is_one_step_in_a_thousand_is_foreseen_where_it_comes_and_as_often_as_it_does():
  far = lambda place: place[:, 0] > 3.09  # one in a thousand of a standard normal
  count = 10_000
  expected, told = fitted(Task(count, speed_along, far).data, weight_decay=0.3, batch_size=100)
  fresh = Task(20 * count, speed_along, far, seed=1).data
  ends = fresh.terminated
  assert 0.0005 < ends.mean() < 0.002
  for own in expected(fresh)[1]:
    # Ten ends were seen: just beyond the threshold they are likely, and the further the surer.
    assert own[ends].mean() > 0.2 and own[fresh.next_observation[:, 0] > 4].mean() > 0.5
    assert 0.5 < own.sum() / ends.sum() < 2
    assert own[fresh.next_observation[:, 0] < 2].max() < 0.02
  assert told['termination_'].validation_loss.max() < 0.3


@pytest.mark.parametrize('scale, shift, pay, bonus', [
    ([1e6, 1e-3], [-1e5, 1e-2], 1.0, 0.0), ([1.0, 1.0], [0.0, 0.0], 1e5, 0.0), ([1e-4, 1e3], [0.0, 0.0], 1e-6, 1e-5)])
def test_units_do_not_matter(scale, shift, pay, bonus):
  def results(scale, shift, pay, bonus):
    far = lambda place: place[:, 0] > 1.5
    reward = lambda *transition: pay * speed_along(*transition) + bonus
    task = Task(200, reward, far, scale=np.array(scale), shift=np.array(shift))
    expected, told = fitted(task.data, compiled=False, annealed_updates=6)
    reward, termination = expected(task.data)
    return (reward - bonus) / pay, termination, told['reward_'].validation_loss, told['termination_'].validation_loss

  usual = results(1.0, 0.0, 1.0, 0.0)
  assert usual[0].std() > 0.01 and usual[1].std() > 0.001
  for one, other in zip(results(scale, shift, pay, bonus), usual):
    np.testing.assert_allclose(one, other, rtol=5e-3, atol=2e-3)


def test_equal_rewards_are_what_is_expected():
  expected, _ = fitted(Task(60, lambda place, *_: np.full(len(place), 1.7), nothing).data, compiled=False, annealed_updates=2)
  np.testing.assert_allclose(expected(Task(9, speed_along, nothing).data)[0], 1.7, rtol=1e-6)


def test_a_reward_that_is_no_number_is_told():
  data = Task(60, speed_along, nothing).data
  data.reward[7] = np.nan
  with pytest.raises(errors.UserError, match='must be finite.*Received: 1 of 60 rewards, reward=nan'):
    fitted(data, compiled=False)


def test_heads_are_fitted_to_what_the_members_are_and_hold_the_same_out():
  ensemble, _, fit = made(60, compiled=False)
  seen = {}
  for told, fitter in (('reward_', fit.reward), ('termination_', fit.termination)):
    fit._termination_heads.calibrate = lambda *_: None
    fitter.fit_rows = lambda data, train, validation, generators, told=told: seen.update({told: (train, validation)})
  ensemble.fit_normalizers(*(Task(60, speed_along, nothing).data[index] for index in (0, 1, 3)))
  fit.fit(Task(60, speed_along, lambda place: place[:, 0] > 1).data, np.zeros([60, A], np.float32), 5)
  for rows, drawn in zip(seen['reward_'], seen['termination_']):
    for own, chosen in zip(rows, drawn):
      assert set(chosen) <= set(own)
  generators = fit.reward.generators(5)
  np.testing.assert_array_equal(seen['reward_'][0], fit.reward.splits(60, generators)[0])


def test_without_heads_nothing_is_done():
  assert outcome_fit.OutcomeFit(None, None, config_lib.EnsembleConfig(), 60).fit(None, None, 0) == {}
