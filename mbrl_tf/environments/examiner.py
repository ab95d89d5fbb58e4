"""Asks simulators that may do anything, and keeps the rows of what is found; free of TensorFlow."""

import contextlib
import dataclasses
from typing import Any, Callable, List

from mbrl_tf import errors
from mbrl_tf.environments import guests, hosts, probe, report, simulators


@dataclasses.dataclass(frozen=True)
class Task:
  """What is to be examined.

  Attributes:
    recipe: a `simulators.Recipe`, as the config says.
    num_envs: simulators that train at the same time.
    parallel: how they are run, as the catalog is told.
    timeout_seconds: of each call of a simulator.
    env_steps: with random actions that are looked at.
    algorithm: name of what is to learn.
    accepts: called with the spec beside TensorFlow; a UserError where the algorithm refuses it.
    compare: the same; returns `agreement.Comparison`s of the spec and of the episodes given first.
    prepare: called before TensorFlow is imported.
    run_env_steps: of the run, which the replay keeps.
    kept_decisions: how many of them are learned from at most; 0 for all.
    cache_bytes: for them in memory; None where all are kept there.
  """
  recipe: simulators.Recipe
  num_envs: int
  parallel: str
  timeout_seconds: float
  env_steps: int
  algorithm: str
  accepts: Callable[[Any], Any]
  compare: Callable[..., Any]
  prepare: Callable[[], Any]
  run_env_steps: int
  kept_decisions: int
  cache_bytes: Any


_WHERE_IT_HANGS = ('Find what it waits for: a lock, a connection, a loop without an end. What only '
                   'takes long can be given more by --timeout_seconds')
_WHERE_IT_DIED = ('Its own output is on stderr. It called os._exit(), crashed in native code, or '
                  'took too much memory')


class Examiner:
  """One report while it is made; `parts` says of what.

  Every simulator lives in a process of its own, so that one which raises, exits, hangs or prints
  costs a row of the report, and nothing else.

  Attributes:
    rows: `report.Row`s so far.
    measured: numbers so far, by name.
    goes_on: False once there is no simulator to look at, or it hung: it would hang again.
  """

  def __init__(self, task):
    """Starts nothing yet."""
    self.rows: List[report.Row] = []
    self.measured, self.goes_on, self._because = {}, True, ''
    self.task, self.recipe = task, task.recipe
    self.host = None          # of the simulator that is asked
    self.first_answer = None  # of that, to how it was started

  def parts(self):
    """Returns the functions that examine, in order."""
    raise NotImplementedError

  def examine(self):
    """Examines. Returns the `report.Report`, whatever simulators do."""
    try:
      for part in self.parts():
        if self.goes_on:
          self._look(part)
    finally:
      self.end()
    if not self.goes_on:
      self.add('not looked at', f'all the rest, because {self._because}')
    return report.Report(tuple(self.rows), self.measured)

  def _look(self, part):
    """Runs one part; what nobody has thought of costs a row, and the others go on."""
    try:
      part()
    except Exception as error:
      found, received = report.in_short(guests.fault('The checker cannot tell', error))
      self.add(part.__name__.replace('_', ' '), found, report.ERROR, received,
               'Something is returned that the checker does not foresee; compare with Gymnasium\'s '
               'interface')
      self.end()

  def add(self, topic, found, level=report.OK, received='', advice=''):
    """Adds a `report.Row`."""
    self.rows.append(report.Row(topic, level, found, received, advice))

  @contextlib.contextmanager
  def telling(self, topic, advice, level=report.ERROR, goes_on=True, hangs_again=True):
    """Makes a row of what a simulator does wrong within the block.

    Args:
      topic, advice, level: of the row.
      goes_on: whether other parts can be looked at then.
      hangs_again: whether they cannot where it hung, because they would call the same.
    """
    try:
      yield
    except (errors.SimulatorError, errors.UserError) as error:
      found, received = report.in_short(error)
      hangs = isinstance(error.__cause__, BlockingIOError)
      if hangs:
        received = f'timeout_seconds={self.task.timeout_seconds}'
        advice = _WHERE_IT_HANGS
      elif isinstance(error.__cause__, (EOFError, OSError)):
        advice = _WHERE_IT_DIED
      self.add(topic, found, level, received, advice)
      self.end()
      if (hangs and hangs_again) or not goes_on:
        self.goes_on = False
        self._because = ('a simulator that hangs would hang again' if hangs
                         else 'there is no simulator')

  def ask(self, method, argument=None, more_seconds=0.0):
    """Asks the simulator, in a process that is started where there is none; see `probe`.

    Args:
      method, argument: as of `hosts.Remote`.
      more_seconds: that the answer may take besides what a simulator may take.

    Raises:
      SimulatorError, UserError: as `hosts.Remote.answer`.
    """
    if self.host is None:
      self.host = self.started(self.recipe)
    self.host.ask(method, argument, self.task.timeout_seconds + more_seconds)
    return self.host.answer()

  def started(self, recipe, local=probe.Probe, more_seconds=0.0):
    """Returns a started host; arguments and errors as of `hosts.Remote` and `ask`."""
    host = hosts.Remote(recipe, self.task.timeout_seconds, local)
    try:
      host.start(self.task.timeout_seconds + more_seconds)
      self.first_answer = host.answer()
    except BaseException:
      host.end()
      raise
    return host

  def end(self):
    """Ends the simulator that is asked."""
    host, self.host = self.host, None
    if host is not None:
      host.end()
