"""Dreamer on one screen (Hafner et al. 2019, arXiv:1912.01603, algorithm 1)."""

import contextlib

from absl import logging

from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms import clock as clocks
from mbrl_tf.algorithms.dreamer import overlap, summaries
from mbrl_tf.data import episodes as stored_episodes
from mbrl_tf.data import sequences as sequences_lib
from mbrl_tf.ops import replicas, seeds, step_metrics


class Dreamer(base.BuiltOfParts):
  """The algorithm with everything it owns; `build.py` puts the parts together."""

  def __init__(self, parts, config, driver, store, sequences, snapshot=None):
    """Only keeps its arguments: `parts` is a `build.Parts`; driver, store and sequences are handed
    in from outside.

    With `snapshot`, a policy that can be set to the exploring one, the collection of an iteration runs beside its gradient steps.
    """
    super().__init__(parts)
    self._config = config
    self._driver, self._store, self._sequences, self._snapshot = driver, store, sequences, snapshot
    self._warned = False

  def iterations(self):
    """Trains for ever; yields a `types.Report` after each iteration."""
    parts, clock = self.state, clocks.PhaseClock()
    if self.env_steps == 0:
      for _, episode in stored_episodes.readable(self._store, 0, images=False):
        self._look_at([episode], episode.reward.min(), episode.reward.max())
    while self._explores_at_random():
      collected = self._counted(
          self._collect(parts.random_policy, self._random_env_steps(), clock), is_random=True)
      parts.random_env_steps.assign(self.env_steps)
      yield types.Report({**collected.metrics, **clock.read()})
    while True:
      due = self._gradient_steps_due()
      batches = self._batches(due)  # of the data so far, whatever is collected meanwhile
      policy = self._collecting_policy()
      with self._collection(policy, clock) as collection:
        with clock('learn'):
          # World model, actor and value model step together, each by the gradient at what all three were before.
          told = [parts.learner.compiled_step(batch, seeds.next_seed(parts.generator))
                  for batch in clock.counted('learn', batches, due)]
          learned = step_metrics.of_steps(told)  # raises where it is lost
        parts.gradient_steps.assign_add(len(told))
        collected = self._counted(collection(), policy is parts.random_policy)
      with clock('summaries'):
        # The newest episodes, which the model has not learned from yet.
        held_out = parts.open_loop.errors(collected.episodes)
      metrics = {**collected.metrics, **learned, **held_out, 'learn/gradient_steps': float(parts.gradient_steps)}
      yield types.Report({**metrics, **clock.read()}, summaries.histograms(parts), parts.open_loop.videos(collected.episodes))

  def _explores_at_random(self):
    """Whether random actions go on before anything is learned."""
    settings = self._config.collect
    if not settings.random_env_steps_max:
      return self.env_steps == 0
    return self.state.survey.asks_for_random_actions(
        self.env_steps, settings.random_env_steps, settings.random_env_steps_max)

  def _random_env_steps(self):
    """How many come next: at first all, then as many as in any iteration."""
    settings = self._config.collect
    return settings.env_steps_per_iteration if self.env_steps else settings.random_env_steps

  def _gradient_steps_due(self):
    """So many that the ratio of training to acting is the config's, however many env steps a collection took."""
    parts, settings = self.state, self._config.learner
    collected = self.env_steps - int(parts.random_env_steps)
    due = int(collected / self._config.env_steps_per_gradient_step)
    return settings.first_gradient_steps + due - int(parts.gradient_steps)

  def _batches(self, count):
    """Random sequences of real data, drawn while the step before is computed."""
    replay, driver, strategy = self._config.replay, self._driver, self.state.learner.strategy
    seed = seeds.of_host(seeds.next_integer(self.state.generator), driver.host)
    known = self.state.survey
    paid = sequences_lib.paid_while_rare(known, replay.paid_share) if known else None
    batches = self._sequences.batches(
        count, replay.batch_size // driver.hosts, replay.batch_length, seed, paid)
    return (replicas.share(strategy, batch) for batch in batches)

  def _collecting_policy(self):
    """The policy that collects next."""
    parts = self.state
    if not self._config.collect.random_env_steps_max:
      return parts.exploring_policy
    parts.iterations.assign_add(1)
    at_random = parts.survey.asks_for_a_random_iteration(int(parts.iterations))
    return parts.random_policy if at_random else parts.exploring_policy

  def _collection(self, policy, clock):
    """A context whose value collects with a policy when it is called: as it is at that moment, or
    with a snapshot as it is now."""
    env_steps = self._config.collect.env_steps_per_iteration
    if self._snapshot is None:
      return contextlib.nullcontext(lambda: self._collect(policy, env_steps, clock))
    if policy is self.state.exploring_policy:
      self._snapshot.assign(policy)
      policy = self._snapshot
    return overlap.beside(lambda check: self._collect(policy, env_steps, clock, check))

  def _collect(self, policy, env_steps, clock, on_step=None):
    """Collects real episodes, which the driver stores as they end."""
    with clock('collect'):
      return self._driver.collect(policy, env_steps, on_step=on_step)

  def _counted(self, collected, is_random):
    """Counts what was collected, on all hosts, and returns it."""
    parts = self.state
    collected = self._driver.together(collected)
    self.state.env_steps.assign_add(collected.env_steps)
    if collected.metrics:  # nothing was collected where there are none
      told = (collected.metrics[f'collect/reward_{end}'] for end in ('min', 'max'))
      self._look_at(collected.episodes, *told)
    if parts.survey is None:
      return collected
    # Units follow the first data freely: nothing was learned in them yet.
    first = int(parts.gradient_steps) == 0
    parts.survey.update(
        self._store, is_random, lambda episode: parts.world_model.units.survey(episode, first))
    if first:
      parts.find_discount()
    poor = {'collect/poor_episodes': float(parts.survey.poor_episodes)}
    return collected._replace(metrics={**collected.metrics, **poor})

  def _look_at(self, episodes, least, largest):
    """Takes new episodes, and the least and the largest reward in them, into account."""
    self.state.learner.widen_reward_range(least, largest)
    self._warn_of_terminations(episodes)

  def _warn_of_terminations(self, episodes):
    """Says once in a process that real episodes terminate where no imagined one does."""
    if self._warned or self._config.model.continuation or not any(episode.terminated.any() for episode in episodes):
      return
    logging.warning(
        'Real episodes of this task terminate, but imagined ones never do: values count rewards beyond an end that is not '
        'foreseen. --config.model.continuation=True learns when episodes end. Received: config.model.continuation=False')
    self._warned = True
