"""What the training loop knows of an algorithm, and the parts that every config has."""

import dataclasses
import math
import re
import typing
from typing import Any, Dict, Iterator, Protocol, Tuple

from mbrl_tf import errors, types


@dataclasses.dataclass
class EnvironmentConfig:
  """The task.

  Attributes:
    name: `gym:<id>`, `gym:<module>:<id>` where the module is to be imported first, such as the one
      that registers the id, `dmc:<domain>_<task>`, `toy:<name>`, or `my.module:factory`.
    kwargs: keyword arguments of the simulator.
    time_limit: env steps per episode; 0 keeps the simulator's own limit, and none is needed where
      episodes end by themselves.
    action_repeat: env steps per decision; 0 for what the kind of task is used to: 2 in the DM Control
      suite, as all that is published of it since arXiv:2107.09645, and 1 elsewhere, where a
      simulator's own step is the length of a decision.
    num_envs: simulators that run in parallel.
    parallel: `processes`, `in_process`, or `auto` (what is faster for the task; `processes` where frames may be drawn).
    observation: `vectors` (what the simulator observes by itself), `pixels` (an image alone), or `both`.
    image_size: of the square images, in pixels.
    camera: number of the camera that draws, in MuJoCo tasks; -1 is the task's own choice.
    images: what is taken for an image of what the simulator observes by itself. `auto`: arrays with
      the shape and the finite bounds of one, of 16 pixels at least; smaller ones are numbers.
      `none`; and by commas `KEY=LAYOUT`, which overrules this for one key: a layout has a letter
      for each axis (height `h`, width `w`, channels `c`, frames `n`), with a range where the
      space's own is not meant, or is `numbers`, as in `depth=hw:0..10,map=numbers`. A single array
      has the key `observation`. How it was decided is said when training begins.
    worker_timeout_seconds: after which a simulator's process that gives no answer counts as hung. One that hangs, dies or
      raises is restarted and its episode dropped; the fifth time in a row, without an episode that ended in between, stops
      the run.
  """
  name: str = ''
  kwargs: Dict[str, Any] = dataclasses.field(default_factory=dict)
  time_limit: int = 0
  action_repeat: int = 1
  num_envs: int = 1
  parallel: str = 'auto'
  observation: str = 'vectors'
  image_size: int = 64
  camera: int = -1
  images: str = 'auto'
  worker_timeout_seconds: float = 300.0

  @property
  def env_steps_per_decision(self):
    """`action_repeat`, or what it is by the kind of task."""
    return self.action_repeat or (2 if self.name.startswith('dmc:') else 1)


@dataclasses.dataclass
class RunConfig:
  """How long to train and when to do what.

  Attributes:
    env_steps: simulator steps after which training ends.
    seed: of everything random.
    evaluate_every_env_steps: 0 for never.
    evaluate_episodes: episodes in each evaluation.
    evaluate_videos: also render one more episode of each evaluation, as an animated GIF in TensorBoard.
    checkpoint_every_env_steps: 0 for a checkpoint in each iteration; an evaluation that is the best so far brings one besides.
    keep_checkpoints: how many of the newest checkpoints are kept, beside the one with the highest evaluation.
    offline: learn from the episodes that are there, and collect none. Env steps are counted all the
      same, and as much is learned, evaluated and saved for them as if they had been collected. May
      change between a run and its continuation: offline first, then with collection.
    devices: that learn: `cpu:N` (N logical CPUs), `gpu:N` (the first N GPUs of this host), or `auto` (the GPUs, as many as can share, or the CPU). They
      share MB-MPO's members, or the sequences of the others' batches, evenly.
  """
  env_steps: int = 100_000
  seed: int = 0
  evaluate_every_env_steps: int = 0
  evaluate_episodes: int = 10
  evaluate_videos: bool = False
  checkpoint_every_env_steps: int = 0
  keep_checkpoints: int = 3
  offline: bool = False
  devices: str = 'auto'


# What a field of a type may hold, and how that is called. Nothing else could be written to `config.json` and come back.
_MOST = 10**12  # more than any field can use, and little enough that no product of two overflows
_is_whole = lambda value: isinstance(value, int) and not isinstance(value, bool)
_KINDS = {
    int: (_is_whole, 'a whole number'),
    float: (lambda value: isinstance(value, float) or _is_whole(value), 'a number'),
    bool: (lambda value: isinstance(value, bool), 'True or False'),
    str: (lambda value: isinstance(value, str), 'text'),
    Dict[str, Any]: (lambda value: isinstance(value, dict), 'a dict'),
    Tuple[int, ...]: (lambda value: isinstance(value, (tuple, list)) and all(map(_is_whole, value)), 'a tuple of whole numbers')}


def require_types(config):
  """Raises `UserError` at the first field of a config (see `require`) whose value has another type than its class declares.

  Configs come from Python files and from `config.json`, neither of which looks at types.
  """
  for part, kind in typing.get_type_hints(type(config)).items():
    if dataclasses.is_dataclass(kind):
      for name, hint in typing.get_type_hints(kind).items():
        holds, called = _KINDS[hint]
        require(config, {part: [name]}, holds, f'must be {called}')
        if hint is int:
          require(config, {part: [name]}, lambda value: abs(value) <= _MOST, 'must be a trillion at most')


def require(config, fields, holds, expectation):
  """Holds fields of a config to one expectation.

  Args:
    config: a tree of dataclasses, two levels deep.
    fields: mapping from a part of the config to the names of its fields.
    holds: function from a field's value to whether it can be used.
    expectation: what the error says of such a field, such as 'must be above 0'.

  Raises:
    UserError: at the first value that cannot be used: "config.part.name <expectation>. Received: part.name=value".
  """
  for part, names in fields.items():
    for name in names:
      value = getattr(getattr(config, part), name)
      if not holds(value):
        raise errors.UserError(f'config.{part}.{name} {expectation}. Received: {part}.{name}={value!r}')


