"""Puts Dreamer together from its config."""

import tensorflow as tf

from mbrl_tf.algorithms.dreamer import exported_model, iteration, learner, networks, open_loop
from mbrl_tf.algorithms.dreamer import policy, predictor, world_model
from mbrl_tf.data import sequences as sequences_lib
from mbrl_tf.data import survey
from mbrl_tf.drivers import policies as driver_policies
from mbrl_tf.ops import returns, seeds

_MIB = 2**20


class Parts(tf.Module):
  """All that influences the future of a run, besides the episodes: what a checkpoint holds.

  Attributes:
    env_steps: simulator steps so far, a variable.
    random_env_steps: those before the first gradient step, a variable.
    gradient_steps: taken so far, a variable.
    generator: the run's random generator.
    world_model, actor, value: the models.
    learner: their optimizers.
    survey, iterations: what is known of all real episodes, and how often the policy's turn came;
      None where nothing is asked of them.
    random_policy, exploring_policy, policy: for the first data, to collect, to evaluate.
    open_loop, predictor: the model against real episodes, in each iteration and when asked.
    exported_model: the model as it is exported.
  """

  def __init__(self, config, spec, seed, strategy=None):
    """Makes all variables.

    Args:
      config: `DreamerConfig`.
      spec: `types.EnvironmentSpec`.
      seed: an integer.
      strategy: the `tf.distribute.Strategy` that learns; None for one device. What is drawn or counted is not shared by it.
    """
    super().__init__(name='dreamer')
    self.env_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name='env_steps')
    self.random_env_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name='random_env_steps')
    self.gradient_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name='gradient_steps')
    self.generator = tf.random.Generator.from_seed(seed)
    # Keras draws the first weights of its layers from global random state.
    tf.keras.utils.set_random_seed(seeds.next_integer(self.generator) % 2**32)
    with (strategy or tf.distribute.get_strategy()).scope():
      self.world_model, self.actor = _acting_models(config, spec)
      make, features_size = networks.of(config), self.world_model.features_size
      self.value = make.value(features_size)
      follows = config.behavior.slow_value_rate > 0
      slow_value = make.value(features_size, 'slow_value') if follows else None
      self.learner = learner.Learner(self.world_model, self.actor, self.value, config,
                                     _gamma(config.behavior, spec.decisions), slow_value)
    self._behavior, self._limit = config.behavior, spec.decisions
    collect = config.collect
    asked = (collect.random_env_steps_max or config.model.measured_units
             or config.replay.paid_share)
    self.survey = survey.Survey() if asked else None
    self.iterations = (
        tf.Variable(0, trainable=False, dtype=tf.int64, name='iterations') if asked else None)
    self.random_policy = driver_policies.UniformRandomPolicy(
        spec, seeds.next_integer(self.generator),
        collect.random_holds or (collect.random_action_hold,),
        collect.random_at_bounds or collect.random_actions_at_bounds)
    self.exploring_policy, self.policy = (
        policy.DreamerPolicy(self.world_model, self.actor, spec, _next_generator(self.generator), noise)
        for noise in (config.collect.exploration_noise, None))
    self.open_loop = open_loop.OpenLoop(self.world_model)
    self.predictor = predictor.Predictor(
        self.world_model, self.actor, self.open_loop, config.behavior.horizon)
    self.exported_model = exported_model.ExportedModel(self.world_model, spec)

  def find_discount(self):
    """Sets gamma by the longest of the episodes so far that were truncated, where it follows from
    their length and nobody tells how long one may be. For before anything is learned: values hold
    for one gamma.
    """
    if self.survey is not None and not self._limit:
      gamma = _gamma(self._behavior, int(self.survey.truncated_after))
      self.learner.discount.assign(gamma)


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm; arguments and result as for `catalog.build`.

  Raises:
    UserError: images that the convolutions cannot take.
  """
  view = sequences_lib.SequenceView(
      store, config.replay.capacity, config.replay.cache_mib * _MIB, spec.observation,
      sequences_lib.Newest(config.replay.newest_rows, config.replay.newest_share))
  parts = Parts(config, spec, seed, strategy)
  # No part of the checkpoint: it is set anew from the exploring policy in each iteration, and has no generator of its own.
  snapshot = policy.DreamerPolicy(*_acting_models(config, spec), spec, parts.exploring_policy.generator,
                                  config.collect.exploration_noise) if config.collect.overlap else None
  return iteration.Dreamer(parts, config, driver, store, view, snapshot)


def _acting_models(config, spec):
  """World model and actor, with their first variables."""
  model = world_model.WorldModel(spec, config)
  return model, networks.of(config).actor(model.features_size, spec.action)


def _gamma(behavior, decisions):
  """gamma, for episodes of so many decisions; 0 for no limit."""
  if not behavior.discount_episodes:
    return behavior.discount
  return returns.discount(
      decisions, behavior.discount_episodes, behavior.discount_min, behavior.discount_max)


def _next_generator(generator):
  return tf.random.Generator.from_seed(seeds.next_integer(generator))
