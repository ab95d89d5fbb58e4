"""Finds the policies in data/ by search in the simulators: python -m tests.contracts.make_trained_policies [TASK ...]

The search is augmented random search (Mania et al. 2018, arXiv:1803.07055): a step along random directions, weighted by
the difference of the returns on both sides. The policies are kept because another version of MuJoCo or numpy may find
others. Takes some minutes in all, and no TensorFlow.
"""

import sys
from typing import NamedTuple

import numpy as np

from mbrl_tf.environments import simulators
from tests.contracts import trained_policy


class Search(NamedTuple):
  """How a task's policy is found.

  Attributes:
    iterations: steps of the search.
    size: of a step, and of the change along a direction, in units of the weights.
    episodes: on which each candidate is tried.
    time_limit: of these, in env steps.
    observed: how many entries of the observation the policy reads; -1 for all.
    period: decisions in which its clock goes round; 0 for no clock.
    hidden: width of its hidden layer; 0 for a linear policy.
    draws: random policies of which the best is the first one; 0 begins with all weights 0.
    bonus: paid for being alive, which the search leaves out where standing still would be the best.
  """
  iterations: int
  size: float = 0.1
  episodes: int = 1
  time_limit: int = 200
  observed: int = -1
  period: float = 0.0
  hidden: int = 0
  draws: int = 0
  bonus: float = 0.0


SEARCHES = {
    'gym:HalfCheetah-v5': Search(30),
    'gym:Hopper-v5': Search(60),
    'gym:Walker2d-v5': Search(40),
    'gym:Ant-v5': Search(40, size=0.05, time_limit=100, observed=0, period=12.0, draws=60, bonus=1.0),
    'gym:Swimmer-v5': Search(30, size=0.2),
    'gym:InvertedPendulum-v5': Search(10, size=0.2),
    'gym:InvertedDoublePendulum-v5': Search(50, episodes=3),
    'gym:Reacher-v5': Search(30, size=0.05, episodes=4, time_limit=50),
    'gym:Pusher-v5': Search(60, size=0.03, time_limit=100),
    'gym:Pendulum-v1': Search(50, size=0.3, episodes=4, hidden=8, draws=40),
}
DIRECTIONS, USED = 8, 4   # random directions in a step, and how many of them, those with the highest returns, count
JUDGED_EVERY = 5          # steps; the policy that was the best when judged is kept, for a step may also be one too many


class Simulator:
  """One simulator of a task, on which policies are tried.

  Attributes:
    actions: A.
  """

  def __init__(self, name, settings):
    self._env = simulators.Recipe(name, {}, time_limit=settings.time_limit)()
    self._bonus = settings.bonus
    self.actions = self._env.action_space.shape[0]

  def episode(self, number, act):
    """Plays episode `number` with `act(observation, time)`; returns the observations `[T, O]`, and the return less bonuses."""
    self._env.episode_counter = number
    (observation, _), seen, total, ended = self._env.reset(), [], 0.0, False
    while not ended:
      seen.append(observation)
      observation, reward, terminated, truncated, _ = self._env.step(act(observation, len(seen) - 1))
      total += reward - self._bonus
      ended = terminated or truncated
    return np.stack(seen), total

  def mean_return(self, policy, numbers):
    """Of the episodes with these numbers."""
    return np.mean([self.episode(number, policy.action)[1] for number in numbers])


def search(name):
  """Returns the `TrainedPolicy` that was found for a task, and its mean return (less bonuses) on five other episodes."""
  settings, rng = SEARCHES[name], np.random.default_rng(0)
  simulator = Simulator(name, settings)
  random = lambda observation, time: rng.uniform(-1, 1, simulator.actions).astype(np.float32)
  seen = np.concatenate([simulator.episode(number, random)[0] for number in range(10)])
  seen = seen[:, :None if settings.observed < 0 else settings.observed]
  make = lambda weights: trained_policy.TrainedPolicy(
      seen.mean(0), np.maximum(seen.std(0), 0.1), settings.period, weights, settings.hidden)
  tried = lambda weights, numbers: simulator.mean_return(make(weights), numbers)

  inputs = seen.shape[1] + (2 if settings.period else 0)
  size = trained_policy.number_of_weights(inputs, settings.hidden, simulator.actions)
  draws = [np.zeros(size)] if not settings.draws else [
      rng.uniform(0.1, 0.6) * rng.normal(size=size) for _ in range(settings.draws)]
  weights = max(draws, key=lambda draw: tried(draw, range(settings.episodes)))
  best, best_return = None, -np.inf
  for iteration in range(settings.iterations):
    numbers = 100 + iteration * settings.episodes + np.arange(settings.episodes)
    weights = step(weights, lambda changed: tried(changed, numbers), settings.size, rng)
    if iteration % JUDGED_EVERY == JUDGED_EVERY - 1:
      judged = tried(weights, range(10, 15))
      if judged > best_return:
        best, best_return = make(weights), judged
  return best, best_return


def step(weights, tried, size, rng):
  """Returns the weights after one step of the search; `tried` is the return of weights."""
  directions = rng.normal(size=(DIRECTIONS, len(weights)))
  returns = np.array([[tried(weights + size * direction), tried(weights - size * direction)] for direction in directions])
  used = np.argsort(-returns.max(1))[:USED]
  gradient = (returns[used, 0] - returns[used, 1]) @ directions[used] / USED
  return weights + size / (returns[used].std() + 1e-8) * gradient


def main(names):
  for name in names or SEARCHES:
    policy, found = search(name)
    policy.save(name)
    print(f'{name}: {found:.1f}', flush=True)


if __name__ == '__main__':
  main(sys.argv[1:])
