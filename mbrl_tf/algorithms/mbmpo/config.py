"""The settings of MB-MPO: what each one means, in what unit, and where the default comes from.

Defaults are those of RLlib's tuned examples (`rllib_contrib/mbmpo`, tuned_examples/halfcheetah-mbmpo.yaml), which follow the
authors' code (Clavera et al. 2018, arXiv:1809.05214, appendix). Fields that neither of them has say so.
"""

import dataclasses
from typing import Tuple

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.ensembles import config as ensembles

EnsembleConfig = ensembles.EnsembleConfig
OutcomesConfig = ensembles.OutcomesConfig


@dataclasses.dataclass
class CollectConfig:
  """Real data.

  Attributes:
    random_env_steps: env steps of uniformly random actions before anything is learned.
    random_action_hold: decisions for which such an action is held, on average; 1 as published.
    random_action_holds: several such numbers, of which each random episode draws one, because what moves a body depends on how
      long a decision lasts in it; empty for `random_action_hold` alone, as published.
    env_steps_per_iteration: env steps collected in each iteration, in whole episodes.
    growth: an iteration collects at least this share of all env steps so far, so that work does not grow with their number
      where each iteration teaches less; 0 as published.
    adapted: collect with the K adapted policies (the paper's "tailored exploration") or with the meta-policy.
    capacity: how many of the newest transitions the ensemble is fitted to.
  """
  random_env_steps: int = 8000
  random_action_hold: float = 1.0
  random_action_holds: Tuple[int, ...] = ()
  env_steps_per_iteration: int = 4000
  growth: float = 0.0
  adapted: bool = True
  capacity: int = 10_000


@dataclasses.dataclass
class PolicyConfig:
  """The meta-policy.

  Attributes:
    hidden_sizes: widths of the tanh layers.
    initial_std: of the actions, whose range is [-1, 1].
    min_std: lower bound of the standard deviation, at most the initial one. As in the authors' code, one that has sunk below it
      has no gradient and stays there.
    normalize_observations: by mean and deviation of the real data, so that their units do not
      matter; in the published configs policy and baseline of advantages read them as they are.
    output_scale: of a Gaussian policy's first mean actions, in units of those of the authors' code, whose layers are alike; RLlib
      begins with about a hundredth.
  """
  hidden_sizes: Tuple[int, ...] = (32, 32)
  initial_std: float = 1.0
  min_std: float = 1e-6
  normalize_observations: bool = True
  output_scale: float = 1.0


@dataclasses.dataclass
class ImaginationConfig:
  """Rollouts in the ensemble.

  Attributes:
    horizon: H, decisions in an imagined rollout.
    rollouts_per_task: B, rollouts of each task before and again after adaptation. RLlib has 20 tasks of 20 rollouts over 5
      members; with one task for each member, 80 are as many.
    buffer_starts: share of the rollouts that start from any real state instead of a real reset state; 0 as published.
    restarts: a rollout that terminates begins again where it began, so that all H steps are learned from, however short the
      episodes are; otherwise, as published, the steps after a termination are left out.
    member_noise: sample the next observation instead of taking a member's mean: with the variance that a probabilistic member
      predicts, or that of a deterministic member's errors on what the last fit held out; not published.
    discount: gamma.
    gae_lambda: of generalised advantage estimation.
    ridge: of the baseline, a regression on observation and time.
    baseline_features: random features that the baseline has besides the published ones, which are
      both, the squares of the one and the powers of the other; 0 as published. What a baseline does
      not explain of the returns is noise in the gradient.
  """
  horizon: int = 200
  rollouts_per_task: int = 80
  buffer_starts: float = 0.0
  restarts: bool = False
  member_noise: bool = False
  discount: float = 0.99
  gae_lambda: float = 1.0
  ridge: float = 1e-5
  baseline_features: int = 0


