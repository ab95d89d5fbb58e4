"""What lives in the process of a simulator that is examined.

Free of TensorFlow, but for `Described`. Both are hosts as `hosts.Local` is, asked for other things.
What they answer are plain numbers and texts, because nothing of a user's may be needed to read it.
"""

import resource
import sys
import time
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple
import warnings

from gymnasium import spaces
from gymnasium.utils import env_checker
import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.environments import actions, answers, guests, hosts, parallel, simulators

_AT_BOUNDS = 4       # each fourth action is at its bounds
_KEPT_ANSWERS = 3    # of which is seen whether they change
_SPACE = 1000        # letters of a space, which a person compares with their own code
_SECONDS_OF_STEPS = 1.0   # after which several steps are answered, however few they are
_ANSI = ('\x1b[33m', '\x1b[31m', '\x1b[0m', 'WARN: ', 'ERROR: ')
# What Gymnasium's checker says of what is no fault here: infinite bounds, and actions that are
# scaled to their bounds anyway.
_NO_FAULTS = ('infinity', 'different from the unwrapped', 'symmetric and normalized')


class Answer(NamedTuple):
  """What reset() or step() brought.

  Attributes:
    observation: as `answers.plain` copies it.
    action: that was given, in the simulator's own form; None for reset().
    reward: a float, None for reset() or where it is no number.
    terminated, truncated: whether the episode ended.
    notes: `answers.Note`s.
    is_whole: whether it was something that an episode can go on from.
  """
  observation: Any
  action: Any = None
  reward: Optional[float] = None
  terminated: bool = False
  truncated: bool = False
  notes: Tuple[answers.Note, ...] = ()
  is_whole: bool = True


class Description(NamedTuple):
  """What a simulator says of itself, and what the toolkit makes of it.

  Attributes:
    type_name: of its class.
    observation_space, action_space: as text.
    observed: key to `types.ArraySpec` of what a policy observes ('' where it is one array).
    left_out: keys of what is observed and not read.
    acts: the `types.ActionSpec` of a policy's actions.
    action_bounds: least and largest of the simulator's own bounds; None where there are choices
      alone.
    own_time_limit: env steps, 0 for none.
    time_limit: env steps that the toolkit allows.
    has_spaces: whether both spaces are `gymnasium.spaces`.
    refusal: why the toolkit does not take it, '' where it does; the attributes from `observed` to
      `time_limit` are None then.
    render_modes: names.
    uses_mujoco: whether MuJoCo was imported.
  """
  type_name: str
  observation_space: str
  action_space: str
  observed: Optional[Mapping[str, types.ArraySpec]]
  left_out: Tuple[str, ...]
  acts: Any
  action_bounds: Optional[Tuple[float, float]]
  own_time_limit: Optional[int]
  time_limit: Optional[int]
  has_spaces: bool
  refusal: str
  render_modes: Tuple[str, ...]
  uses_mujoco: bool


class Played(NamedTuple):
  """What simulators did in the toolkit's hands: episodes (the last ones are unfinished), env steps,
  seconds, and what failed.
  """
  episodes: Tuple[types.Episode, ...]
  env_steps: int
  seconds: float
  faults: Tuple[str, ...]


