"""What is concluded from answers that are written here by hand."""

import numpy as np
import pytest

from mbrl_tf.environments import answers, probe, random_play


def answer(value, reward=1.0, terminated=False, truncated=False, notes=()):
  return probe.Answer(np.array(value, np.float32, ndmin=1), None, reward, terminated, truncated,
                      tuple(notes))


def played(*lengths, end='', limit=None, values=lambda step: [step], rewards=lambda step: step):
  """Episodes of these lengths, each of which ends in one way."""
  play = random_play.RandomPlay(limit)
  for length in lengths:
    play.begin(answer(values(0), None))
    for step in range(1, length + 1):
      play.take(answer(values(step), float(rewards(step)),
                       **({end: step == length} if end else {})))
  return play


def row(play, topic):
  found = [each for each in play.rows() if each.topic == topic]
  assert len(found) == 1, found
  return found[0]


def test_an_ordinary_task_has_nothing_wrong():
  play = played(4, 6, 5, end='terminated', limit=10)
  assert [each.level for each in play.rows()] == ['ok'] * 4
  said = '3 episodes of 4 to 6 env steps with random actions: 3 terminated'
  assert row(play, 'episodes').found == said
  # 1 + 2 + 3 + 4 and so on
  assert '1 to 6 for an env step, 15.33 an episode' in row(play, 'rewards').found
  assert play.measured() == {
      'random_env_steps': 15, 'episodes': 3, 'episode_lengths': [4, 6, 5],
      'terminated_episodes': 3, 'random_return_mean': pytest.approx(46 / 3)}


def test_an_episode_is_over_at_the_time_limit():
  play = played(5, limit=5)
  assert play.ended and '1 truncated at the time limit' in row(play, 'episodes').found
  assert not played(4, limit=5).ended


@pytest.mark.parametrize('play, level, said', [
    (played(50, limit=1000), 'warning', 'No episode ended within 50 env steps'),
    (played(1, 1, 1, end='terminated'), 'warning', 'end with their first step'),
    (played(1, 2, 1, end='terminated'), 'ok', '3 episodes of 1 to 2'),
    (played(7, 7, 7, end='terminated'), 'warning', 'terminate by the clock'),
    (played(7, 7, end='terminated'), 'ok', '2 terminated'),
    (played(7, end='terminated', limit=7), 'warning', 'terminate by the clock'),
    (played(7, 7, 7, end='truncated'), 'ok', '3 truncated by itself'),
    (played(7, 7, 8, end='terminated', limit=9), 'ok', '3 terminated')])
def test_how_episodes_end(play, level, said):
  assert row(play, 'episodes').level == level and said in row(play, 'episodes').found


def test_rewards_that_tell_nothing():
  assert row(played(9, limit=9, rewards=lambda step: 2), 'rewards').level == 'warning'
  # of a pole that is to be kept up, the end tells
  assert row(played(9, 8, end='terminated', rewards=lambda step: 2), 'rewards').level == 'ok'


@pytest.mark.parametrize('values, level, said', [
    (lambda step: [7], 'warning', 'never changes'),
    (lambda step: [step, 7], 'ok', '1 of 2 never change'),
    (lambda step: [step, -1.0003610687799425], 'ok', '1 of 2 never change'),
    # Near 1e6 float32 tells 1/16 apart, which is little beside 1000 and much beside a half.
    (lambda step: [step, 1e6 + step % 2], 'warning', 'float32'),
    (lambda step: [step, 1e6 + 1e3 * (step % 2)], 'ok', ''),
    (lambda step: [1e-6 * step, 1e9 * step], 'ok', '')])
def test_units(values, level, said):
  found = row(played(9, limit=9, values=values), 'units')
  assert found.level == level and said in found.found


def test_notes_are_counted_and_told_once():
  play = random_play.RandomPlay(None)
  note = answers.Note('bounds', 'observation[0]=2')
  play.begin(answer(2, None, notes=[note]))
  play.take(answer(3, notes=[note, answers.Note('flag type', 'terminated=0')]))
  play.take(answer(0))
  told = [each for each in play.rows() if each.topic in ('numbers', 'interface')]
  assert [each.received for each in told] == ['observation[0]=2', 'terminated=0']
  assert '(in 2 of 3 answers)' in told[0].found and '(in 1 of 3 answers)' in told[1].found


def test_the_first_answers_are_kept_to_be_repeated():
  play = played(30, 30, limit=30)
  assert [each.observation[0] for each in play.first] == list(range(21))
