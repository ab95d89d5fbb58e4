"""A task's function against its simulator, as a row of a report; free of TensorFlow."""

from mbrl_tf.environments import answers, report


def of(compared, episodes):
  """Returns the `report.Row` of a comparison.

  Args:
    compared: `agreement.Comparison`.
    episodes: the `types.Episode`s that were compared.
  """
  share = f'in {100 * compared.equal_share:.4g}% of {compared.entries:,} transitions'
  is_reward = compared.function == 'reward_function'
  if compared.agrees and compared.equal_share == 1:
    return report.Row(compared.function, report.OK, f'It says what the simulator does {share}')
  if compared.agrees:
    said = (f'{compared.error:.3g}, which is {100 * compared.error / compared.spread:.2g}% of the '
            'spread of rewards' if is_reward else f'{compared.error:.2g} of the decisions')
    return report.Row(compared.function, report.OK, 'It is near what the simulator does: the error '
                      f'is {said}; equal {share}')
  return report.Row(
      compared.function, report.ERROR,
      f'It is not what the simulator {"pays" if is_reward else "does"}, equal {share}: '
      f'{compared.totals()}', f'{compared.received()}; {_entry(compared.worst, episodes)}',
      'Compute the two numbers of this transition by hand. Is it the sign, a unit, the observation '
      "before the step instead of after it, or an action that is not in the simulator's own units?"
      if is_reward else 'Ask of this next_observation by hand what step() asks')


def _entry(worst, episodes):
  """Tells one transition in numbers."""
  episode, row = episodes[worst[0]], worst[1]
  pick = lambda index: (
      {key: part[index] for key, part in episode.observation.items()}
      if isinstance(episode.observation, dict) else episode.observation[index])
  named = (('observation', pick(row)), ('action', episode.action[row]),
           ('next_observation', pick(row + 1)))
  return ', '.join(f'{name}={answers.rounded(value)}' for name, value in named)
