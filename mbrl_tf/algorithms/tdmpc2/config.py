"""The settings of TD-MPC2: what each one means, in what unit, and where the default comes from.

"Published" is Hansen et al. 2023, arXiv:2310.16828, and its authors' code. A default that differs
says why. No setting is chosen for a task: what a task needs is found from its spec and its data.
"""

import dataclasses
import math
from typing import Tuple

from mbrl_tf.algorithms import base


@dataclasses.dataclass
class CollectConfig:
  """Real data.

  Attributes:
    random_env_steps: env steps of random actions before anything is learned (published: five
      episodes).
    random_env_steps_max: while all rewards so far are equal, random actions go on up to so many.
      What follows a termination counts as a reward of 0.
    random_at_bounds: share of the random episodes that draw each number of a continuous action from
      its two bounds alone. These meet a reward more often (40 or 60 episodes each: in
      ball_in_cup_catch 0.45 instead of 0.18 of them, finger_spin 0.93 instead of 0.43,
      pendulum_swingup, with actions held for 16 decisions, 0.17 instead of 0.03; not published: 0).
    random_holds: decisions for which a random action is held, on average; each episode draws one of
      them. No single hold serves all tasks (not published: 1).
    env_steps_per_iteration: env steps collected in each iteration, in whole episodes.
    curiosity: what the error of the model's next latent state counts beside rewards in the targets
      of values, while rewards are rare. What is usual counts nothing. A state after which nothing
      is foreseen, for good, is worth this share of the largest difference between two rewards so
      far: so one reward that was found counts more, however long an episode is (after Pathak et al.
      2017, arXiv:1705.05363; not published here: 0).
    pink_noise: the noise of the exploring policy is pink, not white (Eberhard et al. 2023, ICLR;
      not published here).
  """
  random_env_steps: int = 5000
  random_env_steps_max: int = 20_000
  random_at_bounds: float = 0.75
  random_holds: Tuple[int, ...] = (1, 2, 4, 8, 16, 32)
  env_steps_per_iteration: int = 500
  curiosity: float = 0.5
  pink_noise: bool = True


@dataclasses.dataclass
class ReplayConfig:
  """What is learned from.

  Attributes:
    batch_size: B, sequences in an update (published: 256).
    horizon: H, decisions that the model is unrolled for in learning and in planning.
    capacity: how many of the newest decisions are drawn from; 0 for all (published: a million).
    paid_share: of the sequences of an update, how many begin in an episode that brought a reward,
      while rewards are rare (not published here: 0).
    cache_mib: memory for episodes that were read, in MiB; the least recently used are dropped
      beyond it.
  """
  batch_size: int = 128
  horizon: int = 3
  capacity: int = 0
  paid_share: float = 0.25
  cache_mib: int = 2048


@dataclasses.dataclass
class ModelConfig:
  """The world model.

  Attributes:
    latent: size of the latent state, a multiple of 8 (published: 512; 128 in the smallest size).
    units: width of all hidden layers (published: 512, and 256 in the encoder; 384 in the smallest
      size).
    encoder_layers: hidden layers of the encoder of vectors.
    layers: hidden layers of dynamics, reward, termination, values and policy.
    image_channels: of each convolution.
    frame_stack: images that are seen at once, this one and those before it; 1 for vectors alone.
    image_shift: pixels by which images are shifted at random in learning, at most
      (arXiv:2107.09645).
    angles: whether the encoder reads the sine and cosine of angles that can turn on and on, in
      their place: a body that has turned once is where it was. The simulator's model of the bodies
      says which numbers of an observation that is one vector are such angles
      (`EnvironmentSpec.turning`). Published is False: numbers as any.
    bins: into which rewards and values are divided, at equal distances in symlog space.
    bin_limit: symlog of the largest reward or value that can be told, in units of the reward.
    consistency_scale, reward_scale, value_scale, termination_scale: weights of the losses.
      Termination is not published in the paper, and 1 in later code of its authors.
    rho: how much less each further step of an unroll counts.
  """
  latent: int = 256
  units: int = 256
  encoder_layers: int = 1
  layers: int = 2
  image_channels: int = 32
  frame_stack: int = 3
  image_shift: int = 3
  angles: bool = True
  bins: int = 101
  bin_limit: float = 10.0
  consistency_scale: float = 20.0
  reward_scale: float = 0.1
  value_scale: float = 0.1
  termination_scale: float = 1.0
  rho: float = 0.5


