"""The settings of an ensemble, of what it learns from, and of how: shared by algorithms that plan or
imagine in one.

Defaults are those of MB-MPO (see its config.py), whose published numbers they are; an algorithm of
other numbers derives a class of its own.
"""

import dataclasses
from typing import Tuple

from mbrl_tf.algorithms import base


@dataclasses.dataclass
class EnsembleConfig:
  """The dynamics models and how they are fitted.

  Attributes:
    members: K, which is also the number of MAML tasks.
    hidden_sizes: widths of the hidden layers.
    activation: `relu`, `swish`, `tanh`, or `elu`.
    probabilistic: predict a variance and train on the Gaussian likelihood; otherwise on the squared error.
    weight_normalization: kernels as direction and length.
    observation_margin: predictions are kept inside the range of the data, widened at each side by this share of it, so
      that a rollout that leaves what the members know cannot run away; 0 for a thousand
      deviations, as published for observations of deviations around 1.
    angles: entries of the observation that are angles in radians, of which members see sines and cosines as well; not
      published.
    find_angles: take those that the simulator says are angles of hinges besides (`EnvironmentSpec.angles`); not published.
    learning_rate: of Adam.
    weight_decay: share of itself, times the learning rate, by which each kernel shrinks in a gradient step; not published.
      Not with `weight_normalization`, where a kernel's length is a variable of its own.
    annealed_updates: gradient steps in a fit, rounded up to whole epochs, over which the learning rate falls to 0 along a half
      cosine. All of them are taken: early stopping would cut off the end, and `max_epochs`, `min_epochs` and `persistence`
      are not looked at. 0 for a constant rate and early stopping, as published.
    fresh_moments: forget Adam's moments before each fit, so that what the last one met does not
      shorten the steps of this one: where members predict variances, the first steps on new
      episodes have gradients a thousand times as large as the others. They go on as published
      without.
    batch_size: transitions in a gradient step of one member.
    max_epochs: at most so many passes over the data in a fit that stops early.
    min_epochs: early stopping is not asked before.
    validation_fraction: share of the data held out by each member for itself.
    bootstrap: draw each member's training data with replacement instead of taking all but the validation data.
    persistence: of the rolling average of the validation loss; a member stops when the average rises.
  """
  members: int = 5
  hidden_sizes: Tuple[int, ...] = (512, 512, 512)
  activation: str = 'relu'
  probabilistic: bool = False
  weight_normalization: bool = True
  observation_margin: float = 0.0
  angles: Tuple[int, ...] = ()
  find_angles: bool = False
  learning_rate: float = 1e-3
  weight_decay: float = 0.0
  annealed_updates: int = 0
  fresh_moments: bool = False
  batch_size: int = 500
  max_epochs: int = 500
  min_epochs: int = 1
  validation_fraction: float = 0.2
  bootstrap: bool = False
  persistence: float = 0.95


@dataclasses.dataclass
class OutcomesConfig:
  """Reward and termination in imagination. Published are functions of the task alone.

  Attributes:
    learned: learn both with the ensemble, also where the task has functions. What it has no function for is learned in any case.
    hidden_sizes: widths of the hidden layers of each member's network for the reward, and of that for the termination.
      Everything else of their fits is as `EnsembleConfig` says of members.
  """
  learned: bool = False
  hidden_sizes: Tuple[int, ...] = (128, 128)


def validate(config):
  """Raises `UserError` at the first value of `config.ensemble`, `config.outcomes` or
  `config.collect.capacity` that cannot be used."""
  base.require_positive(config, {
      'ensemble': ['members', 'learning_rate', 'batch_size', 'max_epochs', 'min_epochs']})
  base.require_at_least(config, 2, {'collect': ['capacity']})  # one to fit, and one to hold out
  base.require_at_least(config, 0, {
      'ensemble': ['observation_margin', 'weight_decay', 'annealed_updates']})
  base.require_share(config, {'ensemble': ['persistence']})
  base.require(config, {'ensemble': ['validation_fraction']}, lambda value: 0 < value < 1,
               'must lie between 0 and 1, for early stopping needs held-out data')
  base.require(config, {part: ['hidden_sizes'] for part in ('ensemble', 'outcomes')},
               lambda sizes: all(size > 0 for size in sizes), 'must hold widths above 0')
  base.require(config, {'ensemble': ['angles']},
               lambda angles: all(angle >= 0 for angle in angles), 'must hold entries from 0 on')
  base.require(config, {'ensemble': ['weight_decay']},
               lambda value: not (value and config.ensemble.weight_normalization),
               'must be 0 with ensemble.weight_normalization=True, where it would not shrink what a '
               'layer computes')
  base.require(config, {'ensemble': ['activation']},
               lambda value: value in ('relu', 'swish', 'tanh', 'elu'),
               "must be 'relu', 'swish', 'tanh' or 'elu'")
