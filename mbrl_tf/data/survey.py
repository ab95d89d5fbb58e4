"""What is known of all real episodes so far, each looked at once."""

import numpy as np
import tensorflow as tf

from mbrl_tf.data import episodes

_POOR = 0.1  # of the way from random returns to the best one
_RARE = 0.02  # share of the decisions that are paid


def brought(episode):
  """The rewards of an episode, `[decisions]`, and where it terminated one of 0: all that comes
  after a termination.
  """
  rewards = episode.reward
  return np.append(rewards, np.zeros(1, rewards.dtype)) if episode.terminated.any() else rewards


class Survey(tf.Module):
  """Looks at what is new in a store: at the episodes of all hosts, in the order in which all of
  them have them.

  Attributes:
    terminates: whether an episode has terminated, a bool variable.
    reward_range: least and largest reward of a decision, a variable; infinite and reversed before
      there is one. All that comes after a termination is a reward of 0, which counts as one more.
    paid_decisions: how many brought more than the least reward, a variable.
    truncated_after: decisions of the longest episode that did not terminate, a variable; 0 before
      there is one.
    poor_episodes: how many fell back to a tenth of the way from the first returns to the best one
      so far, a variable. A mean over episodes or seeds hides them.
  """

  def __init__(self):
    """Knows of no episode."""
    super().__init__(name='survey')
    make = lambda value, name, dtype: tf.Variable(value, trainable=False, name=name, dtype=dtype)
    self.terminates = make(False, 'terminates', tf.bool)
    self.reward_range = make([np.inf, -np.inf], 'reward_range', tf.float32)
    self.paid_decisions = make(0, 'paid_decisions', tf.int64)
    self.truncated_after = make(0, 'truncated_after', tf.int64)
    self.poor_episodes = make(0, 'poor_episodes', tf.int64)
    self._seen, self._decisions = make(0, 'seen', tf.int64), make(0, 'decisions', tf.int64)
    self._first_returns = make([0.0, 0.0], 'first_returns', tf.float64)  # number and mean
    self._best_return = make(-np.inf, 'best_return', tf.float64)

  def update(self, store, is_random, look):
    """Looks at the episodes that are new.

    Args:
      store: an `EpisodeStore` or a `ShardedStore`.
      is_random: whether their actions were random: from these returns the way is measured.
      look: is called with each `types.Episode`.
    """
    least, largest = self.reward_range.numpy()
    for _, episode in episodes.readable(store, int(self._seen)):
      look(episode)
      rewards = brought(episode)
      self._count(rewards, least)
      least, largest = min(least, rewards.min()), max(largest, rewards.max())
      self._rank(float(np.sum(episode.reward, dtype=np.float64)), is_random)
      if episode.terminated.any():
        self.terminates.assign(True)
      else:
        longest = max(int(self.truncated_after), len(episode.reward))
        self.truncated_after.assign(longest)
    self.reward_range.assign(np.array([least, largest], np.float32))
    self._seen.assign(len(store))

  @property
  def largest_difference(self):
    """Between two rewards so far; 0 before there are any."""
    least, largest = self.reward_range.numpy()
    return float(max(largest - least, 0.0))

  @property
  def rewards_differ(self):
    """Whether there were two different rewards: without them there is nothing to learn of any
    action."""
    return self.largest_difference > 0

  def asks_for_random_actions(self, env_steps, first, most):
    """Whether random actions go on: at first, and while all rewards are equal, because then nothing
    can be learned of them.

    Args:
      env_steps: so far.
      first: env steps for which they go on in any case.
      most: env steps after which they end in any case.
    """
    return env_steps < first or (not self.rewards_differ and env_steps < most)

  def asks_for_a_random_iteration(self, iteration):
    """Whether an iteration collects by random actions, though a policy is there.

    While rewards are rare, every other one does: one lucky episode shows a policy little of how to
    come there.

    Args:
      iteration: its number.
    """
    return self.rewards_are_rare and iteration % 2 == 0

  @property
  def rewards_are_rare(self):
    """Whether nearly all decisions brought the least reward: little can be learned of the others."""
    return int(self.paid_decisions) < _RARE * int(self._decisions)

  def _count(self, rewards, least):
    """Counts an episode's decisions, given the least reward before it."""
    if rewards.min() < least:  # what was the least before counts as paid from now on
      self.paid_decisions.assign(self._decisions if np.isfinite(least) else 0)
    self._decisions.assign_add(len(rewards))
    self.paid_decisions.assign_add(int((rewards > rewards.min(initial=least)).sum()))

  def _rank(self, episode_return, is_random):
    """Takes one return into account."""
    count, mean = self._first_returns.numpy()
    if is_random:
      self._first_returns.assign([count + 1, mean + (episode_return - mean) / (count + 1)])
    elif episode_return < mean + _POOR * (float(self._best_return) - mean):
      self.poor_episodes.assign_add(1)
    self._best_return.assign(max(float(self._best_return), episode_return))
