"""N simulators behind one interface, in this process or in worker processes; those that fail are restarted.

A simulator begins an episode alone in the step after its episode ended, and ignores the action given to it then. One that
raises, dies, hangs or returns something outside its spec is built anew, in a new process where it had one of its own, and
begins its next episode in the same step; the others notice nothing. The failed episode's number is not used again.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from mbrl_tf import errors
from mbrl_tf.environments import hosts, simulators

FAULTS_IN_A_ROW = 5  # of one simulator, without an episode that ended in between: then the run stops


class Step(NamedTuple):
  """What one decision everywhere brought."""
  observation: Any         # [N, ...] or a dict of them
  reward: np.ndarray       # float32 [N]
  terminated: np.ndarray   # bool [N]
  truncated: np.ndarray    # bool [N]
  env_steps: np.ndarray    # int64 [N], simulator steps taken, 0 where an episode began
  begins: np.ndarray       # bool [N], where an episode began: the one before had ended, or its simulator failed


class Simulators:
  """Steps simulators wherever their hosts have them.

  Attributes:
    episode_counters: int64 `[N]`, the number of the next episode of each simulator; may be set.
    restarts: int64 `[N]`, how often each was restarted.
  """

  def __init__(self, simulator_hosts):
    """Starts the simulators; a SimulatorError or UserError where one cannot be built.

    Args:
      simulator_hosts: one of `hosts` for each simulator.
    """
    self._hosts = list(simulator_hosts)
    size = len(self._hosts)
    self.episode_counters = np.zeros(size, np.int64)
    self.restarts = np.zeros(size, np.int64)
    self._faults_in_a_row = np.zeros(size, np.int64)
    self._ended = np.zeros(size, bool)
    self._is_open = True
    try:
      for host in self._hosts:
        host.start()
      for host in self._hosts:
        host.answer()
    except BaseException:
      self.close()
      raise

  def reset(self):
    """Begins a new episode everywhere. Returns observations `[N, ...]` or a dict of them; see `step` for errors."""
    self._ended[:] = False
    return _stack([answer for answer, _ in self._ask([self._beginning(index) for index in range(len(self._hosts))])])

  def step(self, actions) -> Step:
    """Takes one decision everywhere.

    Args:
      actions: `[N, A]` float32 or `[N]` int64, within the spec.

    Raises:
      SimulatorError: a simulator failed `FAULTS_IN_A_ROW` times in a row.
    """
    requests = [self._beginning(index) if ended else ('step', action)
                for index, (action, ended) in enumerate(zip(actions, self._ended))]
    answers = self._ask(requests)
    begins = self._ended | [failed for _, failed in answers]
    rows = [(answer, 0.0, False, False, 0) if begins_here else answer for (answer, _), begins_here in zip(answers, begins)]
    observations, rewards, terminated, truncated, env_steps = zip(*rows)
    terminated, truncated = np.array(terminated, bool), np.array(truncated, bool)
    self._ended = terminated | truncated
    self._faults_in_a_row[self._ended] = 0
    return Step(
        _stack(observations), np.array(rewards, np.float32), terminated, truncated, np.array(env_steps, np.int64), begins)

  def render(self):
    """Returns one frame uint8 [height, width, 3] for each simulator. One that fails begins an episode in the next step."""
    frames = []
    for index, (frame, failed) in enumerate(self._ask([('render',)] * len(self._hosts))):
      if failed:
        self._ended[index] = True
        self._hosts[index].ask('render')
        frame = self._hosts[index].answer()
      frames.append(frame)
    return frames

  def close(self):
    """Ends all simulators and their processes, whatever state they are in; may be called more than once."""
    self._is_open = False
    for host in self._hosts:
      host.ask_to_end()
    for host in self._hosts:
      host.end()

  def _beginning(self, index):
    """Returns the request for the next episode of a simulator, and counts it."""
    episode = int(self.episode_counters[index])
    self.episode_counters[index] += 1
    return 'reset', episode

  def _ask(self, requests):
    """Returns for each simulator its answer, or that of a new episode's beginning, and whether it failed."""
    if not self._is_open:
      raise errors.SimulatorError('These simulators were closed, by their owner or after an error.')
    try:
      for host, request in zip(self._hosts, requests):
        host.ask(*request)
      return [self._answer(index) for index in range(len(self._hosts))]
    except BaseException:
      self.close()  # Some answers were not taken, and would be given to the next questions.
      raise

  def _answer(self, index):
    try:
      return self._hosts[index].answer(), False
    except errors.SimulatorError as error:
      return self._restarted(index, error), True

  def _restarted(self, index, error):
    """Returns the first observation of a simulator that was built anew after an error, and after those on the way."""
    host = self._hosts[index]
    while True:
      self._count_fault(index, error)
      host.end()
      try:
        host.start()
        host.answer()
        host.ask(*self._beginning(index))
        return host.answer()
      except errors.SimulatorError as another:
        error = another

  def _count_fault(self, index, error):
    """Warns, or raises where there were too many."""
    self.restarts[index] += 1
    self._faults_in_a_row[index] += 1
    told = f'Simulator {index} of {self._hosts[index].recipe.name} failed in episode {self.episode_counters[index] - 1}'
    times = self._faults_in_a_row[index]
    if times >= FAULTS_IN_A_ROW:
      raise errors.SimulatorError(
          f'{told}, for the {times}th time in a row without an episode that ended in between, so the run stops. {error}') from error
    warnings.warn(f'{told}. It is restarted, and that episode dropped. {error}', RuntimeWarning, stacklevel=2)


