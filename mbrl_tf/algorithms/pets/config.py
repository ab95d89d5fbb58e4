"""The settings of PETS: what each one means, in what unit, and where the default comes from.

"Published" is Chua et al. 2018, arXiv:1805.12114, and its authors' code (kchua/handful-of-trials),
whose numbers for HalfCheetah are the defaults. A default that differs says why.
"""

import dataclasses
from typing import Tuple

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.ensembles import config as ensembles

OutcomesConfig = ensembles.OutcomesConfig
PROPAGATIONS = ('tsinf', 'ts1')


@dataclasses.dataclass
class CollectConfig:
  """Real data.

  Attributes:
    random_env_steps: env steps of random actions before anything is learned, in whole episodes
      (published: one episode).
    random_holds: decisions for which a random action is held, on average; each episode draws one of
      them (published: 1).
    env_steps_per_iteration: env steps collected between two fits, in whole episodes (published: one
      episode).
    capacity: how many of the newest transitions the ensemble is fitted to (published: all).
  """
  random_env_steps: int = 200
  random_holds: Tuple[int, ...] = (1,)
  env_steps_per_iteration: int = 200
  capacity: int = 100_000


@dataclasses.dataclass
class EnsembleConfig(ensembles.EnsembleConfig):
  """As everywhere; other defaults.

  Published is the square of the kernels in the loss, where `weight_decay` shrinks them: there is
  none by default. Nothing is held out there; here a fifth is, and tells how good the members are.
  All epochs are taken, as published: `min_epochs` lets none stop early.
  """
  hidden_sizes: Tuple[int, ...] = (200, 200, 200, 200)
  activation: str = 'swish'
  probabilistic: bool = True
  weight_normalization: bool = False
  batch_size: int = 32
  max_epochs: int = 5
  min_epochs: int = 5
  bootstrap: bool = True


@dataclasses.dataclass
class PlannerConfig:
  """Planning by the cross-entropy method before each action.

  Attributes:
    horizon: H, decisions in a plan (published: 30; 25 in three other tasks).
    samples: action sequences in each round.
    rounds: how often their distribution is refined.
    elites: the best sequences, from which the next distribution is made.
    momentum: share of the mean and variance before that the new ones keep.
    initial_std: deviation of an action's numbers that each plan begins with; they lie in [-1, 1].
    min_std: its lower bound (published: the search ends where no variance is above 1e-3, which is
      about this deviation). All values of a choice keep this share together.
    particles: trajectories of each sequence, a multiple of the members.
    propagation: which member moves a particle: `tsinf`, the same one to the end; `ts1`, another one
      drawn at each decision.
  """
  horizon: int = 30
  samples: int = 500
  rounds: int = 5
  elites: int = 50
  momentum: float = 0.1
  initial_std: float = 0.5
  min_std: float = 0.03
  particles: int = 20
  propagation: str = 'tsinf'


@dataclasses.dataclass
class PETSConfig:
  """Everything that a run of PETS is made of."""
  algorithm: str = 'pets'
  environment: base.EnvironmentConfig = dataclasses.field(
      default_factory=lambda: base.EnvironmentConfig(action_repeat=0))
  run: base.RunConfig = dataclasses.field(default_factory=base.RunConfig)
  collect: CollectConfig = dataclasses.field(default_factory=CollectConfig)
  ensemble: EnsembleConfig = dataclasses.field(default_factory=EnsembleConfig)
  outcomes: OutcomesConfig = dataclasses.field(default_factory=OutcomesConfig)
  planner: PlannerConfig = dataclasses.field(default_factory=PlannerConfig)

  @property
  def shared_rows(self):
    """What several devices share evenly."""
    return self.ensemble.members

  def validate(self):
    """Raises `UserError` at the first value that cannot be used."""
    base.validate_common(self)
    ensembles.validate(self)
    base.require_at_least(self, 1, {
        'collect': ['random_env_steps', 'env_steps_per_iteration'],
        'planner': ['horizon', 'samples', 'rounds', 'elites', 'particles']})
    base.require(self, {'collect': ['random_holds']}, lambda value: value and min(value) >= 1,
                 'must hold at least one number of decisions, each 1 or more')
    base.require_positive(self, {'planner': ['initial_std', 'min_std']})
    base.require(self, {'planner': ['momentum']}, lambda value: 0 <= value < 1,
                 'must be 0 or more and below 1, where nothing would be learned of the elites')
    base.require(self, {'planner': ['elites']}, lambda value: value <= self.planner.samples,
                 f'must be planner.samples={self.planner.samples} at most')
    base.require(self, {'planner': ['initial_std']}, lambda value: value >= self.planner.min_std,
                 f'must not be below planner.min_std={self.planner.min_std}')
    members = self.ensemble.members
    base.require(self, {'planner': ['particles']}, lambda value: value % members == 0,
                 f'must be a multiple of ensemble.members={members}, so that each member moves as '
                 'many')
    base.require(self, {'planner': ['propagation']}, lambda value: value in PROPAGATIONS,
                 "must be 'tsinf' or 'ts1'")
