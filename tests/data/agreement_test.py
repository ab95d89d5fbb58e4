"""How far a task's functions are from its real episodes: expectations are counted by hand."""

import numpy as np
import pytest

from mbrl_tf import types
from mbrl_tf.data import agreement

_SPEC = types.EnvironmentSpec('a:task', types.ArraySpec((1,), 'float32'),
                              types.ActionSpec(1), 10)
_PAID = lambda observation, action, following: following[..., 0] + 10 * action[..., 0]


def make_episode(places, terminated=False, action=0.0):
  """An episode through these places; each decision pays the place where it leads, and ten times
  its action.
  """
  observation = np.array(places, np.float32)[:, None]
  ends = np.zeros(len(places) - 1, bool)
  ends[-1] = terminated
  return types.Episode(observation, np.full([len(ends), 1], action, np.float32),
                       observation[1:, 0] + 10 * np.float32(action), ends)


_EPISODES = [make_episode([0, 1, 2]), make_episode([0, 3, 2, 5], terminated=True, action=0.5)]


def compared(**functions):
  spec = types.EnvironmentSpec(**{**vars(_SPEC), **functions})
  return agreement.compare(spec, _EPISODES)


def test_a_task_without_functions_has_nothing_to_compare():
  assert compared() == ()


def test_the_simulators_own_rewards_agree_in_each_entry():
  found, = compared(reward=_PAID)
  assert found.agrees and found.error == 0 and found.equal_share == 1 and found.entries == 5
  assert found.real_mean == found.foreseen_mean == (1 + 2 + 8 + 7 + 10) / 2


def test_a_wrong_sign_is_told_with_the_entry_that_is_furthest_off():
  found, = compared(reward=lambda *arguments: -_PAID(*arguments))
  assert not found.agrees and found.equal_share == 0
  # Differences are twice the rewards 1, 2, 8, 7 and 10.
  assert found.error == pytest.approx(2 * np.sqrt((1 + 4 + 64 + 49 + 100) / 5))
  assert (found.worst, found.real, found.foreseen) == ((1, 2), 10, -10)
  assert 'an episode returns -14 on average, really 14' in found.totals()
  assert 'real=10 and foreseen=-10 at decision 2 of episode 1' in found.received()


@pytest.mark.parametrize('wrong', [
    lambda o, a, n: _PAID(n, a, o),                       # of the observation before
    lambda o, a, n: 2 * _PAID(o, a, n),                   # in another unit
    lambda o, a, n: _PAID(o, a, n) + 1,                   # with a bonus that is not paid
    lambda o, a, n: n[..., 0],                            # without the action
    lambda o, a, n: np.where(n[..., 0] > 4, 0, _PAID(o, a, n)),   # without the goal
    lambda o, a, n: np.full(len(n), np.nan)])
def test_other_rewards_do_not_agree(wrong):
  assert not compared(reward=wrong)[0].agrees


def test_rounding_agrees_and_so_does_a_reward_that_is_always_the_same():
  assert compared(reward=lambda o, a, n: _PAID(o, a, n) * 1.00001)[0].agrees
  always = [episode._replace(reward=np.ones_like(episode.reward)) for episode in _EPISODES]
  spec = lambda reward: types.EnvironmentSpec(**{**vars(_SPEC), 'reward': reward})
  assert agreement.compare(spec(lambda o, a, n: np.float32(1)), always)[0].agrees
  assert not agreement.compare(spec(lambda o, a, n: np.float32(0.9)), always)[0].agrees


def test_ends_that_are_missed_or_invented_are_counted():
  found, = compared(terminated=lambda following: following[..., 0] > 4)
  assert found.agrees and found.real_mean == found.foreseen_mean == 0.5
  found, = compared(terminated=lambda following: following[..., 0] > 9)
  assert not found.agrees and found.error == 1 / 5 and found.worst == (1, 2)
  found, = compared(terminated=lambda following: following[..., 0] > 2)
  assert not found.agrees and found.error == 1 / 5 and (found.real, found.foreseen) == (0, 1)
  assert found.worst == (1, 0) and 'a probability of 1 on average, really 0.5' in found.totals()


def test_a_column_for_each_row_is_refused_because_it_would_be_broadcast():
  with pytest.raises(ValueError, match=r'Received: shape=\(5, 1\)'):
    compared(reward=lambda o, a, n: n)


def test_dicts_and_choices_are_handed_on_as_imagination_hands_them():
  seen = []
  spec = types.EnvironmentSpec(**{**vars(_SPEC), 'reward': lambda *given: seen.append(given) or 0})
  episode = types.Episode({'a': np.arange(3.0), 'b': np.arange(6.0).reshape(3, 2)},
                          np.array([1, 0]), np.zeros(2), np.zeros(2, bool))
  agreement.compare(spec, [episode, episode])
  (before, action, after), = seen
  assert before['a'].tolist() == [0, 1, 0, 1] and after['b'].tolist() == [[2, 3], [4, 5]] * 2
  assert action.dtype == np.int32 and action.tolist() == [1, 0, 1, 0]


def test_with_action_repeat_the_last_decisions_are_no_part_of_it():
  """They may have taken fewer env steps, and paid for fewer."""
  spec = types.EnvironmentSpec(**{**vars(_SPEC), 'action_repeat': 4, 'reward': lambda *given: 8.0})
  episode = lambda *rewards: make_episode(range(len(rewards) + 1))._replace(
      reward=np.array(rewards))
  found, = agreement.compare(spec, [episode(3.0), episode(8.0, 8.0, 2.0), episode(8.0, 4.0)])
  assert found.error == 0 and found.entries == 3
  assert agreement.compare(spec, [episode(3.0)]) == ()
