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
  """Shape, type and bounds of one observation.

  Attributes:
    shape: of one element, without batch axes.
    dtype: numpy name of the type: `float32`, `float64`, `uint8`, `int64`.
    minimum: lower bound for each entry, or None where unbounded (images: but by their type).
    maximum: upper bound for each entry, or None where unbounded (images: but by their type).
    choices: of an observation whose integers are choices, how many there are for each entry, flat;
      an entry lies in [minimum, minimum + choices), and models read it one-hot. Empty otherwise.
    as_numbers: whether bytes in rows and columns are read as numbers, and not as an image.
    taken_from: in words, what an image was made of at the border; empty where it is what the
      simulator observes.
  """
  shape: Tuple[int, ...]
  dtype: str
  minimum: Optional[np.ndarray] = None
  maximum: Optional[np.ndarray] = None
  choices: Tuple[int, ...] = ()
  as_numbers: bool = False
  taken_from: str = ''

  @property
  def is_image(self):
    """Whether this is an image, which models ask for as `uint8 [height, width, channels]`: 0 is the
    least and 255 the largest value that its pixels have.
    """
    return self.dtype == 'uint8' and len(self.shape) >= 2 and not self.as_numbers


@dataclasses.dataclass(frozen=True)
class ActionSpec:
  """What a policy decides: C numbers in [-1, 1], and D choices, all independent of each other.

  An action is one array, whatever structure the simulator's own has. Numbers alone are float32
  `[C]`, one choice alone is int64 `[]`, several choices alone are int64 `[D]`. Where there are
  both, the numbers come first and the choices after them, as whole numbers, in float32 `[C + D]`. A
  choice among n is a number from 0 to n - 1.

  Attributes:
    numbers: C.
    choices: for each choice the count of its values; D of them.
  """
  numbers: int = 0
  choices: Tuple[int, ...] = ()

  @property
  def shape(self):
    """Of one action."""
    size = self.numbers + len(self.choices)
    return () if size == len(self.choices) == 1 else (size,)

  @property
  def dtype(self):
    """Name of the numpy type of an action."""
    return 'float32' if self.numbers else 'int64'

  @property
  def bounds(self):
    """Least and largest value: of each entry, or one of each where there are numbers alone."""
    if not self.choices:
      return -1.0, 1.0
    low = [-1] * self.numbers + [0] * len(self.choices)
    high = [1] * self.numbers + [count - 1 for count in self.choices]
    return tuple(np.array(bound, self.dtype).reshape(self.shape) for bound in (low, high))

  @property
  def features_size(self):
    """How many numbers models read of an action: its numbers, and each choice one-hot."""
    return self.numbers + sum(self.choices)

  def sample(self, generator, lead=()):
    """Returns uniformly random actions `[*lead, ...]`, drawn by a `np.random.Generator`."""
    numbers = generator.uniform(-1, 1, (*lead, self.numbers)).astype(np.float32)
    if not self.choices:
      return numbers
    if not self.shape:
      return generator.integers(0, self.choices[0], lead)
    choices = generator.integers(0, self.choices, (*lead, len(self.choices)))
    return np.concatenate([numbers, choices], -1).astype(self.dtype)


class ActionPart(NamedTuple):
  """One array of a simulator's action.

  Attributes:
    entries: of a policy's action that decide it, from the first up to one after the last.
    shape, dtype: of the simulator's array.
    minimum, maximum: bounds of each entry, flat, in the simulator's own units; of choices the first
      and the last.
  """
  entries: Tuple[int, int]
  shape: Tuple[int, ...]
  dtype: str
  minimum: Any
  maximum: Any


