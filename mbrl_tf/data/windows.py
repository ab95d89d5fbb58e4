"""Parts of real episodes that a model is compared with."""

import numpy as np

from mbrl_tf import types


def spread(episodes, count, seen, predicted):
  """Parts of episodes, spread evenly over all places where one may begin.

  Args:
    episodes: of `types.Episode`.
    count: parts.
    seen: observations that a model is shown first.
    predicted: numbers of decisions to predict after them, of which the first is taken that an
      episode is long enough for.

  Returns:
    Pairs of an episode and a first decision, and how many decisions to predict; no pairs where no
    episode is long enough.
  """
  for length in predicted:
    last_starts = [len(episode.reward) - (seen + length - 1) for episode in episodes]
    places = [(episode, start) for episode, last in zip(episodes, last_starts)
              for start in range(last + 1)]
    if places:
      chosen = np.linspace(0, len(places) - 1, count).round().astype(int)
      return [places[index] for index in chosen], length
  return [], 0


def reach(episodes, seen):
  """How many decisions can be predicted at most after `seen` observations; 0 where no episode is
  long enough.
  """
  return max([len(episode.reward) - (seen - 1) for episode in episodes] + [0])


def known(episodes, count, seen, predicted):
  """Parts of episodes of which all is known that comes, spread evenly over the places where one may
  begin: `predicted` decisions follow, or fewer of an episode that terminates.

  Args:
    episodes: of `types.Episode`.
    count: parts at most.
    seen: observations that a model is shown first.
    predicted: decisions to predict after them, at least 1.

  Returns:
    Pairs of an episode and a first observation, each once.
  """
  places = []
  for episode in episodes:
    least = 1 if episode.terminated.any() else predicted
    places += [(episode, start) for start in range(len(episode.reward) - (seen - 1) - least + 1)]
  if not places:
    return []
  return [places[index] for index in np.unique(
      np.linspace(0, len(places) - 1, count).round().astype(int))]


def cut(places, seen, predicted) -> types.Windows:
  """Returns the parts that `known` found, of which there must be some, as arrays."""
  rows = [_row(episode, start, seen, predicted) for episode, start in places]
  return types.Windows(*(_stack(values) for values in zip(*rows)))


def _row(episode, start, seen, predicted):
  """`types.Windows` of one part, without the leading axis."""
  first, total = start + seen - 1, len(episode.reward)
  at = np.minimum(np.arange(start, start + seen + predicted), total)
  decisions = np.arange(first, first + predicted)
  mask = decisions < total
  taken = np.minimum(decisions, total - 1)
  led = np.maximum(np.arange(start - 1, start + seen - 1), 0)
  observation = episode.observation
  shown = ({key: value[at] for key, value in observation.items()}
           if isinstance(observation, dict) else observation[at])
  return types.Windows(
      shown, episode.action[led], np.arange(start, start + seen) == 0, episode.action[taken],
      np.where(mask, episode.reward[taken], 0).astype(np.float32), mask.astype(np.float32),
      (episode.terminated[taken] & mask).any())


def _stack(values):
  if isinstance(values[0], dict):
    return {key: np.stack([value[key] for value in values]) for key in values[0]}
  return np.stack(values)
