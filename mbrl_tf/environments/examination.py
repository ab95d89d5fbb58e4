"""Examines an environment: what it is, what the toolkit makes of it, and what is wrong with it.

Free of TensorFlow and of the user's code in this process.
"""

import dataclasses
import functools

from mbrl_tf.environments import bare_examination, comparison_row, parallel, probe
from mbrl_tf.environments import report, simulators
from mbrl_tf.environments.examiner import Task
from mbrl_tf.environments.report import ERROR

_SECONDS_OF_PLAY = 5.0      # from which speeds are told, at most
_SECONDS_OF_TENSORFLOW = 300.0   # that its import, and to build an algorithm, may take


def examine(task: Task) -> report.Report:
  """Examines a task. Whatever its simulators do, there is a report."""
  return Examination(task).examine()


def recipe(settings, seed):
  """Returns the `simulators.Recipe` of a config's environment."""
  return simulators.Recipe(
      settings.name, dict(settings.kwargs), settings.time_limit, settings.env_steps_per_decision,
      seed, 0, None, settings.observation, settings.image_size, settings.camera,
      settings.images)


class Examination(bare_examination.BareExamination):
  """Besides what a simulator is: how it does in training, and whether its functions are right."""

  def __init__(self, task):
    """As `examiner.Examiner`."""
    super().__init__(task)
    self._episodes = ()     # in the toolkit's hands, at last without action repeat

  def parts(self):
    """Returns what is examined, in order."""
    return (self.describe, self.ask_gymnasium, self.play_bare, self.repeat_seeds, self.close,
            self.draw, self.play_as_in_training, self.ask_functions, self.ask_algorithm, self.weigh)

  def play_as_in_training(self):
    """Steps one simulator and N of them as training does, and tells how fast they are."""
    if self.described.refusal or not self.is_sound:
      return
    speeds, before = {}, len(self.rows)
    for count in sorted({1, self.task.num_envs}):
      with self.telling('in training', bare_examination.MEND):
        played = self._played(self.recipe, count)
        self._tell_faults(played)
        if played.env_steps:
          speeds[count] = played.env_steps / max(played.seconds, 1e-9)
          self._episodes = played.episodes
      if len(self.rows) > before:  # N of them fail as one does
        break
    if speeds:
      told = ', '.join(f'{rate:,.0f} with {count} simulator{"s" * (count > 1)}'
                       for count, rate in speeds.items())
      place = 'processes of their own' if self._in_processes() else 'one process'
      self.add('speed', f'Env steps per second of random actions: {told}, in {place}')
      self.measured.update({f'env_steps_per_second_{n}': rate for n, rate in speeds.items()})
    if self._episodes and self.recipe.action_repeat > 1 and self.goes_on:
      with self.telling('in training', bare_examination.MEND):
        one = dataclasses.replace(self.recipe, action_repeat=1)
        self._episodes = self._played(one, 1).episodes
    self.end()

  def _tell_faults(self, played):
    for fault in played.faults[:1]:
      found, received = report.in_short(fault)
      self.add('in training', found, ERROR, received, f'{bare_examination.MEND}; '
               f'here {len(played.faults)} time(s)')

  def _played(self, recipe, count):
    """Returns what `probe.play` brings, as training would run so many simulators."""
    recipes = [dataclasses.replace(recipe, index=index) for index in range(count)]
    enough = max(self.task.env_steps, min(self.limit(), bare_examination.LONG_EPISODE)) * count
    arguments = (self.described.acts, bare_examination.SEEDS[0], enough, _SECONDS_OF_PLAY)
    timeout = self.task.timeout_seconds
    if self._in_processes():
      return probe.play(parallel.Processes(recipes, timeout), *arguments)
    # All of it is one answer, in which building and a single step may take their time.
    return self.ask('play', (recipes, *arguments), timeout + _SECONDS_OF_PLAY)

  def _in_processes(self):
    return parallel.choose(
        self.task.parallel, self.recipe, self.draws_itself()) == 'processes'

  def ask_functions(self):
    """Reads the two functions beside TensorFlow, and holds them against the toolkit's episodes."""
    if self.described.refusal:
      return
    advice = ('It takes batches of tensors, [..., O] and [..., A], and returns [...]; '
              'docs/environments.md has an example')
    with self.telling('functions', advice):
      self.host = self.started(
          dataclasses.replace(self.recipe, action_repeat=1, gl=None, beside_tensorflow=True),
          functools.partial(probe.Described, prepare=self.task.prepare), _SECONDS_OF_TENSORFLOW)
      self._tell_of_missing(*self.first_answer)
      if any(self.first_answer) and self._episodes:
        compare = functools.partial(self.task.compare, episodes=self._episodes)
        for each in self.ask('call', compare):
          self.measured[f'{each.function}_error'] = each.error
          self.rows.append(comparison_row.of(each, self._episodes))

  def _tell_of_missing(self, has_reward, has_terminated):
    """Tells which of the two functions are not there, where they would be needed."""
    if not has_reward:
      self.add('reward_function', 'There is none: rewards are learned')
    terminates = self.measured.get('terminated_episodes') or any(
        episode.terminated.any() for episode in self._episodes)
    if not has_terminated and terminates:
      self.add('terminated_function', 'There is none, and episodes terminate: ends are learned')

  def ask_algorithm(self):
    """Has the algorithm built for the spec, beside TensorFlow."""
    if self.described.refusal or self.host is None:
      return
    name = self.task.algorithm
    with self.telling('algorithm', 'Change the environment as the sentence says '
                      '(docs/environments.md has an example), or take the config of another '
                      'algorithm'):
      self.ask('call', self.task.accepts, _SECONDS_OF_TENSORFLOW)
      self.add('algorithm', f'{name} takes it')

  def weigh(self):
    """Tells the memory of an episode, and of all that the run will keep."""
    self.end()
    if self.described.refusal:
      return
    told, task, repeat = self.described, self.task, self.recipe.action_repeat
    bytes_each = report.bytes_of_decision(told.observed, told.acts)
    longest = told.time_limit or max(self.measured.get('episode_lengths') or [self.limit()])
    decisions = -(-longest // repeat)
    of_run = -(-task.run_env_steps // repeat)
    learned = min(of_run, task.kept_decisions or of_run)
    packed = any(part.is_image for part in told.observed.values())
    size = report.size
    as_long = 'the limit' if told.time_limit else 'the longest that was played'
    text = (f'{size(bytes_each * decisions)} for an episode as long as {as_long} '
            f'({decisions:,} decisions); {size(bytes_each * of_run)} on disk for the '
            f'{task.run_env_steps:,} env steps of the run{", before compression" * packed}, '
            f'{size(bytes_each * learned)} of which are learned from')
    if task.cache_bytes is not None:
      text += f', at most {size(task.cache_bytes)} at once in memory (replay.cache_mib)'
    if 'process_bytes' in self.measured:
      taken = size(self.measured['process_bytes'])
      text += f'. One simulator in a process of its own takes {taken}'
    self.add('memory', text)
    self.measured.update(bytes_per_decision=bytes_each, bytes_per_episode=bytes_each * decisions,
                         bytes_of_replay=bytes_each * learned)
