"""PETS on one screen (Chua et al. 2018, arXiv:1805.12114)."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms import clock as clocks
from mbrl_tf.algorithms.ensembles import collecting
from mbrl_tf.algorithms.ensembles import summaries as ensemble_summaries
from mbrl_tf.algorithms.pets import summaries
from mbrl_tf.ops import seeds


class PETS(base.BuiltOfParts):
  """The algorithm with everything it owns; `build.py` puts the parts together."""

  def __init__(self, parts, config, driver, store, transitions):
    """Only keeps its arguments: `parts` is a `build.Parts`; driver, store and transitions are
    handed in from outside."""
    super().__init__(parts)
    self._config, self._transitions = config, transitions
    self._collector = collecting.Collector(
        driver, store, parts.env_steps, parts.reward_heads is not None)

  def iterations(self):
    """Trains for ever; yields a `types.Report` after each iteration."""
    parts, collect, clock = self.state, self._config.collect, clocks.PhaseClock()
    if self.env_steps == 0:
      self._collector.compare_stored()
      collected = self._collector.collect(parts.random_policy, collect.random_env_steps, clock)
      yield types.Report({**collected.metrics, **clock.read()})
    while True:
      with clock('fit'):
        fits = self._fit()
      collected = self._collector.collect(
          parts.planning_policy, collect.env_steps_per_iteration, clock)
      with clock('summaries'):
        # No member has seen the episodes just collected.
        told = {**ensemble_summaries.of_fits(fits), **parts.open_loop.errors(collected.episodes),
                **self._promised(collected.episodes)}
      parts.iteration.assign_add(1)
      yield types.Report({**collected.metrics, **told, **clock.read()},
                         ensemble_summaries.histograms(parts.ensemble))

  def _fit(self):
    """Fits the ensemble and the heads of reward and termination to all real data."""
    parts, transitions = self.state, self._transitions.transitions()
    features = parts.outcomes.features(tf.constant(transitions.action)).numpy()
    seed = seeds.next_integer(parts.generator)
    self._collector.warn_of_equal_rewards(transitions.reward, transitions.terminated)
    return {'': parts.fit.fit(transitions, features, seed),
            **parts.outcome_fit.fit(transitions, features, seed)}

  def _promised(self, episodes):
    """What plans from the newest real reset states promise, beside what the episodes brought that
    began there."""
    parts, rows = self.state, self._config.environment.num_envs
    newest = self._transitions.initial_observations(rows)
    starts = tf.constant(np.resize(newest, [rows, newest.shape[1]]))
    mean = tf.repeat(parts.planner.initial_mean()[None], rows, 0)
    plan = parts.planner(starts, mean, seeds.next_seed(parts.generator))
    return summaries.of_plans(plan, episodes, self._config.planner.horizon)
