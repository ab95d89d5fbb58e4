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


def collection_statistics(collected: types.Collected, room: str = 'collect') -> Dict[str, float]:
  """Returns the statistics of one call of a driver.

  Args:
    collected: what the driver returned; at least one episode.
    room: first part of the metrics' names.

  Returns:
    Those of `return_statistics`, and `episode_length_mean` (decisions), `env_steps_per_second`, `seconds`.
  """
  return {
      **return_statistics(collected.episodes, room),
      f'{room}/episode_length_mean': collected.decisions / len(collected.episodes),
      f'{room}/env_steps_per_second': collected.env_steps / max(collected.seconds, 1e-9),
      f'{room}/seconds': collected.seconds,
  }
