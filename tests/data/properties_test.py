"""The store and its two views against a list in memory, for stores that nobody chose."""

import shutil
import tempfile

from hypothesis import given, settings, strategies
import numpy as np

from mbrl_tf import types
from mbrl_tf.data import episodes, sequences, transitions

often = settings(max_examples=40, derandomize=True, deadline=None)
lengths = strategies.lists(strategies.integers(1, 7), min_size=1, max_size=6)


def make_episode(number, decisions, terminates, discrete):
  """Each number in it tells the episode and the step."""
  steps = 100 * number + np.arange(decisions + 1)
  action = np.arange(decisions) + number if discrete else np.stack([steps[:-1], -steps[:-1]], 1).astype(np.float32)
  terminated = np.zeros(decisions, bool)
  terminated[-1] = terminates
  return types.Episode(steps[:, None].astype(np.float32), action, steps[:-1].astype(np.float32), terminated)


@strategies.composite
def histories(draw):
  """A list of episodes as they are in a store after appending, cutting off, and appending again."""
  discrete = draw(strategies.booleans())
  first, second = draw(lengths), draw(lengths)
  kept = draw(strategies.integers(0, len(first)))
  made = [make_episode(number, decisions, draw(strategies.booleans()), discrete) for number, decisions in enumerate(first + second)]
  return made[:len(first)], kept, made[len(first):]


class Store(episodes.EpisodeStore):
  """A store that went through a history, in a folder that ends with it; `expected` is what it should hold."""

  def __init__(self, history):
    super().__init__(tempfile.mkdtemp())
    first, kept, second = history
    for episode in first:
      self.append(episode)
    self.truncate(kept)
    for episode in second:
      self.append(episode)
    self.expected = first[:kept] + second

  def __enter__(self):
    return self

  def __exit__(self, *unused):
    shutil.rmtree(self.folder)


def assert_equal(one, other):
  for a, b in zip(one, other, strict=True):
    np.testing.assert_array_equal(a, b, strict=True)


@often
@given(history=histories())
def test_a_store_holds_what_was_appended_before_and_after_it_is_opened_again(history):
  with Store(history) as store:
    for opened in (store, episodes.EpisodeStore(store.folder)):
      assert len(opened) == len(store.expected)
      assert list(opened.decisions().values()) == [len(episode.reward) for episode in store.expected]
      for index, episode in opened.episodes():
        assert_equal(episode[:4], store.expected[index][:4])


@often
@given(history=histories(), capacity=strategies.integers(1, 40))
def test_transitions_are_the_newest(history, capacity):
  with Store(history) as store:
    shown = transitions.TransitionView(store, capacity).transitions()
  whole = store.expected
  join = lambda parts: np.concatenate(parts)[-capacity:]
  np.testing.assert_array_equal(shown.observation, join([episode.observation[:-1] for episode in whole]))
  np.testing.assert_array_equal(shown.next_observation, join([episode.observation[1:] for episode in whole]))
  for name in ('action', 'reward', 'terminated'):
    np.testing.assert_array_equal(getattr(shown, name), join([getattr(episode, name) for episode in whole]))


def ring(whole):
  """All rows of some episodes, one after the other: observation, reward, terminated, is_first."""
  rows = []
  for episode in whole:
    for t, observation in enumerate(episode.observation[:, 0]):
      rows.append((observation, episode.reward[t - 1] if t else 0, bool(t and episode.terminated[t - 1]), t == 0))
  return np.array(rows)


@often
@given(history=histories(), length=strategies.integers(1, 30), seed=strategies.integers(0, 2**31))
def test_sequences_follow_the_ring(history, length, seed):
  with Store(history) as store:
    view = sequences.SequenceView(store)
    batch = view.batch(5, length, seed)
    assert_equal(batch, sequences.SequenceView(episodes.EpisodeStore(store.folder), cache_bytes=0).batch(5, length, seed))
  rows = ring(store.expected)
  assert len(rows) == len(np.unique(rows[:, 0]))
  for observation, reward, terminated, is_first in zip(batch.observation[..., 0], batch.reward, batch.terminated, batch.is_first):
    start = int(np.flatnonzero(rows[:, 0] == observation[0])[0])
    expected = rows[(start + np.arange(length)) % len(rows)]
    np.testing.assert_array_equal(np.stack([observation, reward, terminated, is_first], 1), expected)
