"""What is told of the episodes that a driver brought."""

from typing import Dict

import numpy as np

from mbrl_tf import types


def return_statistics(episodes, room: str) -> Dict[str, float]:
  """Returns mean, minimum, maximum and standard deviation of the undiscounted returns.

  Args:
    episodes: at least one `types.Episode`.
    room: first part of the metrics' names: `collect` gives `collect/return_mean` and so on.
  """
  returns = np.array([np.sum(episode.reward, dtype=np.float64) for episode in episodes])
  return {
      f'{room}/return_mean': float(returns.mean()),
      f'{room}/return_min': float(returns.min()),
      f'{room}/return_max': float(returns.max()),
      f'{room}/return_std': float(returns.std()),
  }


def collection_statistics(episodes, env_steps: int, seconds: float, room: str = 'collect') -> Dict[str, float]:
  """Returns the statistics of one call of a driver.

  Args:
    episodes: at least one `types.Episode`.
    env_steps: simulator steps taken, action repeat multiplied in.
    seconds: that it took.
    room: first part of the metrics' names.

  Returns:
    Those of `return_statistics`, and `episodes`, `episode_length_mean` (decisions), `terminated_fraction`,
    `env_steps_per_second`; and `return_mean_member_<k>` for each member that collected.
  """
  statistics = {
      **return_statistics(episodes, room),
      f'{room}/episodes': float(len(episodes)),
      f'{room}/episode_length_mean': float(np.mean([len(episode.reward) for episode in episodes])),
      f'{room}/terminated_fraction': float(np.mean([episode.terminated[-1] for episode in episodes])),
      f'{room}/env_steps_per_second': env_steps / max(seconds, 1e-9),
  }
  for member in sorted({episode.member for episode in episodes if episode.member >= 0}):
    own = [episode for episode in episodes if episode.member == member]
    statistics[f'{room}/return_mean_member_{member}'] = return_statistics(own, room)[f'{room}/return_mean']
  return statistics
