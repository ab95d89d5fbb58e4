"""Parts of real episodes that a model is compared with."""

import numpy as np


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
