"""Whether a task's reward and termination functions say what its simulator did, entry by entry.

Nobody would notice otherwise: a reward function with the wrong sign is learned from as willingly as
the right one. Free of TensorFlow, which the functions bring themselves.
"""

from typing import NamedTuple, Tuple

import numpy as np

# Of the spread of the real rewards. Gymnasium's tasks whose functions are approximate stay at half
# of it under random actions; a wrong sign, a forgotten bonus and another scale do not.
_REWARD_TOLERANCE = 0.25
_REPEATED_TOLERANCE = 0.5    # where a function of one env step stands for several
_TERMINATED_TOLERANCE = 0.1  # of the ends that are real or foreseen
_EQUAL = 1e-4                # of the spread: what is nearer is the same number


class Comparison(NamedTuple):
  """One function against real episodes.

  Attributes:
    function: `reward_function` or `terminated_function`.
    error: root mean square error in units of the reward of a decision; or the share of the
      decisions whose end is foreseen wrongly.
    tolerance: of `error`, beyond which the function is another one than the simulator's.
    spread: the standard deviation of the real rewards, and a tenth of their size at least; or the
      share of the decisions after which an episode ends, really or as foreseen.
    equal_share: of the entries whose two numbers are the same.
    real_mean, foreseen_mean: of an episode: its return, or how many of its decisions end it.
    worst: index of the episode, and of the decision in it, where the two differ most.
    real, foreseen: the two numbers there.
    entries: how many were compared.
  """
  function: str
  error: float
  tolerance: float
  spread: float
  equal_share: float
  real_mean: float
  foreseen_mean: float
  worst: Tuple[int, int]
  real: float
  foreseen: float
  entries: int

  @property
  def agrees(self):
    """Whether the function can be imagined with; not where it gives a number that is not finite."""
    return bool(self.error <= self.tolerance)

  def totals(self):
    """Says what an episode brings by the function, and what it really brings."""
    what = 'returns' if self.function == 'reward_function' else 'terminates with a probability of'
    return (f'by the function an episode {what} {self.foreseen_mean:.4g} on average, '
            f'really {self.real_mean:.4g}')

  def received(self):
    """Tells the error, and the entry that is furthest off."""
    return (f'error={self.error:.4g} (at most {self.tolerance:.4g}), real={self.real:.4g} and '
            f'foreseen={self.foreseen:.4g} at decision {self.worst[1]} of episode {self.worst[0]}')


def compare(spec, episodes) -> Tuple[Comparison, ...]:
  """Compares the functions that a task has with what its simulator did.

  Args:
    spec: `types.EnvironmentSpec`.
    episodes: at least one `types.Episode` of it.

  Returns:
    One `Comparison` for each function, the reward function's first. With action repeat the rewards
    of last decisions are left out, because those may have taken fewer env steps.

  Raises:
    ValueError: a function returned another shape than one number for each transition.
    Whatever else a function raises.
  """
  lengths = [len(episode.reward) for episode in episodes]
  before, after = (_joined(episodes, rows) for rows in (slice(None, -1), slice(1, None)))
  action = np.concatenate([episode.action for episode in episodes])
  if action.dtype.kind in 'iu':
    action = action.astype(np.int32)  # as they are in imagination
  compared = []
  if spec.reward is not None:
    foreseen = _called('reward_function', spec.reward, (before, action, after), len(action))
    if spec.action_repeat == 1:
      compared.append(_compare_rewards(_column(episodes, 'reward'), foreseen, lengths))
    elif max(lengths) > 1:
      compared.append(_compare_repeated(episodes, foreseen, lengths))
  if spec.terminated is not None:
    foreseen = _called('terminated_function', spec.terminated, (after,), len(action))
    compared.append(_compare_ends(_column(episodes, 'terminated'), foreseen, lengths))
  return tuple(compared)


def _compare_repeated(episodes, foreseen, lengths):
  """As `_compare_rewards`, without the last decision of each episode."""
  whole = np.ones(len(foreseen), bool)
  whole[np.cumsum(lengths) - 1] = False
  return _compare_rewards(_column(episodes, 'reward')[whole], foreseen[whole],
                          [length - 1 for length in lengths], _REPEATED_TOLERANCE)


def _compare_rewards(real, foreseen, lengths, tolerance=_REWARD_TOLERANCE):
  difference = foreseen - real
  spread = max(float(real.std()), 0.1 * float(np.sqrt(np.mean(real ** 2))))
  return _comparison(
      'reward_function', real, foreseen, lengths, float(np.sqrt(np.mean(difference ** 2))),
      tolerance * spread, spread, np.abs(difference) <= _EQUAL * spread)


def _compare_ends(real, foreseen, lengths):
  ends = float(np.mean((real > 0) | (foreseen > 0)))
  return _comparison(
      'terminated_function', real, foreseen, lengths, float(np.mean(real != foreseen)),
      _TERMINATED_TOLERANCE * ends, ends, real == foreseen)


def _comparison(function, real, foreseen, lengths, error, tolerance, spread, equal):
  difference = np.abs(foreseen - real)
  at = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf)))
  first = np.cumsum([0, *lengths])
  episode = int(np.searchsorted(first, at, side='right')) - 1
  return Comparison(
      function, error, tolerance, spread, float(equal.mean()), real.sum() / len(lengths),
      foreseen.sum() / len(lengths), (episode, at - int(first[episode])), float(real[at]),
      float(foreseen[at]), len(real))


def _called(name, function, arguments, entries):
  """Returns what a function gives for all transitions, float64 `[M]`; one number stands for all."""
  result = np.asarray(function(*arguments))
  if result.shape not in ((entries,), ()):
    raise ValueError(f'{name} must return one number for each of {entries} transitions. '
                     f'Received: shape={result.shape}')
  return np.broadcast_to(result, [entries]).astype(np.float64)


def _joined(episodes, rows):
  """Returns these rows of the observations of all episodes, one after the other."""
  if isinstance(episodes[0].observation, dict):
    return {key: np.concatenate([episode.observation[key][rows] for episode in episodes])
            for key in episodes[0].observation}
  return np.concatenate([episode.observation[rows] for episode in episodes])


def _column(episodes, name):
  return np.concatenate([getattr(episode, name) for episode in episodes]).astype(np.float64)
