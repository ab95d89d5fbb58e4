"""Puts the parts of MB-MPO together."""

import tensorflow as tf

from mbrl_tf.algorithms.ensembles import ensemble_fit, exported_model, open_loop, outcome_fit
from mbrl_tf.algorithms.ensembles import outcomes
from mbrl_tf.algorithms.ensembles import parts as parts_lib
from mbrl_tf.algorithms.mbmpo import imagination, iteration, meta_learner
from mbrl_tf.algorithms.mbmpo import policy as policy_lib
from mbrl_tf.algorithms.mbmpo import predictor
from mbrl_tf.drivers import policies as driver_policies
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.models import policies
from mbrl_tf.ops import seeds


class Parts(tf.Module):
  """Everything that a checkpoint holds: models, optimizers, random generators, counters."""

  def __init__(self, config, spec, seed, strategy=None):
    """Makes all variables.

    Args:
      config: `MBMPOConfig`.
      spec: `types.EnvironmentSpec`.
      seed: an integer.
      strategy: the `tf.distribute.Strategy` that learns; None for one device. What is drawn or counted is not shared by it.
    """
    super().__init__(name='mbmpo')
    members, observations = config.ensemble.members, observations_lib.Observations(spec.observation)
    self.env_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name='env_steps')
    self.iteration = tf.Variable(0, trainable=False, dtype=tf.int64, name='iteration')
    self.generator = tf.random.Generator.from_seed(seed)
    first_seeds = [seeds.next_seed(self.generator) for _ in range(2)]
    with (strategy or tf.distribute.get_strategy()).scope():
      self.ensemble = parts_lib.make_ensemble(config, spec, first_seeds[0])
      self.policy = _make_policy(
          config.policy, spec, first_seeds[1], self.ensemble.observation_normalizer)
      self.reward_heads, self.termination_heads = parts_lib.make_heads(
          config, spec, self.ensemble, self.generator)
      self.outcomes = outcomes.Outcomes(spec, self.ensemble, self.reward_heads, self.termination_heads)
      self.imagination = imagination.Imagination(self.ensemble, self.policy, spec, config.imagination, self.outcomes)
      self.fit = ensemble_fit.EnsembleFit(self.ensemble, config.ensemble, config.collect.capacity)
      self.outcome_fit = outcome_fit.OutcomeFit(
          self.reward_heads, self.termination_heads, config.ensemble, config.collect.capacity)
      self.meta_learner = meta_learner.MetaLearner(self.policy, self.imagination, members, config.meta)
    self.random_policy = driver_policies.UniformRandomPolicy(
        spec, seeds.next_integer(self.generator),
        config.collect.random_action_holds or (config.collect.random_action_hold,))
    self.adapted = policy_lib.AdaptedPolicies(
        self.policy, spec, members, seeds.next_integer(self.generator))
    self.meta_policy = policy_lib.MetaPolicy(self.policy, spec)
    self.open_loop = open_loop.OpenLoop(
        self.ensemble, observations.joined, self.imagination.clipped, self.outcomes, members,
        config.imagination.horizon)
    self.predictor = predictor.Predictor(
        self.ensemble, observations, spec.action, self.imagination, self.outcomes, self.adapted,
        config.imagination)
    self.exported_model = exported_model.ExportedModel(self.ensemble, self.outcomes, spec)


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm; arguments and result as for `catalog.build`.

  Raises:
    UserError: where the task has a function that cannot be imagined with, or observes images.
  """
  view = parts_lib.transition_view(spec, store, config.collect.capacity, 'MB-MPO')
  return iteration.MBMPO(Parts(config, spec, seed, strategy), config, driver, store, view)


def _make_policy(config, spec, seed, normalizer):
  size = normalizer.size
  normalizer = normalizer if config.normalize_observations else None
  return policies.ParametricPolicy(
      size, spec.action, config.hidden_sizes, seed, config.initial_std, config.min_std, normalizer,
      config.output_scale)
