"""What is told of the episodes that a driver brought."""

from typing import Dict

import numpy as np


def summaries(episodes) -> np.ndarray:
  """Returns one row for each `types.Episode`, float64 `[episodes, 6]`.

  Its entries: return, decisions, whether it terminated, member, least and largest reward of a decision.
  """
  return np.array([[np.sum(episode.reward, dtype=np.float64), len(episode.reward), episode.terminated[-1], episode.member,
                    np.min(episode.reward), np.max(episode.reward)] for episode in episodes], np.float64).reshape(-1, 6)


def return_statistics(returns, room: str) -> Dict[str, float]:
  """Returns mean, minimum, maximum and standard deviation of the undiscounted returns.

  Args:
    returns: `[episodes]`, at least one.
    room: first part of the metrics' names: `collect` gives `collect/return_mean` and so on.
  """
  return {
      f'{room}/return_mean': float(returns.mean()),
      f'{room}/return_min': float(returns.min()),
      f'{room}/return_max': float(returns.max()),
      f'{room}/return_std': float(returns.std()),
  }


def collection_statistics(rows, env_steps: int, seconds: float, room: str = 'collect') -> Dict[str, float]:
  """Returns the statistics of one call of a driver.

  Args:
    rows: `summaries` of at least one episode.
    env_steps: simulator steps taken, action repeat multiplied in.
    seconds: that it took.
    room: first part of the metrics' names.

  Returns:
    Those of `return_statistics`, and `episodes`, `episode_length_mean` (decisions), `terminated_fraction`, `reward_min` and
    `reward_max` (of a decision), `env_steps_per_second`; and `return_mean_member_<k>` for each member that collected.
  """
  returns, decisions, terminated, members, least, largest = np.asarray(rows).T
  statistics = {
      **return_statistics(returns, room),
      f'{room}/episodes': float(len(returns)),
      f'{room}/episode_length_mean': float(decisions.mean()),
      f'{room}/terminated_fraction': float(terminated.mean()),
      f'{room}/reward_min': float(least.min()),
      f'{room}/reward_max': float(largest.max()),
      f'{room}/env_steps_per_second': env_steps / max(seconds, 1e-9),
  }
  for member in np.unique(members[members >= 0]):
    statistics[f'{room}/return_mean_member_{int(member)}'] = float(returns[members == member].mean())
  return statistics