class InProcess(Simulators):
  """Steps simulators one after the other: no copies between processes, which costs more than a cheap simulator.

  One that hangs here hangs the run, and one that crashes ends it: there is nobody to notice.
  """

  def __init__(self, recipes):
    """See `Simulators`; `recipes` has a `simulators.Recipe` for each."""
    super().__init__([hosts.Local(recipe) for recipe in recipes])


class Processes(Simulators):
  """Steps simulators in one spawned process each, at the same time."""

  def __init__(self, recipes, timeout_seconds):
    """See `Simulators`; `recipes` has a `simulators.Recipe` for each, `timeout_seconds` holds for each answer."""
    super().__init__([hosts.Remote(recipe, timeout_seconds) for recipe in recipes])

  @property
  def processes(self):
    """The worker processes of now; none after `close`."""
    return [host.process for host in self._hosts if host.process is not None]

  @property
  def exit_codes(self):
    """Of the processes that ended last."""
    return [host.exit_code for host in self._hosts]


def choose(parallel, recipe, draws_itself):
  """Returns where simulators run: `in_process` or `processes`.

  In this process unless frames are drawn. Env steps per second on 2 busy cores with 20 simulators,
  in process against in processes: point_mass 33,000 and 2,100; HalfCheetah 6,700 and 2,400; Hopper
  3,200 and 1,800; Ant 1,800 and 1,400; Humanoid 1,800 and 1,400: the way through a pipe costs more
  than these simulators. Threads were slower than one. What renders with GL must not share a process
  with TensorFlow; a user's simulator that observes images may do so.

  Args:
    parallel: `in_process`, `processes`, or `auto`.
    recipe: a `simulators.Recipe`.
    draws_itself: see `simulators.draws_itself`.

  Raises:
    UserError: it is none of these, or frames cannot be drawn where it says.
  """
  kinds = ('in_process', 'processes')
  must_leave = recipe.renders and not simulators.renders_without_gl(recipe.name)
  if parallel == 'auto':
    return 'processes' if must_leave or draws_itself else 'in_process'
  if parallel not in kinds:
    raise errors.unknown_name('parallel', parallel, [*kinds, 'auto'])
  if parallel == 'in_process' and must_leave:
    raise errors.UserError(
        f'{recipe.name} cannot render in this process, because software rendering and TensorFlow '
        "in one process crash; use parallel='processes' or 'auto'. "
        f'Received: parallel={parallel!r}')
  return parallel


def _stack(observations):
  if isinstance(observations[0], dict):
    return {key: np.stack([observation[key] for observation in observations]) for key in observations[0]}
  return np.stack(observations)
