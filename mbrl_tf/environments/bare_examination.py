"""Examines a simulator as it is, without the wrappers that mend or refuse; free of TensorFlow."""

import collections
import contextlib
import dataclasses
import re
import time

from mbrl_tf import errors
from mbrl_tf.environments import answers, examiner, random_play, rendering, report, simulators
from mbrl_tf.environments import wrappers
from mbrl_tf.environments.report import ERROR, OK, WARNING

MEND = 'Mend what it names: training would fail there, too'
LONG_EPISODE = 5000     # env steps: a limit up to which one whole episode is always played
SEEDS = range(11, 10**6)   # of the episodes that are played, one after the other
_AT_ONCE = 50           # steps that are asked for at once
_SECONDS = 20.0         # in which random actions are looked at, at most


class BareExamination(examiner.Examiner):
  """Tells what a simulator is, what it answers, and whether it repeats itself.

  Attributes:
    described: its `probe.Description`, None where it cannot be built.
    is_sound: whether it can be stepped.
  """

  def __init__(self, task):
    """As `Examiner`."""
    super().__init__(task)
    self.described = None   # `probe.Description`
    self.is_sound = True    # whether bare simulators can be stepped
    self._first = []        # answers of the first episode, to be repeated

  def describe(self):
    """Builds one simulator, and tells what it is."""
    with self.telling('environment', MEND, goes_on=False):
      if self.recipe.renders and simulators.is_mujoco(self.recipe.name):
        self.recipe = dataclasses.replace(self.recipe, gl=rendering.back_end())
      self.described = told = self.ask('describe')
      self.add('environment', f'{self.recipe.name} is {told.type_name}')
    if self.described is None:
      return
    if told.refusal:
      self.add('spaces', f'It observes {told.observation_space}, and acts in {told.action_space}')
      found, received = report.in_short(told.refusal)
      self.add('toolkit', f'The toolkit does not take it: {found}', ERROR, received,
               'Change the environment as the sentence says, or wrap it')
      return
    self.add('observations', f'{report.parts(told.observed)}, from {told.observation_space}')
    if told.left_out:
      self.add('texts', 'Texts are left out, for no model reads them', WARNING,
               f'observation keys={", ".join(told.left_out)}',
               'Where they tell what is to be done, make numbers of them by '
               'gymnasium.wrappers.TransformObservation')
    self.add('actions', f'{_described_actions(told)}, from {told.action_space}')
    self._choose_back_end()
    repeat = self.recipe.action_repeat
    each = f'{repeat} env step{"s" * (repeat > 1)} a decision'
    if told.time_limit:
      own = f'{told.own_time_limit:,}' if told.own_time_limit else 'none'
      self.add('time limit', f'{told.time_limit:,} env steps, after which episodes are truncated '
               f'(its own: {own}); {each}')
    else:
      self.add('time limit', 'none is known, so episodes are to end by themselves; one of '
               f'{wrappers.LimitTime.LONGEST:,} env steps is truncated; {each}')

  def _choose_back_end(self):
    """Finds OpenGL for a user's simulator that draws what it observes with MuJoCo."""
    if self.described.uses_mujoco and self.draws_itself():
      with contextlib.suppress(errors.UserError):  # what it draws with is its own affair
        self.recipe = dataclasses.replace(self.recipe, gl=rendering.back_end())

  def draws_itself(self):
    """As `simulators.draws_itself`."""
    return simulators.draws_itself(self.recipe.name, self.described.observed)

  def ask_gymnasium(self):
    """Has Gymnasium's own check look at a simulator that is thrown away."""
    with self.telling('gymnasium', MEND):
      failure, said = self.ask('check_of_gymnasium')
      if failure:
        self.add('gymnasium', "Gymnasium's own check ends with an error", WARNING, failure,
                 'The rows below tell what of it matters here')
      for text in said:
        self.add('gymnasium', "Gymnasium's own check warns", WARNING, text,
                 'See https://gymnasium.farama.org/api/env')
      if not failure and not said:
        self.add('gymnasium', "Gymnasium's own check finds nothing")
    self.end()

  def play_bare(self):
    """Takes random actions, and looks at each answer."""
    self.is_sound = self.described.has_spaces
    if not self.is_sound:
      return
    played = random_play.RandomPlay(self.described.time_limit)
    budget = self.task.env_steps
    if self.limit() <= LONG_EPISODE:
      budget = max(budget, self.limit())
    with self.telling('stepping', MEND):
      answer = self.ask('reset', SEEDS[0])  # the process is started before time counts
      deadline = time.monotonic() + _SECONDS
      is_enough = lambda: played.env_steps >= budget or time.monotonic() > deadline
      for seed in SEEDS[1:]:
        played.begin(answer)
        if not self._finish_episode(played, answer, is_enough) or is_enough():
          break
        answer = self.ask('reset', seed)
    self._first = played.first
    self.is_sound = self.goes_on and played.env_steps > 0
    self.rows += played.rows()
    self.measured.update(played.measured())

  def _finish_episode(self, played, answer, is_enough):
    """Steps on from the first answer of an episode; returns whether it came to its end."""
    while answer.is_whole and not played.ended:
      # one beyond the time limit would be none that training sees
      for answer in self.ask('step', min(_AT_ONCE, self.limit() - played.length)):
        played.take(answer)
      if is_enough():
        break
    return played.ended

  def repeat_seeds(self):
    """Begins the first episode again: in the same process, and in another."""
    if not self.is_sound or len(self._first) < 2:
      return
    advice = ('Call super().reset(seed=seed) in reset(), and draw from self.np_random alone: '
              'otherwise no run can be repeated, nor go on as if it had not been stopped')
    with self.telling('seeds', advice):
      for where in ('in the same process', 'in another process'):
        if where == 'in another process':
          self.end()
        at = self._first_difference()
        if at is not None:
          what = f'the observation of reset(seed={SEEDS[0]})' if at == 0 else f'step {at}'
          self.add('seeds', f'The same seed and the same actions bring another episode {where}',
                   WARNING, f'{what} differs', advice)
          return
      self.add('seeds', f'The same seed brings the same {len(self._first) - 1} steps, also in '
               'another process')

  def _first_difference(self):
    """Plays the beginning of the first episode; returns the first step that differs, or None."""
    again = [self.ask('reset', SEEDS[0])]
    while len(again) < len(self._first):
      again += self.ask('step', len(self._first) - len(again))
    pairs = enumerate(zip(again, self._first))
    return next((at for at, (now, before) in pairs if not answers.same(now[:5], before[:5])), None)

  def close(self):
    """Closes the simulator."""
    with self.telling('closing', 'Let close() end what the simulator has started, and not raise',
                      level=WARNING, hangs_again=False):
      self.measured['process_bytes'] = self.ask('close')
    self.end()

  def draw(self):
    """Draws frames, where the simulator says that it can."""
    asked = self.recipe.renders
    if not asked and 'rgb_array' not in self.described.render_modes:
      self.add('rendering', "No frames: 'rgb_array' is not among metadata['render_modes'], "
               f'{list(self.described.render_modes)}, so there are no pixels and no videos')
      return
    recipe = dataclasses.replace(self.recipe, render_mode='rgb_array')
    with self.telling('rendering', 'Without frames there are no videos and no pixels; BUILD.md, '
                      'Rendering, tells what drawing needs', ERROR if asked else WARNING,
                      hangs_again=asked):
      if self.described.uses_mujoco or simulators.is_mujoco(recipe.name):
        recipe = dataclasses.replace(recipe, gl=rendering.back_end())
      self.end()
      self.host = self.started(recipe)
      frame = self.ask('render')
      is_frame = re.fullmatch(r'uint8\[\d+, \d+, 3\]', frame)
      self.add('rendering', f'Frames are {frame}' if is_frame else 'render() returns no frame',
               OK if is_frame else ERROR if asked else WARNING, '' if is_frame else frame,
               '' if is_frame else "With render_mode='rgb_array' return uint8 [height, width, 3]")
    self.end()

  def limit(self):
    """Returns the time limit in env steps; more than are taken, where there is none."""
    return self.described.time_limit or self.task.env_steps + 1


def _described_actions(told):
  """Says what a policy decides."""
  parts, acts = [], told.acts
  if acts.numbers:
    low, high = told.action_bounds
    parts.append(f'{acts.numbers} number{"s" * (acts.numbers > 1)} in [-1, 1], scaled to the '
                 f"simulator's own bounds ({low:g} to {high:g})")
  for count, times in collections.Counter(acts.choices).items():
    parts.append(f'{"one" if times == 1 else f"{times} times one"} of {count} choices')
  return ', and '.join(parts)
