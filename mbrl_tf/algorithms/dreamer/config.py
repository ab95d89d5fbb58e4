"""The settings of Dreamer: what each one means, in what unit, and where the default comes from.

Defaults are those of the authors' code for DM Control from pixels (Hafner et al. 2019,
arXiv:1912.01603, and their TensorFlow 2 code), but for float16, and for `environment.observation`,
which is `vectors` in all algorithms. Beware: from vectors little is learned with these defaults,
whose 3 free nats are for thousands of pixels. Fields that the authors' code does not have say so.
configs/dreamer/vectors.py and pixels.py put in the pieces of a later recipe, DreamerV3's (Hafner et
al. 2023, arXiv:2301.04104, and its authors' code of 2024) as far as it fits so few gradient steps:
fields whose default leaves it out.
"""

import dataclasses
from typing import Tuple

from mbrl_tf.algorithms import base

NETWORKS = ('published', 'normed')
GRADIENTS = ('dynamics', 'reinforce', 'auto')
PRECISIONS = {'float32': 'float32', 'bfloat16': 'mixed_bfloat16', 'float16': 'mixed_float16'}


@dataclasses.dataclass
class CollectConfig:
  """Real data.

  Attributes:
    random_env_steps: env steps of uniformly random actions before anything is learned.
    random_action_hold: decisions for which such an action is held, on average; 1 as published.
    random_actions_at_bounds: draw each number of such a continuous action from its two bounds instead of from between them; not
      published.
    random_env_steps_max: while all rewards so far are equal, random actions go on up to so many env
      steps: there is nothing to learn of any action before. Where rewards are rare, every other
      iteration goes on with them. 0 for neither, as published.
    random_holds: as `random_action_hold`, of which each random episode draws one: no single hold
      finds rewards in all tasks. Not published; empty for `random_action_hold`.
    random_at_bounds: share of the random episodes that draw each number of an action from its two
      bounds alone. Not published: 0.
    env_steps_per_iteration: env steps collected in each iteration, in whole episodes.
    exploration_noise: deviation of the noise on an action's numbers; probability of a random value
      of each choice.
    overlap: collect beside the gradient steps of the same iteration, with the policy from before them (not published). Worth it
      where the simulators leave a device idle; README.md, *Overlap*.
  """
  random_env_steps: int = 5000
  random_action_hold: float = 1.0
  random_actions_at_bounds: bool = False
  random_env_steps_max: int = 0
  random_holds: Tuple[int, ...] = ()
  random_at_bounds: float = 0.0
  env_steps_per_iteration: int = 1000
  exploration_noise: float = 0.3
  overlap: bool = False


@dataclasses.dataclass
class ReplayConfig:
  """What is learned from.

  Attributes:
    batch_size: B, sequences in a gradient step.
    batch_length: T, decisions in a sequence.
    capacity: how many of the newest decisions are drawn from; 0 for all.
    newest_share: of the sequences of a batch, how many begin among the newest rows; the others
      begin anywhere. Not published: 0. Later code of DreamerV3's authors learns from each new
      sequence at once.
    newest_rows: how many rows that are.
    paid_share: of the sequences of a batch, how many begin in an episode that brought a reward,
      while rewards are rare (not published: 0).
    cache_mib: memory for episodes that were read, in MiB; the least recently used are dropped beyond it.
  """
  batch_size: int = 50
  batch_length: int = 50
  capacity: int = 0
  newest_share: float = 0.0
  newest_rows: int = 2000
  paid_share: float = 0.0
  cache_mib: int = 2048


