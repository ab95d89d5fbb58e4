"""Puts TD-MPC2 together from its config."""

import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import exported_model, iteration, learner, open_loop
from mbrl_tf.algorithms.tdmpc2 import planner, policy, predictor, world_model
from mbrl_tf.data import sequences as sequences_lib
from mbrl_tf.data import survey
from mbrl_tf.drivers import policies as driver_policies
from mbrl_tf.models import squashed_policy
from mbrl_tf.ops import returns, seeds

_MIB = 2**20


class Parts(tf.Module):
  """All that influences the future of a run, besides the episodes: what a checkpoint holds.

  Attributes:
    env_steps, decisions, updates, iterations: so far, variables.
    waiting_updates: those for random actions that later iterations make up for, a variable.
    survey: what is known of all real episodes.
    generator: the run's random generator.
    world_model, prior: the models.
    learner: their optimizers.
    random_policy, exploring_policy, policy: for the first data, to collect, to evaluate.
    open_loop, predictor: the model against real episodes, in each iteration and when asked.
    exported_model: the model as it is exported.
  """

  def __init__(self, config, spec, seed, strategy=None):
    """Makes all variables.

    Args:
      config: `TDMPC2Config`.
      spec: `types.EnvironmentSpec`.
      seed: an integer.
      strategy: the `tf.distribute.Strategy` that learns; None for one device. What is drawn or
        counted is not shared by it.
    """
    super().__init__(name='tdmpc2')
    counter = lambda name: tf.Variable(0, trainable=False, dtype=tf.int64, name=name)
    self.env_steps, self.decisions = counter('env_steps'), counter('decisions')
    self.updates, self.iterations = counter('updates'), counter('iterations')
    self.waiting_updates = counter('waiting_updates')
    self.survey = survey.Survey()
    self.generator = tf.random.Generator.from_seed(seed)
    # Keras draws the first weights of convolutions from global random state.
    tf.keras.utils.set_random_seed(seeds.next_integer(self.generator) % 2**32)
    self._values, self._limit = config.value, spec.decisions
    with (strategy or tf.distribute.get_strategy()).scope():
      self.world_model = world_model.WorldModel(spec, config, self.generator)
      self.prior = _make_prior(config, spec, seeds.next_seed(self.generator))
      self.learner = learner.Learner(
          self.world_model, self.prior, self.survey.terminates, self._gamma(self._limit), config)
    plans = config.planner.samples > 0
    self.planner = planner.Planner(
        self.world_model, self.prior, self.learner.discount, config) if plans else None
    self.random_policy = driver_policies.UniformRandomPolicy(
        spec, seeds.next_integer(self.generator), config.collect.random_holds,
        config.collect.random_at_bounds)
    collects = None if config.planner.evaluates_only else self.planner
    next_generator = lambda: tf.random.Generator.from_seed(seeds.next_integer(self.generator))
    make = lambda planner, **keywords: policy.TDMPC2Policy(
        self.world_model, self.prior, spec, next_generator(), planner, self.survey.terminates,
        **keywords)
    self.exploring_policy = make(collects, explores=True, pink=config.collect.pink_noise)
    self.policy = make(self.planner)
    self.open_loop = open_loop.OpenLoop(self.world_model)
    self.predictor = predictor.Predictor(
        self.world_model, self.prior, self.survey.terminates, config.replay.horizon)
    self.exported_model = exported_model.ExportedModel(self.world_model, self.prior, spec)

  def find_discount(self):
    """Sets gamma by the longest of the episodes so far that were truncated, where nobody tells how
    long an episode may be. For before anything is learned: values hold for one gamma.
    """
    if not self._limit:
      self.learner.discount.assign(self._gamma(int(self.survey.truncated_after)))

  def _gamma(self, decisions):
    values = self._values
    return returns.discount(
        decisions, values.discount_episodes, values.discount_min, values.discount_max)


def build(config, spec, driver, store, seed, strategy=None):
  """Builds the algorithm; arguments and result as for `catalog.build`.

  Raises:
    UserError: images that the convolutions cannot take.
  """
  view = sequences_lib.SequenceView(
      store, config.replay.capacity, config.replay.cache_mib * _MIB, spec.observation)
  return iteration.TDMPC2(Parts(config, spec, seed, strategy), config, driver, store, view)


def _make_prior(config, spec, seed):
  """The policy prior, with its first variables."""
  settings, hidden = config.policy, [config.model.units] * config.model.layers
  return squashed_policy.SquashedPolicy(
      config.model.latent, spec.action, hidden, seed,
      (settings.log_std_min, settings.log_std_max), settings.enumerated_choices)
