"""MB-MPO on one screen (Clavera et al. 2018, arXiv:1809.05214)."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms import base
from mbrl_tf.algorithms import clock as clocks
from mbrl_tf.algorithms.ensembles import collecting
from mbrl_tf.algorithms.ensembles import summaries as ensemble_summaries
from mbrl_tf.algorithms.mbmpo import summaries
from mbrl_tf.ops import seeds


class MBMPO(base.BuiltOfParts):
  """The algorithm with everything it owns; `build.py` puts the parts together."""

  def __init__(self, parts, config, driver, store, transitions):
    """Only keeps its arguments: `parts` is a `build.Parts`, driver, store and transitions are handed in from outside."""
    super().__init__(parts)
    self._config = config
    self._transitions = transitions
    self._collector = collecting.Collector(
        driver, store, parts.env_steps, parts.reward_heads is not None)

  def iterations(self):
    """Trains for ever; yields a `types.Report` after each iteration."""
    parts, clock = self.state, clocks.PhaseClock()
    if self.env_steps == 0:
      self._collector.compare_stored()
      collected = self._collector.collect(
          parts.random_policy, self._config.collect.random_env_steps, clock)
      yield types.Report({**collected.metrics, **clock.read()})
    while True:
      with clock('fit'):
        fits = self._fit()
      count = self._config.meta.updates_per_iteration
      with clock('meta_update'):
        updates = [parts.meta_learner.compiled_meta_update(self._starts(2), seeds.next_seed(self.state.generator))
                   for _ in clock.counted('meta_update', range(count), count)]
        learned = summaries.of_updates(updates)  # before the policy collects: raises where it is lost
      with clock('adapt'):
        learned['meta/adapt_skipped_share'] = self._adapt()
      collected = self._collector.collect(parts.adapted, self._wanted_env_steps(), clock)
      with clock('summaries'):
        # No member has seen the episodes just collected.
        told = {**ensemble_summaries.of_fits(fits), **learned, **parts.open_loop.errors(collected.episodes)}
      parts.iteration.assign_add(1)
      yield types.Report({**collected.metrics, **told, **clock.read()}, summaries.histograms(parts))

  def _fit(self):
    """Fits the ensemble, with it the normalizer that a policy may share, and the heads to all real data."""
    parts, normalizer = self.state, self.state.policy.normalizer
    before = normalizer and (tf.convert_to_tensor(normalizer.mean), normalizer.std)
    transitions, features, seed = (
        self._transitions.transitions(), self._action_features(), seeds.next_integer(parts.generator))
    self._collector.warn_of_equal_rewards(transitions.reward, transitions.terminated)
    fits = {'': parts.fit.fit(transitions, features, seed), **parts.outcome_fit.fit(transitions, features, seed)}
    if before and parts.iteration > 0:  # before, it has learned nothing
      parts.policy.keep_function(*before)
    return fits

  def _adapt(self):
    """Sets the policies that collect: adapted to each member on fresh rollouts, or all the meta-policy.

    Returns the share of members whose adaptation is not finite; for these the meta-policy collects as it is. Raises a
    FloatingPointError where that are all.
    """
    if not self._config.collect.adapted:
      self.state.adapted.assign_meta_policy()
      return 0.0
    adapted = self.state.meta_learner.compiled_adapt(self._starts(1)[0], seeds.next_seed(self.state.generator))
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(tf.reshape(p, [len(p), -1])), 1) for p in adapted], 0)
    if not tf.reduce_any(finite):
      raise FloatingPointError(
          'adapt/policy is not finite for any member, so none of them can collect; a lower meta.inner_lr may help. '
          f'Received: meta.inner_lr={self._config.meta.inner_lr}, members={len(finite)}')
    chosen = lambda own, shared: tf.where(tf.reshape(finite, [-1] + [1] * len(shared.shape)), own, shared)
    self.state.adapted.assign([chosen(own, shared) for own, shared in zip(adapted, self.state.policy.parameters)], finite.numpy())
    return 1 - float(tf.reduce_mean(tf.cast(finite, tf.float32)))

  def _wanted_env_steps(self):
    """How many env steps the next iteration collects, before they are rounded up to whole episodes."""
    settings = self._config.collect
    return max(settings.env_steps_per_iteration, round(settings.growth * self.env_steps))

  def _starts(self, count):
    """Real states from which rollouts start, `[count, K, B, O]`."""
    imagination, view = self._config.imagination, self._transitions
    rng = np.random.default_rng(seeds.next_integer(self.state.generator))
    draw = lambda pool, rollouts: pool[rng.integers(len(pool), size=[count, self._config.ensemble.members, rollouts])]
    anywhere = round(imagination.buffer_starts * imagination.rollouts_per_task)
    starts = draw(view.initial_observations(), imagination.rollouts_per_task - anywhere)
    if anywhere:
      starts = np.concatenate([starts, draw(view.transitions().observation, anywhere)], 2)
    return tf.constant(starts)

  def _action_features(self):
    actions = tf.constant(self._transitions.transitions().action)
    return self.state.imagination.action_features(actions).numpy()

  def evaluation_policy(self):
    """The meta-policy, acting with its mode."""
    return self.state.meta_policy
