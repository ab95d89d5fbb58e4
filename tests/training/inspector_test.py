"""Which episodes a model is held against, and what is told and drawn of models of other kinds."""

import json

import numpy as np
import pytest

from mbrl_tf import errors, types
from mbrl_tf.data import episodes
from mbrl_tf.training import figures, inspector, run_directory

H = 6


def episode(number, decisions=9, terminates=False):
  terminated = np.arange(1, decisions + 1) == (decisions if terminates else -1)
  return types.Episode(np.full((decisions + 1, 2), number, np.float32),
                       np.zeros((decisions, 1), np.float32), np.full(decisions, float(number)),
                       terminated)


def numbers(groups):
  return {name: [int(one.reward[0]) for one in group.episodes] for name, group in groups.items()}


@pytest.fixture
def directory(tmp_path):
  """Twelve episodes, of three iterations: six, three and three."""
  found = run_directory.RunDirectory(tmp_path / 'run')
  store = episodes.EpisodeStore(found.episodes)
  for number in range(12):
    store.append(episode(number))
  found.metrics.write_text(''.join(
      json.dumps({'env_steps': steps, 'collect/episodes': count}) + '\n'
      for steps, count in ((60, 6), (90, 3), (120, 3))))
  return found


def test_the_newest_episodes_are_those_that_were_not_learned_from(directory):
  groups = inspector.groups_of(directory, 120, 10)
  assert numbers(groups)['newest'] == [9, 10, 11]
  assert {name: group.learned_from for name, group in groups.items()} == {
      'newest': False, 'older': True, 'first': True}
  assert numbers(groups)['first'] == [0, 1, 2, 3] and numbers(groups)['older'] == [4, 5, 6, 7, 8]
  # All that came after an earlier checkpoint, of which the newest are taken.
  assert numbers(inspector.groups_of(directory, 90, 2)) == {
      'newest': [10, 11], 'older': [2, 5], 'first': [0, 1]}


def test_what_nobody_wrote_down_is_said_to_be_unknown(directory):
  groups = inspector.groups_of(directory, 100, 4)  # no iteration ended there
  assert numbers(groups)['newest'] == [8, 9, 10, 11]
  assert {group.learned_from for group in groups.values()} == {None}


def test_offline_all_was_learned_from(directory):
  directory.metrics.write_text(json.dumps({'env_steps': 120, 'model/loss': 1.0}) + '\n')
  directory.write_imported(run_directory.Imported(12, ({'sha256': ['x'] * 12},)))
  groups = inspector.groups_of(directory, 120, 3)
  assert numbers(groups)['newest'] == [9, 10, 11]
  assert {group.learned_from for group in groups.values()} == {True}


def test_no_episode_is_an_error(tmp_path):
  with pytest.raises(errors.UserError, match='Received: episodes='):
    inspector.groups_of(run_directory.RunDirectory(tmp_path), 0, 3)


class Predictor:
  """Predicts what was, plus numbers that tell members apart."""
  shown, horizon = 2, 3

  def __init__(self, members, named):
    self._members, self._named = members, named

  def predict(self, windows, seed):
    real = windows.observation[:, self.shown - 1:]
    lead = self._members, *windows.reward.shape
    offsets = np.linspace(0, 1, self._members)[:, None, None]
    std = np.ones((self._members, len(real), 2)) if self._named else None
    return {'its way': types.Predictions(
        real[None, :, 1:] + offsets[..., None], real, windows.reward + offsets, np.full(lead, 0.9),
        std, ('a', 'b') if self._named else ())}

  def act(self, windows, decisions, seed):
    reward = np.ones((self._members, len(windows.reward), min(decisions, 4)))
    return reward, np.ones_like(reward)

  def videos(self, episodes):
    return {}


@pytest.mark.parametrize('members, named', [(1, False), (3, True)])
def test_every_kind_of_model_is_told_of_and_drawn(members, named, tmp_path):
  held = tuple(episode(number, terminates=number % 2 == 0) for number in range(4))
  groups = {'newest': inspector.Group(held, False), 'first': inspector.Group(held[:1], True)}
  findings = inspector.inspect(Predictor(members, named), groups, H)
  told = json.loads(json.dumps(inspector.told(findings), allow_nan=False))
  way = told['predictions']['its way']
  assert told['horizon'] == H and set(told['one_decision_ahead']) == {'newest', 'first'}
  assert ('calibration' in told) == named and ('error_members' in way) == (members > 1)
  assert told['return_of_policy_in_model']['4'] == 4
  assert way['survival_real']['6'] < 1 and way['survival_predicted']['1'] == 0.9
  if members == 1:
    assert way['error']['6'] == 0 and way['return_real'] == way['return_predicted']
  drawn = inspector.pictures(findings, tmp_path / 'metrics.jsonl')
  assert set(drawn) == {'error', 'return', 'episodes', *(['calibration', 'disagreement'] if named else [])}
  assert all(figures.png(figure).startswith(b'\x89PNG') for figure in drawn.values())


def test_episodes_that_are_shorter_than_what_is_shown_first_are_an_error():
  groups = {'newest': inspector.Group((episode(0, decisions=1),), False)}
  with pytest.raises(errors.UserError, match='shown 2 observations .* Received: .* 1 decisions'):
    inspector.inspect(Predictor(1, False), groups)
