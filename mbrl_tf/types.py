"""The axis letters, and every tuple that crosses from one room of the house to another.

Axes, in the order in which they appear at public borders:
  `K` ensemble member, which is one MAML task      `N` parallel environment
  `B` batch                                        `T` real time, `H` imagined time
  `O` observation   `A` action                     `D` deterministic latent   `S` stochastic latent
  `F` features      `E` embedding                  `M` transitions, in no order

This file imports neither TensorFlow nor a simulator: worker processes read it too.
"""

import dataclasses
from typing import Any, Callable, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np


@dataclasses.dataclass(frozen=True)
class ArraySpec:
  """Shape, type and bounds of one observation or action.

  Attributes:
    shape: of one element, without batch axes.
    dtype: numpy name of the type: `float32`, `float64`, `uint8`, `int64`.
    minimum: lower bound for each entry, or None where unbounded (images: but by their type).
    maximum: upper bound for each entry, or None where unbounded (images: but by their type).
    num_values: the number of choices of a discrete action; None for a continuous quantity.
  """
  shape: Tuple[int, ...]
  dtype: str
  minimum: Optional[np.ndarray] = None
  maximum: Optional[np.ndarray] = None
  num_values: Optional[int] = None

  @property
  def is_image(self):
    """Whether bytes in rows and columns are taken for an image; models ask for `uint8 [height, width, channels]` then."""
    return self.dtype == 'uint8' and len(self.shape) >= 2


@dataclasses.dataclass(frozen=True)
class EnvironmentSpec:
  """What an algorithm is told of a task.

  Attributes:
    name: as given to the catalog, for example `gym:HalfCheetah-v5`.
    observation: one `ArraySpec`, or a mapping from key to `ArraySpec`. Vectors are float64 where
      the simulator declares what float32 does not hold, and normalised before a model reads them.
    action: continuous actions are float32 `[A]` in [-1, 1], whatever the simulator's own bounds are (the adapter
      scales, and clips what lies outside); discrete actions are int64 `[]` in [0, num_values).
    time_limit: length of an episode in env steps (simulator steps, action repeat multiplied in).
    action_repeat: env steps per decision.
    reward: batched TensorFlow function `(observation [..., O], action [..., A], next_observation
      [..., O]) -> float32 [...]` with actions as the policy gives them (scaled to [-1, 1]), or None
      where the task has none.
    terminated: batched TensorFlow function `next_observation [..., O] -> bool [...]`; None where the task has none.
  """
  name: str
  observation: Union[ArraySpec, Mapping[str, ArraySpec]]
  action: ArraySpec
  time_limit: int
  action_repeat: int = 1
  reward: Optional[Callable[..., Any]] = None
  terminated: Optional[Callable[..., Any]] = None


class Episode(NamedTuple):
  """One episode of real data, as numpy arrays; `T` decisions.

  The observation at T is the last one, after which no action was taken. `terminated` is true in the last entry at
  most; an episode that ends without it was truncated.
  """
  observation: Any         # [T + 1, O], or a mapping from key to [T + 1, ...]
  action: Any              # [T, A] or [T]
  reward: Any              # [T]
  terminated: Any          # bool [T]
  member: int = -1         # which adapted policy collected it; -1: random or unadapted


class Transitions(NamedTuple):
  """Real transitions in no order."""
  observation: Any         # float64 [M, O]
  action: Any              # float32 [M, A] or int64 [M]
  reward: Any              # float32 [M]
  next_observation: Any    # float64 [M, O]
  terminated: Any          # bool [M]


class Sequences(NamedTuple):
  """Real sequences, `T` rows in the order in which the simulator showed them.

  Row t holds an observation and what led to it: the action that was taken before it, the reward that came with it, and
  whether the episode terminated there. So an episode of L decisions has L + 1 rows, and no row stands for an action
  that was not taken. The first row of an episode has nothing before it: there `is_first` is true, action and reward are
  0 and `terminated` is false; what a model remembers is reset before that row. It may stand anywhere in a sequence,
  because a sequence runs on into another episode where one ends. The row after one with `terminated` is always a
  first row; a first row without it follows a truncation.
  """
  observation: Any         # [B, T, O], or a mapping from key to [B, T, ...]; typed as the spec
  action: Any              # float32 [B, T, A] or int64 [B, T]
  reward: Any              # float32 [B, T]
  terminated: Any          # bool [B, T]
  is_first: Any            # bool [B, T]


class Rollouts(NamedTuple):
  """Imagined rollouts. `mask` is 1 for a step that was taken and 0 for all steps after a termination."""
  observation: Any         # [K, B, H, O], as the policy reads it: normalised, or as it is
  action: Any              # [K, B, H, A] or [K, B, H], as the policy sampled it
  reward: Any              # [K, B, H], 0 where masked
  mask: Any                # [K, B, H]


class LatentState(NamedTuple):
  """A state of the RSSM, with the Gaussian that its stochastic part was drawn from."""
  deterministic: Any       # [..., D]
  stochastic: Any          # [..., S]
  mean: Any                # [..., S]
  std: Any                 # [..., S]


class Collected(NamedTuple):
  """What one call of a driver brought: whole episodes only."""
  episodes: Tuple[Episode, ...]
  env_steps: int           # simulator steps, action repeat multiplied in
  decisions: int
  metrics: Mapping[str, float]   # `collect/return_mean` and others, of these episodes


class Report(NamedTuple):
  """What an algorithm tells after one iteration."""
  metrics: Mapping[str, float]         # named `room/what`
  histograms: Mapping[str, Any] = {}   # name to array
  videos: Mapping[str, Callable[[], Any]] = {}   # name to what draws frames uint8 [T, height, width, 3]