@dataclasses.dataclass
class ModelConfig:
  """The world model.

  Attributes:
    networks: `published`; or `normed` (arXiv:2301.04104): layers with normalisation and SiLU, a
      normalised GRU, a stochastic state of choices (arXiv:2010.02193), rewards and values in bins,
      whose last layers begin at 0, and an actor whose means and deviations are bounded.
      Convolutions are the same in both.
    deterministic: D, size of the GRU.
    stochastic: S, size of the Gaussian state; with `normed` networks the number of choices of the
      state.
    classes: of each of these choices.
    uniform_share: of the probability of each choice, of the state's and of actions, that is the
      same for all classes (`normed` alone).
    bins: for rewards and values, at equal distances in symlog space (`normed` alone; DreamerV3:
      255).
    bin_limit: symlog of the largest reward or value that can be told (DreamerV3: 20, where rewards
      have any unit).
    hidden: width of the RSSM's dense layers.
    image_depth: channels of the first convolution.
    vector_layers: hidden layers of encoder and decoder of vectors (the authors' code has images only).
    vector_units: their width.
    vector_symlog: compress vectors by symlog before encoding and as the decoder's target (not published).
    measured_units: read and predict vectors in units of their own deviations, and rewards in a
      power of ten, both found in the data, so that nothing depends on the units of a task. Not
      published. `behavior.reward_margin` needs the task's own units.
    reward_layers: hidden layers of the reward head.
    continuation: predict whether an episode goes on; without it, every imagined trajectory does.
    continuation_layers: hidden layers of that head.
    units: width of both heads.
    image_scale, vector_scale, reward_scale, continuation_scale: weights of the log-likelihoods in the loss; 1, not there,
      1, and 10 as published.
    kl_scale: weight of the KL from prior to posterior.
    kl_prior_weight: how many times as much the KL moves the prior as the posterior; 1 as published. More is KL balancing
      (arXiv:2010.02193, section 2.1): the prior becomes accurate while the posterior keeps what it sees.
    free_nats: the mean KL below which it is not reduced further.
    free_nats_each: they are on the KL of each state, not on the mean (arXiv:2301.04104, eq. 5), and
      `kl_prior_weight` times `kl_scale` is the weight of the term whose gradient goes into the
      prior.
    learning_rate: of Adam.
  """
  networks: str = 'published'
  deterministic: int = 200
  stochastic: int = 30
  classes: int = 16
  uniform_share: float = 0.01
  bins: int = 63
  bin_limit: float = 10.0
  hidden: int = 200
  image_depth: int = 32
  vector_layers: int = 3
  vector_units: int = 400
  vector_symlog: bool = False
  measured_units: bool = False
  reward_layers: int = 2
  continuation: bool = False
  continuation_layers: int = 3
  units: int = 400
  image_scale: float = 1.0
  vector_scale: float = 1.0
  reward_scale: float = 1.0
  continuation_scale: float = 10.0
  kl_scale: float = 1.0
  kl_prior_weight: float = 1.0
  free_nats: float = 3.0
  free_nats_each: bool = False
  learning_rate: float = 6e-4


