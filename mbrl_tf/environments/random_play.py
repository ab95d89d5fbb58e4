"""What random actions in a bare simulator show; free of TensorFlow."""

import collections

import numpy as np

from mbrl_tf.environments import answers
from mbrl_tf.environments.report import OK, WARNING, Row

_REMEMBERED = 20     # steps of the first episode
_ALIKE = 3           # episodes of one length that are no chance
_AT_ONCE = 3         # episodes of one step that are no chance
_RESOLUTION = 0.01   # of an entry's spread: what lies nearer may be one number in float32


class RandomPlay:
  """Counts what `probe.Answer`s hold, episode by episode.

  Attributes:
    env_steps: taken in all episodes.
    ended: whether the running episode ended, by itself or at the time limit.
    first: the first answers of the first episode.
  """

  def __init__(self, time_limit):
    """Knows of nothing yet.

    Args:
      time_limit: env steps after which an episode is truncated from outside; None for never.
    """
    self.env_steps, self.ended, self.first = 0, True, []
    self._time_limit = time_limit
    self._notes, self._answers = {}, 0
    self._counts = collections.Counter()
    self._lengths, self._ends = [], []
    self._returns, self._rewards = [], []
    self._entries, self._begins = collections.defaultdict(list), []

  def begin(self, answer):
    """Takes the answer of reset() into account."""
    self._lengths.append(0)
    self._returns.append(0.0)
    self._ends.append('')
    self._begins.append(answer.observation)
    self.ended = False
    self._look(answer)

  def take(self, answer):
    """Takes the answer of step() into account."""
    self.env_steps += 1
    self._lengths[-1] += 1
    if answer.reward is not None:
      self._rewards.append(answer.reward)
      self._returns[-1] += answer.reward
    at_limit = self._lengths[-1] == self._time_limit
    self._ends[-1] = ('terminated' if answer.terminated else 'truncated' if answer.truncated
                      else 'limit' if at_limit else '')
    self.ended = bool(self._ends[-1])
    self._look(answer)

  @property
  def length(self):
    """Env steps of the running episode."""
    return self._lengths[-1]

  def _look(self, answer):
    self._answers += 1
    for note in answer.notes:
      self._notes.setdefault(note.code, note)
    self._counts.update({note.code for note in answer.notes})
    if len(self._lengths) == 1 and len(self.first) <= _REMEMBERED:
      self.first.append(answer)
    for key, array in answers.arrays(answer.observation, '').items():
      if array.size and array.dtype.kind != 'b':
        self._entries[key].append(array.ravel().astype(np.float64))

  def rows(self):
    """Returns what was found, as `Row`s."""
    return [*self._of_answers(), *self._of_episodes(), *self._of_rewards(), *self._of_units()]

  def measured(self):
    """Returns the numbers of it, by name."""
    whole = [value for value, end in zip(self._returns, self._ends) if end]
    return {'random_env_steps': self.env_steps, 'episodes': len(whole),
            'episode_lengths': [n for n, end in zip(self._lengths, self._ends) if end],
            'terminated_episodes': self._ends.count('terminated'),
            'random_return_mean': float(np.mean(whole)) if whole else None}

  def _of_answers(self):
    for code, note in self._notes.items():
      topic, level, found, advice = answers.NOTES[code]
      yield Row(topic, level, f'{found} (in {self._counts[code]:,} of {self._answers:,} answers)',
                note.received, advice)
    if not self._notes and self._answers:
      yield Row('interface', OK, f'All {self._answers:,} answers of reset() and step() fit their '
                'spaces, are finite, and stay what they were')

  def _of_episodes(self):
    whole = [length for length, end in zip(self._lengths, self._ends) if end]
    ends = collections.Counter(end for end in self._ends if end)
    if not self.env_steps:
      return
    if not whole:
      yield Row('episodes', WARNING, f'No episode ended within {self.env_steps:,} env steps',
                f'time_limit={self._time_limit}',
                'Return truncated=True where an episode is over, or give '
                '--config.environment.time_limit in env steps')
      return
    lengths = f'{min(whole):,} to {max(whole):,}' if min(whole) < max(whole) else f'{whole[0]:,}'
    kinds = ', '.join(f'{ends[key]} {said}' for key, said in (
        ('terminated', 'terminated'), ('truncated', 'truncated by itself'),
        ('limit', 'truncated at the time limit')) if ends[key])
    text = (f'{len(whole)} episode{"s" * (len(whole) > 1)} of {lengths} env '
            f'step{"s" * (max(whole) > 1)} with random actions: {kinds}')
    if max(whole) == 1 and len(whole) >= _AT_ONCE:
      yield Row('episodes', WARNING, 'Episodes end with their first step', text,
                'Where that is not meant: does reset() begin anew, and does step() tell the end of '
                'this episode and not of the one before?')
    elif self._ends_by_the_clock(whole, ends):
      yield Row('episodes', WARNING, 'Episodes terminate by the clock: this looks like truncation '
                'that is reported as termination, after which nothing is thought to be worth '
                'anything', text, 'Where the time is over and the task is not, return '
                'terminated=False, truncated=True')
    else:
      yield Row('episodes', OK, text)

  def _ends_by_the_clock(self, whole, ends):
    """Whether terminations fall on one step, which is that of the time limit or of all episodes."""
    at = {n for n, end in zip(self._lengths, self._ends) if end == 'terminated'}
    if len(at) != 1 or max(whole) == 1:
      return False
    alike = len(set(whole)) == 1 and ends['terminated'] == len(whole) >= _ALIKE
    return alike or at == {self._time_limit}

  def _of_rewards(self):
    if not self._rewards:
      return
    low, high = min(self._rewards), max(self._rewards)
    whole = [value for value, end in zip(self._returns, self._ends) if end]
    told = f', {np.mean(whole):.4g} an episode on average' if whole else ''
    if low == high and 'terminated' not in self._ends:
      yield Row('rewards', WARNING, 'All rewards are equal, and no episode terminates: random '
                'actions show nothing that can be learned', f'reward={low:.4g}',
                'Where rewards are rare, more random steps may meet one (--env_steps); otherwise '
                'the reward does not depend on what is done')
    else:
      yield Row('rewards', OK, f'{low:.4g} to {high:.4g} for an env step{told}')

  def _of_units(self):
    stacked = {key: np.stack(rows) for key, rows in self._entries.items()
               if len({len(row) for row in rows}) == 1}
    stacked = {key: rows for key, rows in stacked.items() if np.isfinite(rows).all()}
    if self.env_steps < 2 or not stacked:
      return
    low = min(rows.min() for rows in stacked.values())
    high = max(rows.max() for rows in stacked.values())
    # From the first row, so that the deviation of a constant is 0 and no rounding of its mean.
    spread = {key: (rows - rows[0]).std(0) for key, rows in stacked.items()}
    deviations = np.concatenate(list(spread.values()))
    moving = deviations[deviations > 0]
    if not len(moving):
      yield Row('units', WARNING, 'The observation never changes', f'observation={low:.4g} to '
                f'{high:.4g} in {self.env_steps:,} steps',
                'Return what the step led to, in a new array')
      return
    for key, rows in stacked.items():
      finest = np.spacing(np.abs(rows).max(0).astype(np.float32)).astype(np.float64)
      coarse = (spread[key] > 0) & (finest > _RESOLUTION * spread[key])
      if coarse.any():
        at = int(np.argmax(coarse))
        yield Row('units', WARNING, 'An entry varies by less than float32 can tell apart so far '
                  'from 0', f'observation{key}[{at}]={float(rows[0, at])!r} with a standard '
                  f'deviation of {spread[key][at]:.3g}',
                  'Observe the difference to a fixed value instead')
        return
    still = len(deviations) - len(moving)
    yield Row('units', OK, f'Entries from {low:.4g} to {high:.4g}, which deviate by '
              f'{moving.min():.3g} to {moving.max():.3g}'
              + (f'; {still} of {len(deviations)} never change' if still else ''))