@dataclasses.dataclass
class MetaConfig:
  """The meta-learner.

  Attributes:
    updates_per_iteration: meta-updates after each fit of the ensemble, each on fresh imagined data.
    inner_steps: gradient steps of the adaptation.
    inner_lr: their step size.
    outer_lr: of Adam on the meta-policy.
    outer_epochs: Adam steps on the same imagined data.
    clip: PPO's clipping range of the likelihood ratio after adaptation.
    kl_target: wanted mean KL from the sampling policy to the current one, before adaptation, in nats.
    kl_coefficient: initial and least weight of that KL; halved where the KL is below target / 1.5, doubled above 1.5 target.
    kl_coefficient_max: its upper bound; by default beyond all that weighs anything, but finite, so that it can come back.
    kl_stop: no more Adam steps on the same data once that KL, averaged over the tasks, is above so many targets; 0 for no such
      limit, as published.
    gradient_clip: global norm to which the meta-gradient is clipped; 0 for no clipping, as published.
  """
  updates_per_iteration: int = 15
  inner_steps: int = 1
  inner_lr: float = 1e-3
  outer_lr: float = 1e-3
  outer_epochs: int = 8
  clip: float = 0.5
  kl_target: float = 3e-3
  kl_coefficient: float = 1e-10
  kl_coefficient_max: float = 1e10
  kl_stop: float = 0.0
  gradient_clip: float = 0.0


@dataclasses.dataclass
class MBMPOConfig:
  """Everything that a run of MB-MPO is made of."""
  algorithm: str = 'mbmpo'
  environment: base.EnvironmentConfig = dataclasses.field(default_factory=lambda: base.EnvironmentConfig(num_envs=5))
  run: base.RunConfig = dataclasses.field(default_factory=base.RunConfig)
  collect: CollectConfig = dataclasses.field(default_factory=CollectConfig)
  ensemble: EnsembleConfig = dataclasses.field(default_factory=EnsembleConfig)
  outcomes: OutcomesConfig = dataclasses.field(default_factory=OutcomesConfig)
  policy: PolicyConfig = dataclasses.field(default_factory=PolicyConfig)
  imagination: ImaginationConfig = dataclasses.field(default_factory=ImaginationConfig)
  meta: MetaConfig = dataclasses.field(default_factory=MetaConfig)

  @property
  def shared_rows(self):
    """What several devices share evenly."""
    return self.ensemble.members

  def validate(self):
    """Raises `UserError` at the first value that cannot be used."""
    base.validate_common(self)
    ensembles.validate(self)
    base.require_positive(self, {
        'collect': ['random_env_steps', 'env_steps_per_iteration'],
        'policy': ['initial_std', 'min_std', 'output_scale'],
        'imagination': ['horizon', 'rollouts_per_task', 'ridge'],
        'meta': ['updates_per_iteration', 'inner_steps', 'inner_lr', 'outer_lr', 'outer_epochs', 'clip', 'kl_target',
                 'kl_coefficient']})
    base.require(self, {'collect': ['random_action_hold']}, lambda value: value >= 1, 'must be 1 or more')
    base.require(self, {'collect': ['random_action_holds']}, lambda holds: all(hold >= 1 for hold in holds),
                 'must hold numbers of 1 or more')
    base.require_at_least(self, 0, {
        'collect': ['growth'], 'imagination': ['baseline_features'],
        'meta': ['gradient_clip', 'kl_stop']})
    base.require_share(self, {'imagination': ['discount', 'gae_lambda', 'buffer_starts']})
    base.require(self, {'policy': ['hidden_sizes']},
                 lambda sizes: all(size > 0 for size in sizes), 'must hold widths above 0')
    base.require(self, {'environment': ['num_envs']},
                 lambda value: not self.collect.adapted or value % self.ensemble.members == 0,
                 f'must be a multiple of ensemble.members={self.ensemble.members}, so that each adapted policy collects as '
                 'much as the others (or set collect.adapted=False)')
    least = self.meta.kl_coefficient
    base.require(self, {'meta': ['kl_coefficient_max']}, lambda value: value >= least, f'must be {least} or more')
    least = self.policy.min_std
    base.require(self, {'policy': ['initial_std']}, lambda value: value >= least, f'must be policy.min_std={least} or more')