@dataclasses.dataclass
class ValueConfig:
  """What values are.

  Attributes:
    members: value models, of which each update draws two for the targets, and two for the policy
      (published: 5).
    steps: of the unroll, the first at which values are learned (published: all of the horizon). The
      first alone, at the latents of real observations, costs half as much for an update, and
      teaches more for the same time.
    policy_steps: latents of the unroll at which the policy prior is learned (published: all, one
      more than the horizon).
    returns: rewards that a target adds up before it takes the next value (published: 1), as far as
      they are of one episode.
    discount_episodes: the discount is 1 - discount_episodes / (decisions of an episode) ...
    discount_min, discount_max: ... kept within these. Where nobody tells how long an episode may
      be, it is as long as the longest of the first random ones that was truncated; the discount is
      `discount_max` where none was.
    slow_rate: share of the way that the slow value models go towards the others in an update.
  """
  members: int = 2
  steps: int = 1
  policy_steps: int = 1
  returns: int = 3
  discount_episodes: float = 5.0
  discount_min: float = 0.95
  discount_max: float = 0.995
  slow_rate: float = 0.01


@dataclasses.dataclass
class PolicyConfig:
  """The policy prior.

  Attributes:
    imagined_steps: for which the policy acts in the model before it is judged by a value: the
      gradient of these rewards flows through dynamics and reward model to its actions (Heess et al.
      2015, arXiv:1510.09142; published: 0, its action is judged at once).
    sequence_stride: the policy is learned from every so many sequences of a batch alone (published:
      1). What flows back through the model says more of each than a value alone, and takes twice as
      long.
    enumerated_choices: values of all choices of an action up to which the policy learns from what
      each of them brings, the others being as they were drawn (arXiv:1503.01494, and
      arXiv:1910.07207 for a single choice). Beyond, its gradient is straight-through: it tells in
      which direction a choice that was drawn should change as if it were a number (not published
      here, whose actions are numbers).
    log_std_min, log_std_max: bounds of the logarithm of the deviation before the tanh (published:
      -10 and 2). A deviation of 0.1 at least, as DreamerV3's actors have, goes on exploring.
    target_entropy: nats for each number of a continuous action below which the weight of the
      entropy rises, and above which it falls (arXiv:1812.05905, section 5; published: a fixed
      weight of 1e-4, with which the policy becomes nearly deterministic at once).
    last_target_entropy: the same from `entropy_updates` updates on, until which it falls evenly.
      Near the bounds of an action there is little entropy after the tanh, and where the bounds are
      what is best, a policy must come to them in the end.
    entropy_updates: see there.
    target_entropy_share, last_target_entropy_share: the same for each choice, as shares of its
      largest entropy. The targets of all numbers and choices add up.
    entropy_rate: of the logarithm of that weight, in an update, where a nat is missing for each
      number, or all that is wanted of choices.
    entropy_scale: the weight at the beginning, beside values in units of their range.
    entropy_scale_min, entropy_scale_max: its bounds.
    scale_rate: of the running percentile range of values, in an update.
  """
  imagined_steps: int = 3
  sequence_stride: int = 2
  enumerated_choices: int = 32
  log_std_min: float = -2.3
  log_std_max: float = 0.0
  target_entropy: float = -1.0
  last_target_entropy: float = -3.0
  entropy_updates: int = 30_000
  target_entropy_share: float = 0.4
  last_target_entropy_share: float = 0.1
  entropy_rate: float = 1e-3
  entropy_scale: float = 1e-3
  entropy_scale_min: float = 1e-5
  entropy_scale_max: float = 1.0
  scale_rate: float = 0.01


@dataclasses.dataclass
class PlannerConfig:
  """Planning by MPPI (Williams et al. 2015, arXiv:1509.01149) before each action.

  Attributes:
    samples: action sequences in each round, those of the policy among them; 0 for no planning, the
      policy prior acts (published: 512).
    rounds: how often their distribution is refined (published: 6).
    policy_samples: sequences that the policy prior proposes.
    elites: the best sequences, from which the next distribution is made (published: 64).
    min_std, max_std: bounds of its deviation.
    temperature: how sharply better elites count more, for a unit of value.
    evaluates_only: plan when the policy is evaluated or exported alone, and let the policy prior
      collect.
  """
  samples: int = 0
  rounds: int = 3
  policy_samples: int = 24
  elites: int = 32
  min_std: float = 0.05
  max_std: float = 2.0
  temperature: float = 0.5
  evaluates_only: bool = False


@dataclasses.dataclass
class LearnerConfig:
  """How much is learned, and how it is computed.

  Attributes:
    updates_per_decision: updates for each decision that was collected, the random ones included.
      Those for random actions beyond `collect.random_env_steps` follow over some iterations. More
      of them learn more from the same data, and take as much longer.
    learning_rate: of Adam.
    gradient_clip: global norm to which gradients of the model and of the policy are clipped.
  """
  updates_per_decision: float = 1.0
  learning_rate: float = 3e-4
  gradient_clip: float = 20.0


