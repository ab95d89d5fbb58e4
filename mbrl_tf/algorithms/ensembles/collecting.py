"""Real episodes for an ensemble, and whether the task's own functions say what its simulator
does."""

import itertools

from absl import logging

from mbrl_tf.algorithms.ensembles import summaries
from mbrl_tf.data import agreement

_COMPARED_EPISODES = 10  # of those that were there before anything is collected


class Collector:
  """Collects, and holds the functions that are imagined with against what was collected."""

  def __init__(self, driver, store, env_steps, learns_rewards):
    """Only keeps its arguments.

    Args:
      driver: collects real episodes, and hands each to the store as it ends.
      store: where they are kept.
      env_steps: variable that counts them.
      learns_rewards: whether rewards are learned from them.
    """
    self._driver, self._store, self._env_steps = driver, store, env_steps
    self._learns_rewards = learns_rewards
    self._warned = set()  # of what; each is said once in a process

  def compare_stored(self):
    """Holds the functions against the first episodes that were there before."""
    self._compared([episode for _, episode in
                    itertools.islice(self._store.episodes(), _COMPARED_EPISODES)])

  def collect(self, policy, env_steps, clock):
    """Returns `types.Collected` of real episodes, which the driver stores as they end.

    Args:
      policy: a `TFPolicy`.
      env_steps: how many at least, in whole episodes, of all hosts.
      clock: `PhaseClock`.
    """
    with clock('collect'):
      collected = self._driver.together(self._driver.collect(policy, env_steps))
    self._env_steps.assign_add(collected.env_steps)
    return collected._replace(
        metrics={**collected.metrics, **self._compared(collected.episodes)})

  def warn_of_equal_rewards(self, rewards, terminated):
    """Says once in a process that there is nothing to learn: each step pays the same, and no
    episode ends of itself. Where the task has a reward function, that tells more than data do."""
    if (not self._learns_rewards or 'equal rewards' in self._warned
        or rewards.min() != rewards.max() or terminated.any()):
      return
    logging.warning(
        'All steps so far paid the same reward, and none ended an episode, so that no policy can be '
        'told from another. Longer episodes (environment.time_limit) or more random data '
        '(collect.random_env_steps) may find what pays. '
        'Received: environment=%r, reward=%r in %d steps', self._driver.spec.name,
        float(rewards[0]), len(rewards))
    self._warned.add('equal rewards')

  def _compared(self, episodes):
    """Returns metrics of how the task's functions fit real episodes, and warns where they do
    not."""
    if not episodes:  # nothing was collected
      return {}
    compared = agreement.compare(self._driver.spec, episodes)
    self._warn_of_disagreement(compared)
    return summaries.of_functions(compared)

  def _warn_of_disagreement(self, compared):
    """Says that a function with which is imagined is not what the simulator does."""
    for each in compared:
      if each.agrees or each.function in self._warned:
        continue
      logging.warning(
          'The %s of this task is not what its simulator does, and imagination believes it: %s. '
          '`python -m launchers.check` with the same config compares the two entry by entry. '
          'Received: environment=%r, %s', each.function, each.totals(), self._driver.spec.name,
          each.received())
      self._warned.add(each.function)