def require_positive(config, fields):
  """Raises `UserError` unless the fields (see `require`) are above 0, and finite."""
  require(config, fields, lambda value: 0 < value < math.inf, 'must be above 0 and finite')


def require_at_least(config, least, fields):
  """Raises `UserError` unless the fields (see `require`) are `least` or more, and finite."""
  require(config, fields, lambda value: least <= value < math.inf, f'must be {least} or more, and finite')


def require_share(config, fields):
  """Raises `UserError` unless the fields (see `require`) lie between 0 and 1, both included."""
  require(config, fields, lambda value: 0 <= value <= 1, 'must lie between 0 and 1')


def validate_common(config):
  """Raises `UserError` where a field has not its type, or the parts that all configs share cannot be used."""
  require_types(config)
  require(config, {'environment': ['name']}, bool, "must name a task, such as 'gym:HalfCheetah-v5'")
  require(config, {'environment': ['parallel']}, lambda value: value in ('auto', 'processes', 'in_process'),
          "must be 'auto', 'processes' or 'in_process'")
  require(config, {'environment': ['observation']}, lambda value: value in ('vectors', 'pixels', 'both'),
          "must be 'vectors', 'pixels' or 'both'")
  require(config, {'run': ['devices']}, lambda value: re.match(r'^(auto|(cpu|gpu):[1-9][0-9]{0,3})$', value),
          "must be 'auto', 'cpu:N' or 'gpu:N', with a number N of devices above 0")
  require_at_least(config, 1, {'environment': ['num_envs', 'image_size'],
                               'run': ['env_steps', 'evaluate_episodes', 'keep_checkpoints']})
  require_at_least(config, 0, {'environment': ['time_limit', 'action_repeat'],
                               'run': ['seed', 'evaluate_every_env_steps', 'checkpoint_every_env_steps']})
  require(config, {'run': ['seed']}, lambda value: value < 2**32, 'must be below 4294967296, as numpy asks')
  require_at_least(config, -1, {'environment': ['camera']})
  require_positive(config, {'environment': ['worker_timeout_seconds']})
  require(config, {'environment': ['kwargs']}, _can_be_stored,
          'must hold what JSON can: numbers, text, True, False, None, lists and dicts by text, which `config.json` gives back')


def _can_be_stored(value):
  """Whether JSON holds a value as it is; numpy's numbers and arrays are none of its own."""
  if isinstance(value, dict):
    return all(isinstance(key, str) and _can_be_stored(held) for key, held in value.items())
  if isinstance(value, (list, tuple)):
    return all(map(_can_be_stored, value))
  return value is None or type(value) in (bool, int, float, str)


class Predictor(Protocol):
  """An algorithm's model against reality: what it predicts of real episodes without seeing them.

  Attributes:
    shown: S, observations that it is shown first.
    horizon: decisions that are predicted in a row where the algorithm learns.
  """
  shown: int
  horizon: int

  def predict(self, windows: types.Windows, seed) -> Dict[str, types.Predictions]:
    """Returns predictions by how they are made, in words; the algorithm's plainest way comes first.

    Args:
      windows: of numpy arrays, with S observations shown.
      seed: int32 `[2]`; the same one gives the same predictions.
    """

  def act(self, windows: types.Windows, decisions: int, seed) -> Tuple[Any, Any]:
    """Lets the policy that collects act in the model, after what it was shown of real episodes.

    Args:
      windows: as for `predict`; only what is shown is read.
      decisions: H at most.
      seed: int32 `[2]`.

    Returns:
      Numpy arrays `[K, B, H]`: rewards in the task's unit, and the probability that the episode
      has not terminated before each. H is smaller where no more decisions can be imagined.
    """

  def videos(self, episodes) -> Dict[str, types.Video]:
    """Returns real beside predicted images by name; nothing where none is predicted."""


class Algorithm(Protocol):
  """A learner with everything it owns.

  Attributes:
    state: a `tf.Module` or `tf.train.Checkpoint` whose variables are all that influences the future, besides the
      episodes on disk: model, policy, optimizers, random generators, counters, normalizers.
    env_steps: simulator steps collected so far, read from a variable in `state`.
  """
  state: Any
  env_steps: int

  def iterations(self) -> Iterator[types.Report]:
    """Trains for ever; yields after each iteration, at a point where `state` may be saved."""

  def evaluation_policy(self) -> Any:
    """The `tf_agents` `TFPolicy` to evaluate and to export; it reads the learner's variables."""

  def model_module(self) -> Any:
    """A `tf.Module` whose `tf.function`s, with input signatures, are the exported model."""

  def predictor(self) -> Predictor:
    """The learned model against real episodes, for those who want to understand it."""


class BuiltOfParts:
  """What the algorithms of this house share: an `Algorithm` whose `state` is a `tf.Module` with
  attributes `env_steps` (a variable), `policy`, `exported_model` and `predictor`.

  Only `iterations` is its own.
  """

  def __init__(self, parts):
    """Keeps the parts."""
    self.state = parts

  @property
  def env_steps(self):
    """Simulator steps collected so far."""
    return int(self.state.env_steps.numpy())

  def evaluation_policy(self):
    """The policy that was learned, or the planner; it acts as well as it can, with no noise."""
    return self.state.policy

  def model_module(self):
    """The model with its signatures."""
    return self.state.exported_model

  def predictor(self):
    """The model against real episodes."""
    return self.state.predictor