class Probe(hosts.Local):
  """A bare simulator, without the wrappers that mend or refuse what is wrong with it."""

  def start(self):
    super().start()
    self._kept, self._generator, self._steps, self._failure = [], None, 0, None

  def answer(self):
    """Returns what the method of the asked name returns, each of which takes one argument."""
    method, argument = self._request
    with self._visit, guests.blamed(f'{self.recipe.name} raised in {method}()'):
      return getattr(self, f'_{method}')(argument)

  def _start(self, _):
    """Builds the simulator."""
    self.env = self.recipe.bare()

  def _describe(self, _):
    """Returns a `Description`."""
    env = self.env
    read = lambda attribute: getattr(env, attribute, None)
    has_spaces = all(isinstance(read(name), spaces.Space)
                     for name in ('observation_space', 'action_space'))
    told = Description(
        f'{type(env.unwrapped).__module__}.{type(env.unwrapped).__qualname__}',
        answers.shown(read('observation_space'), _SPACE),
        answers.shown(read('action_space'), _SPACE), None, (),
        None, None, None, None, has_spaces, '', _render_modes(env), 'mujoco' in sys.modules)
    try:
      own = simulators.own_time_limit(self.recipe.name, env)
      wrapped = self.recipe.wrap(env)
    except errors.UserError as error:
      return told._replace(refusal=str(error))
    boxes = [leaf for leaf in actions.leaves(wrapped.get_wrapper_attr('action_tree'))
             if isinstance(leaf, actions.Numbers)]
    bounds = (min(float(box.low.min()) for box in boxes),
              max(float(box.high.max()) for box in boxes)) if boxes else None
    observed = wrapped.get_wrapper_attr('observing')
    return told._replace(
        observed=_by_key(observed.spec), left_out=observed.left_out,
        acts=wrapped.get_wrapper_attr('action_spec'), action_bounds=bounds,
        own_time_limit=own, time_limit=wrapped.get_wrapper_attr('time_limit'),
        uses_mujoco='mujoco' in sys.modules)

  def _reset(self, seed):
    """Begins an episode; random actions follow from the seed, too. Returns an `Answer`."""
    self._generator, self._steps, self._failure = np.random.default_rng(seed), 0, None
    self.env.action_space.seed(seed)
    observation, notes = answers.of_reset(self.env.reset(seed=seed), self.env.observation_space)
    notes += self._changes(observation)
    return Answer(answers.plain(observation), notes=tuple(notes),
                  is_whole=not any(note.code == 'tuple' for note in notes))

  def _step(self, count):
    """Takes random actions until there were so many, the episode ends, or some time is over.

    Returns:
      Their `Answer`s. What is raised after the first of them is raised the next time.
    """
    found, end = [], time.monotonic() + _SECONDS_OF_STEPS
    while len(found) < count and time.monotonic() < end:
      try:
        if self._failure is not None:
          raise self._failure
        found.append(self._taken())
      except BaseException as error:
        if not found:
          raise
        self._failure = error
        break
      if found[-1].terminated or found[-1].truncated or not found[-1].is_whole:
        break
    return tuple(found)

  def _taken(self):
    """Takes one random action. Returns an `Answer`."""
    action = self._random_action()
    before = answers.plain(action)
    answer = self.env.step(action)
    self._steps += 1
    found, notes = answers.of_step(answer, self.env.observation_space)
    if not answers.same(before, answers.plain(action)):
      notes.append(answers.Note('action changed', f'action={before} before and {action} after'))
    if found is None:
      return Answer(None, before, notes=tuple(notes), is_whole=False)
    observation, reward, terminated, truncated = found
    notes += self._changes(observation)
    return Answer(answers.plain(observation), before, reward, terminated, truncated, tuple(notes))

  def _random_action(self):
    action = self.env.action_space.sample()
    if self._steps % _AT_BOUNDS == 0:
      return self._at_bounds(self.env.action_space, action)
    return action

  def _at_bounds(self, space, action):
    """Returns an action with the numbers of its Boxes at their bounds, where these are finite."""
    if isinstance(space, spaces.Dict):
      return {key: self._at_bounds(part, action[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
      return tuple(map(self._at_bounds, space.spaces, action))
    if isinstance(space, spaces.Box):
      bounds = np.where(self._generator.random(space.shape) < 0.5, space.low, space.high)
      return bounds.astype(space.dtype) if np.isfinite(bounds).all() else action
    return action

  def _changes(self, observation):
    """Notes what became of the answers before, and keeps this one."""
    notes = [answers.Note('observation changed', f'{name}={_short(copy)} and later {_short(array)}')
             for name, array, copy in self._kept if not np.array_equal(array, copy, equal_nan=True)]
    new = [(name, array, array.copy()) for name, array in answers.arrays(observation).items()]
    self._kept = (self._kept + new)[-_KEPT_ANSWERS * max(len(new), 1):]
    return notes[:1]

  def _render(self, _):
    """Begins an episode and draws its first two frames. Returns what the last one is."""
    self.env.reset(seed=0)
    self.env.render()
    frame = self.env.render()
    return answers.described(frame)

  def _check_of_gymnasium(self, _):
    """Returns what Gymnasium's own check raises ('' for nothing), and what it warns of."""
    failure = ''
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter('always')
      try:
        env_checker.check_env(self.env, skip_render_check=True, skip_close_check=True)
      except guests.PASSING:
        raise
      except Exception as error:
        failure = f'{type(error).__name__}: {_uncoloured(error)}'
    said = [_uncoloured(each.message) for each in caught
            if issubclass(each.category, UserWarning)]
    return failure, tuple(dict.fromkeys(
        text for text in said if not any(known in text for known in _NO_FAULTS)))

  def _close(self, _):
    """Closes the simulator. Returns the bytes that its process has taken at most."""
    env, self.env = self.env, None
    env.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

  def _play(self, arguments):
    """Steps simulators in this one process; see `play`."""
    recipes, *others = arguments
    return play(parallel.InProcess(recipes), *others)


class Described(hosts.Local):
  """A simulator beside TensorFlow, with its `types.EnvironmentSpec`, as the trainer's process has
  it.
  """

  def __init__(self, recipe, owns_process=False, prepare=lambda: None):
    """As `Local`; `prepare` is called before TensorFlow is imported."""
    super().__init__(recipe, owns_process)
    self._prepare = prepare
    self._spec = None

  def answer(self):
    """Returns after `start` whether there are a reward and a termination function; after `call`
    what a function that is handed in returns, given the spec.
    """
    method, argument = self._request
    with self._visit:
      if method == 'call':
        with guests.blamed('What the trainer calls raised'):
          return argument(self._spec)
      self._prepare()
      from mbrl_tf.environments import base
      with guests.blamed(f'{self.recipe.name} cannot be described'):
        self.env = self.recipe()
        self._spec = base.read_spec(self.env, self.recipe)
      return self._spec.reward is not None, self._spec.terminated is not None


def play(simulated, acts, seed, env_steps, seconds) -> Played:
  """Steps simulators with random actions until that many env steps are taken, or the time is over.

  Args:
    simulated: `parallel.Simulators`, which are closed afterwards.
    acts: the `types.ActionSpec` of one simulator's actions.
    seed: of the actions.
    env_steps: of all simulators together.
    seconds: of wall time, at most, besides what reset() takes at first.
  """
  try:
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter('always')
      observation = simulated.reset()
      size, generator = len(simulated.restarts), np.random.default_rng(seed)
      rows: List[list] = [[] for _ in range(size)]
      episodes, taken, begin = [], 0, time.monotonic()
      while taken < env_steps and time.monotonic() - begin < seconds:
        chosen = acts.sample(generator, (size,))
        step = simulated.step(chosen)
        taken += int(step.env_steps.sum())
        for index in range(size):
          if not step.begins[index]:
            rows[index].append((_row(observation, index), chosen[index], step.reward[index],
                                step.terminated[index]))
          last = step.terminated[index] or step.truncated[index]
          if rows[index] and (last or step.begins[index]):
            if last:
              episodes.append(_episode(rows[index], _row(step.observation, index)))
            rows[index] = []
        observation = step.observation
      passed = time.monotonic() - begin
      episodes += [_episode(part, _row(observation, index))
                   for index, part in enumerate(rows) if part]
  finally:
    simulated.close()
  faults = tuple(str(each.message) for each in caught if each.category is RuntimeWarning)
  return Played(tuple(episodes), taken, passed, faults)


def _row(observation, index):
  if isinstance(observation, dict):
    return {key: part[index] for key, part in observation.items()}
  return observation[index]


def _episode(rows, last):
  observations, actions, rewards, terminated = zip(*rows)
  observations = (*observations, last)
  joined = ({key: np.stack([each[key] for each in observations]) for key in last}
            if isinstance(last, dict) else np.stack(observations))
  return types.Episode(joined, np.stack(actions), np.array(rewards), np.array(terminated))


def _by_key(spec):
  return {'': spec} if isinstance(spec, types.ArraySpec) else spec


def _render_modes(env):
  metadata = getattr(env, 'metadata', None)
  modes = metadata.get('render_modes') if isinstance(metadata, dict) else None
  return tuple(map(str, modes)) if isinstance(modes, (list, tuple)) else ()


def _short(array):
  return answers.shown(array.ravel()[:4].tolist())


def _uncoloured(message):
  text = str(message)
  for mark in _ANSI:
    text = text.replace(mark, '')
  return text.strip()