@dataclasses.dataclass
class BehaviorConfig:
  """Actor and value model, learned in imagination.

  Attributes:
    actor_layers, value_layers: hidden layers.
    units: their width.
    initial_std: deviation of the first actions before the tanh, where they are continuous. With the published 5, most of
      them are near their bounds.
    mean_scale: the mean of continuous actions before the tanh stays within +- this. With the published 5 a mean can go where the
      tanh is flat to 2e-4, and stay there.
    least_std: the least deviation of a number of an action, with `normed` networks; the largest is
      1.
    gradient: `dynamics`, as published: the actor's gradient comes back from returns through the
      model, straight-through where actions are choices. `reinforce`: it is that of the probability
      of actions that brought more than expected (arXiv:2010.02193, eq. 6). `auto`: through the
      dynamics where all actions are numbers.
    horizon: H, imagined steps from each start.
    start_states: so many of the states inferred from a batch are started from, drawn at random for each gradient step, from each
      sequence as many; 0 for all, as published.
    discount: gamma, for one decision.
    discount_episodes: gamma is 1 - discount_episodes / (decisions of an episode) instead, between
      `discount_min` and `discount_max`, which it is where episodes have no limit (arXiv:2310.16828,
      appendix H). Where nobody tells a limit, the longest of the first random episodes that was
      truncated does. 0 for `discount`, as published.
    discount_min, discount_max: see there.
    lambda_: of the lambda-returns.
    reward_margin: imagined rewards are cut off beyond the range of the real ones (and 0), widened on both sides by this many times
      its width; imagined values beyond what such rewards add up to for ever. No return of a trajectory that left what the model
      knows can then carry actor and value away. 0, as published, cuts nothing off. While all real rewards are 0, imagined ones are
      cut off to 0, and nothing but its entropy moves the actor: where rewards are rare, random data need some.
    normalize_returns: the actor's loss measures returns in units of their own deviation, a running average over gradient steps
      that counts as 1 where it is less (after arXiv:2301.04104, section 2.3, which takes percentiles). An entropy is then worth as
      much early as late, and from task to task. Not published.
    return_percentiles: that unit is the range from the 5th to the 95th percentile of returns, as in
      arXiv:2301.04104, in which few large returns count little.
    entropy_scale: what a nat of the actor's entropy is worth beside the return (arXiv:2010.02193, section 2.2); 0 as published.
      Where all actions are at their bounds, no gradient of the return reaches the actor.
    slow_value_rate: share of the way that a second value model goes towards the first in each
      gradient step. The first is also learned from what the second says, so that it does not run
      after its own errors (arXiv:2301.04104; 0.02 there). 0 for none, as published.
    slow_value_scale: what this counts beside the imagined returns.
    replay_value_scale: what the returns of real sequences count in the value's loss beside the
      imagined ones (later code of DreamerV3's authors: 0.3). 0 for nothing, as published.
    actor_learning_rate, value_learning_rate: of Adam.
  """
  actor_layers: int = 4
  value_layers: int = 3
  units: int = 400
  initial_std: float = 5.0
  mean_scale: float = 5.0
  least_std: float = 0.1
  gradient: str = 'dynamics'
  horizon: int = 15
  start_states: int = 0
  discount: float = 0.99
  discount_episodes: float = 0.0
  discount_min: float = 0.95
  discount_max: float = 0.995
  lambda_: float = 0.95
  reward_margin: float = 0.0
  normalize_returns: bool = False
  return_percentiles: bool = False
  entropy_scale: float = 0.0
  slow_value_rate: float = 0.0
  slow_value_scale: float = 1.0
  replay_value_scale: float = 0.0
  actor_learning_rate: float = 8e-5
  value_learning_rate: float = 8e-5


@dataclasses.dataclass
class LearnerConfig:
  """How much is learned, and how it is computed.

  Attributes:
    env_steps_per_gradient_step: how much is collected, after the random data, for each gradient step of the three
      optimizers; 10 as published. What is due is taken before each collection, or beside it with `collect.overlap`.
    decisions_per_gradient_step: as `env_steps_per_gradient_step`, counted in decisions, which is
      the same whatever an action's repeat is. 0 for env steps.
    first_gradient_steps: before the first collection with the policy, or beside it.
    gradient_clip: global norm to which each of the three gradients is clipped.
    adaptive_clip: the gradient of each variable is clipped to so many times the variable's own norm
      instead (Brock et al. 2021, arXiv:2102.06171; DreamerV3: 0.3). 0 for the global norm, as
      published.
    warm_up_steps: gradient steps over which learning rates rise to their value (DreamerV3: 1,000);
      0 for none, as published.
    precision: of all layers but the heads' last: `float32`, `bfloat16`, or `float16` (with dynamic loss scaling, of which `loss_scale` is
      reported for each model). Variables, states, and losses are float32.
  """
  env_steps_per_gradient_step: float = 10.0
  decisions_per_gradient_step: float = 0.0
  first_gradient_steps: int = 100
  gradient_clip: float = 100.0
  adaptive_clip: float = 0.0
  warm_up_steps: int = 0
  precision: str = 'float32'


