"""Stands in the place of a driver where nothing is collected."""

from mbrl_tf import types


class OfflineDriver:
  """Says of what is to be collected that it was, and brings no episodes.

  So an algorithm learns, counts, evaluates and saves as it does where it collects: as much for as
  many env steps.

  Attributes:
    spec: of the task.
    host, hosts: which of how many hosts learns.
  """

  def __init__(self, spec, host=0, hosts=1):
    """Keeps its arguments."""
    self.spec, self.host, self.hosts = spec, host, hosts

  def collect(self, policy, env_steps: int, seed=None, on_step=None) -> types.Collected:
    """Returns no episodes, and the env steps of all hosts that were asked for, in whole decisions;
    see `EpisodeDriver.collect`.
    """
    del policy, seed, on_step
    decisions = -(-env_steps // self.spec.action_repeat)
    return types.Collected((), decisions * self.spec.action_repeat, decisions, {})

  def together(self, collected: types.Collected) -> types.Collected:
    """Returns what `collect` gave, which all hosts have alike."""
    return collected