@dataclasses.dataclass(frozen=True)
class EnvironmentSpec:
  """What an algorithm is told of a task.

  Attributes:
    name: as given to the catalog, for example `gym:HalfCheetah-v5`.
    observation: one `ArraySpec`, or a mapping from key to `ArraySpec`; the key of what is nested
      is its path, such as `0/place`. Vectors are float64 where the simulator declares what float32
      does not hold, and normalised before a model reads them.
    action: an `ActionSpec`, whatever the bounds and the structure of the simulator's own actions
      are: the adapter clips what lies outside, scales, and puts together what the simulator takes.
    time_limit: env steps (simulator steps, action repeat multiplied in) after which an episode is
      truncated; 0 where none is known, and episodes end by themselves.
    action_repeat: env steps per decision.
    reward: batched TensorFlow function `(observation [..., O], action [..., A], next_observation
      [..., O]) -> float32 [...]` with actions as the policy gives them (`ActionSpec`), or None
      where the task has none. Observations are shaped as `observation` says, and given as the
      simulator shows them, or as models read them: choices one-hot, bytes as floats.
    terminated: batched TensorFlow function `next_observation [..., O] -> bool [...]`; None where the task has none.
    left_out: keys of what is observed and no model reads: texts.
    angles: which entries of an observation that is one vector are angles of hinges in radians, as the simulator's model of
      the bodies says; none where there is no such model.
    turning: which of them are of hinges without limits, that can turn on and on.
    simulator_action: batched TensorFlow function from actions `[..., A]` to what the simulator
      takes, in its structure, units and types, each part with the leading axes; None where that is
      the action itself.
    action_parts: what a simulator's action consists of, by path, such as `arm/0`; `action` where it
      is one array.
  """
  name: str
  observation: Union[ArraySpec, Mapping[str, ArraySpec]]
  action: ActionSpec
  time_limit: int
  action_repeat: int = 1
  reward: Optional[Callable[..., Any]] = None
  terminated: Optional[Callable[..., Any]] = None
  left_out: Tuple[str, ...] = ()
  angles: Tuple[int, ...] = ()
  turning: Tuple[int, ...] = ()
  simulator_action: Optional[Callable[..., Any]] = None
  action_parts: Mapping[str, ActionPart] = dataclasses.field(default_factory=dict)

  @property
  def decisions(self):
    """Of an episode that the time limit truncates; 0 where none is known."""
    return -(-self.time_limit // self.action_repeat)


class Episode(NamedTuple):
  """One episode of real data, as numpy arrays; `T` decisions.

  The observation at T is the last one, after which no action was taken. `terminated` is true in the last entry at
  most; an episode that ends without it was truncated.
  """
  observation: Any         # [T + 1, O], or a mapping from key to [T + 1, ...]
  action: Any              # [T, A] or [T], typed as the spec
  reward: Any              # [T]
  terminated: Any          # bool [T]
  member: int = -1         # which adapted policy collected it; -1: random or unadapted


class NativeEpisode(NamedTuple):
  """One episode as a simulator shows and takes it: its own arrays, units and types, before anything
  is read of them; `T` decisions.

  The keys are the paths of the parts, such as `0/place`, and `observation` and `action` where there
  is one array.
  """
  observation: Mapping[str, Any]    # [T + 1, ...] by key
  action: Mapping[str, Any]         # [T, ...] by key
  reward: Any                       # [T]
  terminated: Any                   # [T]
  truncated: Any = None             # [T]; None: truncated where it ends without being terminated
  action_repeat: int = 1            # simulator steps of a decision, whose rewards are added up


class Transitions(NamedTuple):
  """Real transitions in no order."""
  observation: Any         # float64 [M, O]
  action: Any              # float32 [M, A], int64 [M, A] or int64 [M]
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
  action: Any              # float32 [B, T, A], int64 [B, T, A] or int64 [B, T]
  reward: Any              # float32 [B, T]
  terminated: Any          # bool [B, T]
  is_first: Any            # bool [B, T]


class Rollouts(NamedTuple):
  """Imagined rollouts. `mask` is 1 for a step that was taken and 0 for all steps after a termination; where rollouts begin
  again after one, all steps are taken.
  """
  observation: Any         # [K, B, H, O], as the policy reads it: normalised, or as it is
  action: Any              # [K, B, H, A] or [K, B, H], as the policy sampled it
  reward: Any              # [K, B, H], 0 where masked
  mask: Any                # [K, B, H]
  ended: Any               # [K, B, H], 1 where the step terminated and the next one begins again, 0 elsewhere


class Windows(NamedTuple):
  """Parts of real episodes: S observations that a model is shown, and H decisions to be predicted.

  The first of these is taken at the last observation shown. Where an episode ends before H of them,
  its last observation and a decision are repeated, and the mask is 0.
  """
  observation: Any         # [B, S + H, ...], or a mapping from key to it; typed as the spec
  led: Any                 # [B, S, ...], the actions that led there; at an episode's first unread
  is_first: Any            # bool [B, S], where an episode begins
  action: Any              # [B, H, ...]
  reward: Any              # [B, H], 0 where masked
  mask: Any                # float32 [B, H], 1 for decisions that were taken
  terminated: Any          # bool [B], whether the episode terminated within these decisions


class Predictions(NamedTuple):
  """What a model predicts of `Windows`, of which it is shown S observations and all actions.

  A *state* is what a model predicts: an observation, or a latent state; `X` entries, in units in
  which their errors can be compared.
  """
  state: Any               # [K, B, H, X], after each decision; K members, or draws of one model
  real_state: Any          # [B, 1 + H, X], the last one shown, and those after each decision
  reward: Any              # [K, B, H], in the task's unit
  going: Any               # [K, B, H], probability that a decision does not terminate the episode
  std: Any = None          # [K, B, X], predicted deviation of the first state; None: none predicted
  entries: Tuple[str, ...] = ()   # what the entries are called; those without a name come last


class LatentState(NamedTuple):
  """A state of the RSSM, with the Gaussian that its stochastic part was drawn from."""
  deterministic: Any       # [..., D]
  stochastic: Any          # [..., S]
  mean: Any                # [..., S]
  std: Any                 # [..., S]


class CategoricalState(NamedTuple):
  """A state of the RSSM whose stochastic part is one-hot choices, with what they were drawn from."""
  deterministic: Any       # [..., D]
  stochastic: Any          # [..., S], S = choices x classes
  logits: Any              # [..., choices, classes], logarithms of probabilities


class Collected(NamedTuple):
  """What one call of a driver brought: whole episodes only."""
  episodes: Tuple[Episode, ...]
  env_steps: int           # simulator steps, action repeat multiplied in
  decisions: int
  metrics: Mapping[str, float]   # `collect/return_mean` and others, of these episodes


class Video(NamedTuple):
  """An animation that is drawn only where somebody wants it."""
  draw: Callable[[], Any]      # returns frames uint8 [T, height, width, 3]
  rows: Tuple[str, ...] = ()   # what rows of equal height show, from top to bottom


class Report(NamedTuple):
  """What an algorithm tells after one iteration."""
  metrics: Mapping[str, float]         # named `room/what`
  histograms: Mapping[str, Any] = {}   # name to array
  videos: Mapping[str, Video] = {}
