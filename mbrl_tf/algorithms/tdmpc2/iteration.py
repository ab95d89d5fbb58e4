"""TD-MPC2 on one screen (Hansen et al. 2023, arXiv:2310.16828)."""

import math

from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms import clock as clocks
from mbrl_tf.algorithms.tdmpc2 import summaries
from mbrl_tf.data import sequences as sequences_lib
from mbrl_tf.ops import replicas, seeds, step_metrics


class TDMPC2(base.BuiltOfParts):
  """The algorithm with everything it owns; `build.py` puts the parts together."""

  def __init__(self, parts, config, driver, store, sequences):
    """Only keeps its arguments: `parts` is a `build.Parts`; driver, store and sequences are handed
    in from outside."""
    super().__init__(parts)
    self._config = config
    self._driver, self._store, self._sequences = driver, store, sequences

  def iterations(self):
    """Trains for ever; yields a `types.Report` after each iteration."""
    parts, clock = self.state, clocks.PhaseClock()
    while self._explores_at_random():
      collected = self._collect(parts.random_policy, self._random_env_steps(), clock)
      yield types.Report({**collected.metrics, **clock.read()})
    while True:
      parts.learner.curiosity.assign(self._curiosity())
      with clock('learn'):
        due = self._due()
        told = [parts.learner.compiled_step(batch, seeds.next_seed(parts.generator))
                for batch in clock.counted('learn', self._batches(due), due)]
        learned = step_metrics.of_steps(told)  # raises where it is lost
      parts.updates.assign_add(len(told))
      collected = self._collect(
          self._collecting_policy(), self._config.collect.env_steps_per_iteration, clock)
      with clock('summaries'):
        # The newest episodes, which the model has not learned from yet.
        held_out = parts.open_loop.errors(collected.episodes)
      metrics = {**collected.metrics, **learned, **held_out, 'learn/updates': float(parts.updates),
                 'collect/poor_episodes': float(parts.survey.poor_episodes)}
      yield types.Report({**metrics, **clock.read()}, summaries.histograms(parts))

  def _explores_at_random(self):
    """Whether random actions go on."""
    settings = self._config.collect
    return self.state.survey.asks_for_random_actions(
        self.env_steps, settings.random_env_steps, settings.random_env_steps_max)

  def _curiosity(self):
    """What novelty is worth now, in units of the reward."""
    parts = self.state
    if not parts.survey.rewards_are_rare:
      return 0.0
    found = parts.survey.largest_difference / float(parts.world_model.reward_unit.value)
    return self._config.collect.curiosity * (found or 1.0)

  def _collecting_policy(self):
    """The policy that collects next."""
    parts = self.state
    parts.iterations.assign_add(1)
    at_random = parts.survey.asks_for_a_random_iteration(int(parts.iterations))
    return parts.random_policy if at_random else parts.exploring_policy

  def _random_env_steps(self):
    """How many come next: what is missing, then as many as in any iteration."""
    missing = self._config.collect.random_env_steps - self.env_steps
    return missing if missing > 0 else self._config.collect.env_steps_per_iteration

  def _batches(self, count):
    """Random sequences of real data for so many updates, drawn while the update before is
    computed."""
    parts, replay, driver = self.state, self._config.replay, self._driver
    seed = seeds.of_host(seeds.next_integer(parts.generator), driver.host)
    length = parts.world_model.frames - 1 + replay.horizon + 1
    paid = sequences_lib.paid_while_rare(parts.survey, replay.paid_share)
    batches = self._sequences.batches(count, replay.batch_size // driver.hosts, length, seed, paid)
    return (replicas.share(parts.learner.strategy, batch) for batch in batches)

  def _due(self):
    """How many updates come now.

    Where random actions went on for longer than at first, what they brought is caught up over some
    iterations, in which the policy collects as well: nobody waits long for it.
    """
    parts, collect, environment = self.state, self._config.collect, self._config.environment
    at_once = self._updates_for(
        math.ceil(collect.random_env_steps / environment.env_steps_per_decision))
    missing = self._updates_for(int(parts.decisions)) - int(parts.updates)
    waiting = missing if int(parts.updates) == 0 else int(parts.waiting_updates)
    parts.waiting_updates.assign(max(waiting - at_once, 0))
    return max(missing - int(parts.waiting_updates), 0)

  def _updates_for(self, decisions):
    return math.floor(self._config.learner.updates_per_decision * decisions)

  def _collect(self, policy, env_steps, clock):
    """Collects real episodes, which the driver stores as they end, and counts what they say, on all
    hosts."""
    parts = self.state
    with clock('collect'):
      collected = self._driver.together(self._driver.collect(policy, env_steps))
    parts.env_steps.assign_add(collected.env_steps)
    parts.decisions.assign_add(collected.decisions)
    is_random = policy is parts.random_policy
    # Units follow the first data freely: nothing was learned in them yet.
    first = int(parts.updates) == 0
    parts.survey.update(
        self._store, is_random, lambda episode: parts.world_model.survey(episode, first))
    if first:
      parts.find_discount()
    return collected