@dataclasses.dataclass
class DreamerConfig:
  """Everything that a run of Dreamer is made of."""
  algorithm: str = 'dreamer'
  environment: base.EnvironmentConfig = dataclasses.field(default_factory=lambda: base.EnvironmentConfig(action_repeat=2))
  run: base.RunConfig = dataclasses.field(default_factory=base.RunConfig)
  collect: CollectConfig = dataclasses.field(default_factory=CollectConfig)
  replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  behavior: BehaviorConfig = dataclasses.field(default_factory=BehaviorConfig)
  learner: LearnerConfig = dataclasses.field(default_factory=LearnerConfig)

  @property
  def shared_rows(self):
    """What several devices share evenly."""
    return self.replay.batch_size

  @property
  def env_steps_per_gradient_step(self):
    """In env steps, however the config counts them."""
    decisions = self.learner.decisions_per_gradient_step
    if not decisions:
      return self.learner.env_steps_per_gradient_step
    return decisions * self.environment.env_steps_per_decision

  def validate(self):
    """Raises `UserError` at the first value that cannot be used."""
    base.validate_common(self)
    base.require_positive(self, {
        'collect': ['random_env_steps', 'env_steps_per_iteration'],
        'replay': ['batch_size', 'cache_mib', 'newest_rows'],
        'model': ['deterministic', 'stochastic', 'hidden', 'image_depth', 'vector_units', 'units',
                  'learning_rate', 'bin_limit'],
        'behavior': ['units', 'initial_std', 'mean_scale', 'least_std', 'horizon',
                     'actor_learning_rate', 'value_learning_rate'],
        'learner': ['env_steps_per_gradient_step', 'gradient_clip']})
    base.require(self, {'collect': ['random_action_hold']}, lambda value: value >= 1, 'must be 1 or more')
    base.require_at_least(self, 0, {
        'collect': ['exploration_noise', 'random_env_steps_max'], 'replay': ['capacity'],
        'learner': ['first_gradient_steps', 'decisions_per_gradient_step', 'adaptive_clip',
                    'warm_up_steps'],
        'model': ['vector_layers', 'reward_layers', 'continuation_layers', 'image_scale', 'vector_scale', 'reward_scale',
                  'continuation_scale', 'kl_scale', 'kl_prior_weight', 'free_nats'],
        'behavior': ['actor_layers', 'value_layers', 'start_states', 'reward_margin', 'entropy_scale',
                     'discount_episodes', 'slow_value_scale', 'replay_value_scale']})
    base.require_share(self, {
        'behavior': ['discount', 'lambda_', 'discount_min', 'discount_max', 'least_std',
                     'slow_value_rate'],
        'collect': ['random_at_bounds'], 'replay': ['newest_share', 'paid_share'],
        'model': ['uniform_share']})
    base.require_at_least(self, 2, {'model': ['classes']})
    base.require_at_least(self, 3, {'model': ['bins']})
    if self.behavior.reward_margin:
      base.require(self, {'behavior': ['discount']}, lambda value: value < 1, 'must be below 1 where behavior.reward_margin bounds values')
    base.require(self, {'replay': ['batch_length']}, lambda value: value >= 2, 'must be 2 or more, for one step shows no change')
    states = self.replay.batch_size * self.replay.batch_length
    base.require(self, {'behavior': ['start_states']}, lambda value: value <= states and value % self.replay.batch_size == 0,
                 f'must be a multiple of the {self.replay.batch_size} sequences of a batch, and at most its {states} states')
    base.require(self, {'learner': ['precision']}, lambda value: value in PRECISIONS, f'must be one of {sorted(PRECISIONS)}')
    self._validate_pieces()

  def _validate_pieces(self):
    """What the pieces of the later recipe ask of each other."""
    model, behavior = self.model, self.behavior
    base.require(self, {'model': ['networks']}, lambda value: value in NETWORKS,
                 f'must be one of {NETWORKS}')
    base.require(self, {'behavior': ['gradient']}, lambda value: value in GRADIENTS,
                 f'must be one of {GRADIENTS}')
    base.require(self, {'collect': ['random_holds']}, lambda value: not value or min(value) >= 1,
                 'must hold numbers of decisions, each 1 or more')
    base.require(self, {'behavior': ['discount_min']},
                 lambda value: value <= behavior.discount_max,
                 'must not be above behavior.discount_max')
    if self.collect.random_actions_at_bounds:
      base.require(self, {'collect': ['random_at_bounds']}, lambda value: not value,
                   'must be 0 where all random actions are at bounds')
    if behavior.return_percentiles:
      base.require(self, {'behavior': ['normalize_returns']}, bool,
                   'must be True where behavior.return_percentiles says by what')
    if model.networks == 'normed':
      base.require(self, {'learner': ['precision']}, lambda value: value == 'float32',
                   "must be 'float32' with normed networks")
    if model.measured_units:
      base.require(self, {'behavior': ['reward_margin']}, lambda value: not value,
                   'must be 0 with measured units')
      base.require(self, {'model': ['vector_symlog']}, lambda value: not value,
                   'must be False with measured units, which compress as well')
