"""What is said of each kind of answer, good and wrong."""

import gymnasium
from gymnasium import spaces
import numpy as np
import pytest

from mbrl_tf.environments import answers

_BOX = spaces.Box(-1.0, 1.0, [2], np.float32)
_GOOD = np.array([0.5, -0.5], np.float32)
_NESTED = spaces.Tuple([spaces.Dict({'place': _BOX, 'cell': spaces.Discrete(3)}),
                        spaces.MultiBinary(2)])


def codes(notes):
  return [note.code for note in notes]


def test_what_fits_is_not_noted():
  observation, notes = answers.of_reset((_GOOD, {}), _BOX)
  assert observation is _GOOD and notes == []
  found, notes = answers.of_step((_GOOD, 1.5, True, False, {}), _BOX)
  assert found[1:] == (1.5, True, False) and notes == []
  nested = ({'place': _GOOD, 'cell': 2}, np.ones(2, np.int8))
  assert answers.of_observation(nested, _NESTED) == []


@pytest.mark.parametrize('observation, code, received', [
    (np.zeros(3, np.float32), 'shape', 'float32[3]'),
    (np.zeros([2, 1], np.float32), 'shape', 'float32[2, 1]'),
    (None, 'shape', 'expected [2]'),
    ([[1.0], [1.0, 2.0]], 'type', 'a list of 2'),
    (np.array(['a', 'b']), 'type', '<U1[2]'),
    (np.zeros(2, complex), 'type', 'complex128[2]'),
    (np.zeros(2), 'other type', 'float64[2], expected float32'),
    ([0.5, 0.5], 'other type', 'a list of 2'),
    (np.array([0, np.nan], np.float32), 'not finite', 'observation[1]=nan'),
    (np.array([-np.inf, 0], np.float32), 'not finite', 'observation[0]=-inf'),
    (np.array([0, 1.5], np.float32), 'bounds', 'observation[1]=1.5, bounds -1 to 1')])
def test_observations_in_a_box(observation, code, received):
  notes = answers.of_observation(observation, _BOX)
  assert codes(notes) == [code] and received in notes[0].received


@pytest.mark.parametrize('observation, code, received', [
    ({'place': _GOOD}, 'keys', 'expected 2 parts'),
    (({'place': _GOOD}, np.ones(2, np.int8)), 'keys', "a dict of ['place'], expected"),
    (({'place': _GOOD, 'cell': 3}, np.ones(2, np.int8)), 'member', "observation[0]['cell']"),
    (({'place': 2 * _GOOD, 'cell': 0}, np.ones(3, np.int8)), 'member', 'observation[1]=int8[3]')])
def test_parts_of_an_observation(observation, code, received):
  notes = answers.of_observation(observation, _NESTED)
  assert code in codes(notes) and any(received in note.received for note in notes)


@pytest.mark.parametrize('answer, code', [
    (_GOOD, 'tuple'), ((_GOOD,), 'tuple'), (None, 'tuple'), ((_GOOD, None), 'info'),
    ((_GOOD, {'action_mask': np.ones(3, np.int8)}), 'mask')])
def test_answers_of_reset(answer, code):
  assert codes(answers.of_reset(answer, _BOX)[1]) == [code]


@pytest.mark.parametrize('changes, code', [
    ({'reward': None}, 'reward'), ({'reward': 'much'}, 'reward'),
    ({'reward': [1.0, 2.0]}, 'reward'),
    ({'reward': np.array([1.0])}, 'reward type'), ({'reward': float('nan')}, 'not finite'),
    ({'reward': float('-inf')}, 'not finite'), ({'terminated': None}, 'flag'),
    ({'terminated': 'no'}, 'flag'), ({'truncated': 0}, 'flag type'),
    ({'truncated': np.array([True])}, 'flag type'), ({'info': []}, 'info'),
    ({'observation': np.zeros(3, np.float32)}, 'shape')])
def test_answers_of_step(changes, code):
  answer = {'observation': _GOOD, 'reward': 1.0, 'terminated': False, 'truncated': False,
            'info': {}, **changes}
  assert codes(answers.of_step(tuple(answer.values()), _BOX)[1]) == [code]


def test_a_step_of_the_old_gym_is_no_step():
  assert codes(answers.of_step((_GOOD, 1.0, True, {}), _BOX)[1]) == ['tuple']


def test_each_note_says_what_to_do():
  assert all(len(said) == 4 and all(said) for said in answers.NOTES.values())
  assert {said[1] for said in answers.NOTES.values()} == {'error', 'warning'}


def test_plain_copies_hold_the_same_and_need_nobodys_code():

  class Own:

    def __repr__(self):
      raise ValueError

  value = {'a': [_GOOD, 3], 1: Own()}
  copy = answers.plain(value)
  assert answers.same(copy, answers.plain(value)) and copy['a'][0] is not _GOOD
  assert copy['1'] == '(its repr raises ValueError)'
  assert not answers.same(copy, answers.plain({'a': [_GOOD + 1, 3], 1: Own()}))
  assert not answers.same(copy, answers.plain({'a': [_GOOD, 3]}))
  assert answers.same(answers.plain(np.array([np.nan])), answers.plain(np.array([np.nan])))
  assert list(answers.arrays({'x': (_GOOD, 'text')})) == ["observation['x'][0]"]


def test_what_a_known_environment_answers_fits():
  env = gymnasium.make('CartPole-v1').unwrapped
  assert answers.of_reset(env.reset(seed=1), env.observation_space)[1] == []
  assert answers.of_step(env.step(1), env.observation_space)[1] == []
