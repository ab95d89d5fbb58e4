"""From a simulator's own episodes to those that are stored, and back; free of TensorFlow."""

import numpy as np

from mbrl_tf import errors, types
from mbrl_tf.environments import action_rows, observed


class Native:
  """Reads and writes episodes as one task has them.

  What is read is held to the task as a simulator's answers are: the shapes and the types of its
  spaces, finite numbers, choices that there are. Actions lie within their bounds.

  Attributes:
    name: of the task.
    time_limit: env steps of an episode at most; 0 where none is known.
    observation_space, action_space: the simulator's own, without what is not read of observations.
  """

  def __init__(self, env, name, action_repeat):
    """Takes what it must know of a simulator, and keeps nothing of it.

    Args:
      env: as its recipe built it.
      name: of the task.
      action_repeat: env steps of a decision.
    """
    self.name = name
    self._observing = env.get_wrapper_attr('observing')
    self._actions = action_rows.ActionRows(
        env.get_wrapper_attr('action_spec'), env.get_wrapper_attr('action_tree'))
    self.time_limit, self._action_repeat = env.get_wrapper_attr('time_limit'), action_repeat
    self.observation_space = self._observing.own_space
    self.action_space = env.action_space

  def read(self, episode: types.NativeEpisode) -> types.Episode:
    """Returns an episode as it is stored.

    Raises:
      UserError: it is none of this task; says why.
    """
    decisions = self._require_lengths(episode)
    with np.errstate(over='ignore'):  # which the next lines tell
      reward = self._numbers('reward', episode.reward, 'biuf').astype(np.float32)
    if not np.isfinite(reward).all():
      raise errors.UserError('Rewards must be finite numbers, as float32 holds them. '
                             f'Received: reward={_first(reward, ~np.isfinite(reward))}')
    terminated = self._ends(episode, decisions)
    try:
      observation = self._observing.read_rows(episode.observation)
    except observed.Misfit as misfit:
      raise errors.UserError(f'The observation is none of {self.name}. Expected for key '
                             f'{misfit.key!r}: {misfit.expected}. Received: {misfit.received}'
                             ) from None
    try:
      action = self._actions.read(episode.action)
    except ValueError as error:
      raise errors.UserError(f'The action is none of {self.name}, in whose own units it must be. '
                             f'Received: {error}') from None
    return types.Episode(observation, action, reward, terminated)

  def write(self, episode: types.Episode) -> types.NativeEpisode:
    """Returns a stored episode in the simulator's own arrays: what it showed, and was given.

    An episode that did not terminate was truncated.
    """
    truncated = np.zeros(len(episode.reward), bool)
    truncated[-1] = not episode.terminated[-1]
    return types.NativeEpisode(
        self._observing.own_rows(episode.observation), self._actions.own_rows(episode.action),
        np.asarray(episode.reward, np.float32), np.asarray(episode.terminated, bool), truncated,
        self._action_repeat)

  def nested(self, episode: types.NativeEpisode):
    """Returns observations and actions in the structures of the two spaces."""
    return self._observing.nested(episode.observation), self._actions.nested(episode.action)

  def flat(self, observations, actions_):
    """Returns observations and actions by key, of the structures of the simulator's spaces.

    Raises:
      UserError: there is another structure.
    """
    try:
      return self._observing.flat(observations), self._actions.flat(actions_)
    except observed.Misfit as misfit:
      raise errors.UserError(f'Observations of {self.name} have {misfit.expected} under '
                             f'{misfit.key!r}. Received: {misfit.received}') from None

  def _require_lengths(self, episode):
    """Returns the number of decisions; raises where arrays do not fit each other, or the task."""
    if episode.action_repeat != self._action_repeat:
      raise errors.UserError(
          f'A row must be {self._action_repeat} env steps, for which an action is held; '
          f'--config.environment.action_repeat tells how many. Received: '
          f'action_repeat={episode.action_repeat}')
    reward = self._numbers('reward', episode.reward, 'biuf')
    decisions = len(reward)
    if not decisions:
      raise errors.UserError('An episode has a decision at least. Received: len(reward)=0')
    for part, rows in (('observation', decisions + 1), ('action', decisions)):
      for key, array in getattr(episode, part).items():
        if np.ndim(array) == 0 or len(array) != rows:
          raise errors.UserError(
              f'An episode of {decisions} rewards needs {rows} rows of {part}, because it has one '
              'observation more than decisions. '
              f'Received: key={key!r} with shape={list(np.shape(array))}')
    longest = -(-self.time_limit // self._action_repeat)
    if longest and decisions > longest:
      raise errors.UserError(
          f'Episodes of {self.name} have {longest} decisions at most; '
          '--config.environment.time_limit allows longer ones. '
          f'Received: len(reward)={decisions}')
    return decisions

  def _ends(self, episode, decisions):
    """Returns `terminated`, bool `[T]`; raises where an episode goes on after it ended."""
    flags = {'terminated': episode.terminated, 'truncated': episode.truncated}
    for name, value in flags.items():
      if value is None:
        continue
      array = self._numbers(name, value, 'biuf')
      if len(array) != decisions or not np.isin(array, (0, 1)).all():
        raise errors.UserError(f'{name} must be True or False for each of {decisions} decisions. '
                               f'Received: {name}={_described(array)}')
      if array[:-1].any():
        raise errors.UserError(
            'An episode ends where it is terminated or truncated, and a file holds one episode. '
            f'Received: {name} in row {int(np.argmax(array))} of {decisions}')
    return np.asarray(episode.terminated).astype(bool)

  def _numbers(self, name, value, kinds):
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in kinds:
      raise errors.UserError(f'{name} must have one number for each decision. '
                             f'Received: {name}={_described(array)}')
    return array


def _first(array, at):
  row = int(np.argmax(at))
  return f'{array[row]} in row {row}'


def _described(array):
  return f'{array.dtype}{list(array.shape)}'