@dataclasses.dataclass
class TDMPC2Config:
  """Everything that a run of TD-MPC2 is made of."""
  algorithm: str = 'tdmpc2'
  environment: base.EnvironmentConfig = dataclasses.field(
      default_factory=lambda: base.EnvironmentConfig(action_repeat=0))
  run: base.RunConfig = dataclasses.field(default_factory=base.RunConfig)
  collect: CollectConfig = dataclasses.field(default_factory=CollectConfig)
  replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  value: ValueConfig = dataclasses.field(default_factory=ValueConfig)
  policy: PolicyConfig = dataclasses.field(default_factory=PolicyConfig)
  planner: PlannerConfig = dataclasses.field(default_factory=PlannerConfig)
  learner: LearnerConfig = dataclasses.field(default_factory=LearnerConfig)

  @property
  def shared_rows(self):
    """What several devices share evenly."""
    return self.replay.batch_size // self.policy.sequence_stride

  def validate(self):
    """Raises `UserError` at the first value that cannot be used."""
    base.validate_common(self)
    base.require_at_least(self, 1, {
        'collect': ['random_env_steps', 'env_steps_per_iteration'],
        'replay': ['batch_size', 'horizon', 'cache_mib'],
        'value': ['members', 'steps', 'policy_steps', 'returns'],
        'policy': ['sequence_stride', 'entropy_updates'],
        'model': ['units', 'image_channels', 'frame_stack', 'layers'],
        'planner': ['rounds', 'elites']})
    base.require_positive(self, {
        'model': ['bin_limit', 'rho'], 'value': ['discount_episodes', 'slow_rate'],
        'policy': ['entropy_scale', 'entropy_scale_min', 'entropy_scale_max', 'scale_rate'],
        'planner': ['min_std', 'max_std', 'temperature'],
        'learner': ['updates_per_decision', 'learning_rate', 'gradient_clip']})
    base.require_at_least(self, 0, {
        'collect': ['random_env_steps_max', 'curiosity'], 'replay': ['capacity'],
        'model': ['encoder_layers', 'image_shift', 'consistency_scale', 'reward_scale',
                  'value_scale', 'termination_scale'],
        'policy': ['entropy_rate', 'imagined_steps', 'enumerated_choices'],
        'planner': ['samples', 'policy_samples']})
    base.require_share(self, {
        'value': ['discount_min', 'discount_max', 'slow_rate'], 'model': ['rho'],
        'policy': ['scale_rate', 'target_entropy_share', 'last_target_entropy_share'],
        'collect': ['random_at_bounds'], 'replay': ['paid_share']})
    self._validate_pairs()

  def _validate_pairs(self):
    """What depends on another field, or on more than a bound."""
    base.require(self, {'collect': ['random_holds']}, lambda value: value and min(value) >= 1,
                 'must hold at least one number of decisions, each 1 or more')
    base.require(self, {'model': ['bins']}, lambda value: value >= 3, 'must be 3 or more')
    base.require(self, {'model': ['latent']}, lambda value: value > 0 and value % 8 == 0,
                 'must be a multiple of 8, the size of a simplex')
    base.require(self, {'policy': ['log_std_min', 'log_std_max', 'target_entropy',
                                   'last_target_entropy']}, math.isfinite, 'must be finite')
    base.require(self, {'policy': ['log_std_max']}, lambda value: value > self.policy.log_std_min,
                 'must be above policy.log_std_min')
    base.require(self, {'policy': ['entropy_scale_max']},
                 lambda value: value >= self.policy.entropy_scale_min,
                 'must not be below policy.entropy_scale_min')
    base.require(self, {'value': ['discount_max']},
                 lambda value: self.value.discount_min <= value < 1,
                 'must be below 1, and not below value.discount_min')
    base.require(self, {'policy': ['sequence_stride']},
                 lambda value: self.replay.batch_size % value == 0,
                 f'must divide the {self.replay.batch_size} sequences of a batch')
    horizon = self.replay.horizon
    base.require(self, {'value': ['policy_steps']}, lambda value: value <= horizon + 1,
                 f'must be at most the {horizon + 1} latents of an unroll')
    base.require(self, {'value': ['steps']},
                 lambda value: value + self.value.returns <= horizon + 1,
                 f'and value.returns must fit into the horizon: their sum is at most {horizon + 1}')
    if self.planner.samples:
      base.require(self, {'planner': ['elites', 'policy_samples']},
                   lambda value: value <= self.planner.samples, 'must be planner.samples at most')
      base.require(self, {'planner': ['max_std']}, lambda value: value >= self.planner.min_std,
                   'must not be below planner.min_std')
