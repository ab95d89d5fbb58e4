"""What the training loop knows of an algorithm, and the parts that every config has."""

import dataclasses
from typing import Any, Dict, Iterator, Protocol

from mbrl_tf import errors, types


@dataclasses.dataclass
class EnvironmentConfig:
  """The task.

  Attributes:
    name: `gym:<id>`, `dmc:<domain>_<task>`, `toy:<name>`, or `my.module:factory`.
    kwargs: keyword arguments of the simulator.
    time_limit: env steps per episode; 0 keeps the simulator's own limit.
    action_repeat: env steps per decision.
    num_envs: simulators that run in parallel.
    parallel: `processes`, `in_process`, or `auto` (what is faster for the task).
    observation: `vectors` (what the simulator observes by itself), `pixels` (an image alone), or `both`.
    image_size: of the square images, in pixels.
    camera: number of the camera that draws, in MuJoCo tasks; -1 is the task's own choice.
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


@dataclasses.dataclass
class RunConfig:
  """How long to train and when to do what.

  Attributes:
    env_steps: simulator steps after which training ends.
    seed: of everything random.
    evaluate_every_env_steps: 0 for never.
    evaluate_episodes: episodes in each evaluation.
    evaluate_videos: also render one more episode of each evaluation, as an animated GIF in TensorBoard.
    checkpoint_every_env_steps: 0 for a checkpoint in each iteration.
    keep_checkpoints: how many of the newest checkpoints are kept.
  """
  env_steps: int = 100_000
  seed: int = 0
  evaluate_every_env_steps: int = 0
  evaluate_episodes: int = 10
  evaluate_videos: bool = False
  checkpoint_every_env_steps: int = 0
  keep_checkpoints: int = 3


def validate_common(config):
  """Raises `UserError` where the parts that all configs share cannot be used."""
  environment, run = config.environment, config.run
  if not environment.name:
    raise errors.UserError("config.environment.name must name a task, such as 'gym:HalfCheetah-v5'. Received: name=''")
  if environment.parallel not in ('auto', 'processes', 'in_process'):
    raise errors.UserError("config.environment.parallel must be 'auto', 'processes' or 'in_process'. "
                           f'Received: parallel={environment.parallel!r}')
  if environment.observation not in ('vectors', 'pixels', 'both'):
    raise errors.UserError("config.environment.observation must be 'vectors', 'pixels' or 'both'. "
                           f'Received: observation={environment.observation!r}')
  lowest = {'environment.num_envs': 1, 'environment.action_repeat': 1, 'environment.time_limit': 0,
            'environment.image_size': 1, 'environment.camera': -1, 'run.env_steps': 1, 'run.seed': 0,
            'run.evaluate_every_env_steps': 0, 'run.evaluate_episodes': 1, 'run.checkpoint_every_env_steps': 0,
            'run.keep_checkpoints': 1}
  for path, least in lowest.items():
    part, name = path.split('.')
    value = getattr(getattr(config, part), name)
    if value < least:
      raise errors.UserError(f'config.{path} must be {least} or more. Received: {name}={value!r}')


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
