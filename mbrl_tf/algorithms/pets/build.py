"""Puts the parts of PETS together."""

import tensorflow as tf

from mbrl_tf.algorithms.ensembles import ensemble_fit, exported_model, open_loop, outcome_fit
from mbrl_tf.algorithms.ensembles import outcomes
from mbrl_tf.algorithms.ensembles import parts as parts_lib
from mbrl_tf.algorithms.pets import iteration, planner, policy, predictor
from mbrl_tf.drivers import policies as driver_policies
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions, seeds


class Parts(tf.Module):
  """All that influences the future of a run, besides the episodes: what a checkpoint holds.

  Attributes:
    env_steps, iteration: so far, variables.
    generator: the run's random generator.
    ensemble, reward_heads, termination_heads: the models; None where the task's own function is
      used.
    outcomes: reward and termination, learned or the task's.
    fit, outcome_fit: their optimizers.
    planner: the search.
    random_policy, planning_policy, policy: for the first data, to collect, to evaluate.
    open_loop, predictor: the ensemble against real episodes, in each iteration and when asked.
    exported_model: the ensemble as it is exported.
  """

  def __init__(self, config, spec, seed, strategy=None):
    """Makes all variables.

    Args:
      config: `PETSConfig`.
      spec: `types.EnvironmentSpec`.
      seed: an integer.
      strategy: the `tf.distribute.Strategy` that learns; None for one device. What is drawn or
        counted is not shared by it.

    Raises:
      UserError: angles that the observation has not.
    """
    super().__init__(name='pets')
    counter = lambda name: tf.Variable(0, trainable=False, dtype=tf.int64, name=name)
    self.env_steps, self.iteration = counter('env_steps'), counter('iteration')
    self.generator = tf.random.Generator.from_seed(seed)
    first_seed, capacity = seeds.next_seed(self.generator), config.collect.capacity
    with (strategy or tf.distribute.get_strategy()).scope():
      self.ensemble = parts_lib.make_ensemble(config, spec, first_seed)
      self.reward_heads, self.termination_heads = parts_lib.make_heads(
          config, spec, self.ensemble, self.generator)
      self.outcomes = outcomes.Outcomes(
          spec, self.ensemble, self.reward_heads, self.termination_heads)
      self.fit = ensemble_fit.EnsembleFit(self.ensemble, config.ensemble, capacity)
      self.outcome_fit = outcome_fit.OutcomeFit(
          self.reward_heads, self.termination_heads, config.ensemble, capacity)
    self.planner = planner.Planner(self.ensemble, self.outcomes, spec, config.planner)
    next_integer = lambda: seeds.next_integer(self.generator)
    self.random_policy = driver_policies.UniformRandomPolicy(
        spec, next_integer(), config.collect.random_holds)
    self.planning_policy = policy.PETSPolicy(
        self.planner, spec, tf.random.Generator.from_seed(next_integer()))
    self.policy = policy.PETSPolicy(self.planner, spec)
    observations = observations_lib.Observations(spec.observation)
    self.open_loop = open_loop.OpenLoop(
        self.ensemble, observations.joined,
        lambda taken: actions.clipped(spec.action, taken), self.outcomes, config.ensemble.members,
        config.planner.horizon)
    self.predictor = predictor.Predictor(
        self.ensemble, observations, spec.action, self.outcomes, self.planner, config.planner)
    self.exported_model = exported_model.ExportedModel(self.ensemble, self.outcomes, spec)


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm; arguments and result as for `catalog.build`.

  Raises:
    UserError: where the task has a function that cannot be planned with, or observes images.
  """
  view = parts_lib.transition_view(spec, store, config.collect.capacity, 'PETS')
  return iteration.PETS(Parts(config, spec, seed, strategy), config, driver, store, view)
