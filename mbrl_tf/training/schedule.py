"""When something is due, from env steps alone, so that a resumed run does the same things at the same places."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Every:
  """Due whenever a multiple of `env_steps` was reached or passed.

  Attributes:
    env_steps: the distance; 0 means never.
  """
  env_steps: int

  def due(self, before: int, now: int) -> bool:
    """Says whether a multiple lies in (before, now]."""
    return self.env_steps > 0 and now // self.env_steps > before // self.env_steps


@dataclasses.dataclass(frozen=True)
class Schedule:
  """What a training run does after an iteration.

  Attributes:
    end: env steps after which training ends.
    evaluate: when to evaluate; where at all, also at the end.
    checkpoint: when to write a checkpoint; at the end always.
  """
  end: int
  evaluate: Every
  checkpoint: Every

  @classmethod
  def from_config(cls, run):
    """Returns the schedule of a `RunConfig`, where 0 means a checkpoint in each iteration."""
    return cls(run.env_steps, Every(run.evaluate_every_env_steps), Every(run.checkpoint_every_env_steps or 1))

  def ended(self, now: int) -> bool:
    """Says whether training is over."""
    return now >= self.end

  def evaluates(self, before: int, now: int) -> bool:
    """Says whether to evaluate after an iteration that led from env step `before` to `now`."""
    return self.evaluate.due(before, now) or (self.evaluate.env_steps > 0 and self.ended(now))

  def checkpoints(self, before: int, now: int) -> bool:
    """Says whether to write a checkpoint after an iteration that led from env step `before` to `now`."""
    return self.checkpoint.due(before, now) or self.ended(now)
