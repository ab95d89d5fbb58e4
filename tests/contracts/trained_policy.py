"""Small deterministic policies in numpy, kept as files without pickle; `make_trained_policies.py` finds them."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

FOLDER = pathlib.Path(__file__).parent / 'data'


class TrainedPolicy(NamedTuple):
  """Reads the first entries of an observation, normalised, and where it has a period a clock; one layer, or two of tanh."""
  mean: Any       # [P], of the P entries that it reads; P = 0 for a gait that looks at nothing
  std: Any        # [P]
  period: Any     # [], decisions in which the clock goes round once; 0 for no clock
  kernels: Any    # [weights, ...], flat, one array after the other: [inputs + 1, hidden], [hidden + 1, A]; the 1 is a bias
  hidden: Any     # [], width of the hidden layer; 0 for a linear policy

  def action(self, observation, time):
    """Returns the action `[..., A]` in [-1, 1] at an observation `[..., O]` after `time` decisions of an episode."""
    observation = np.asarray(observation)
    inputs = (observation[..., :len(self.mean)] - self.mean) / self.std
    if self.period:
      angle = 2 * np.pi * time / self.period
      inputs = np.concatenate([inputs, np.broadcast_to([np.sin(angle), np.cos(angle)], inputs.shape[:-1] + (2,))], -1)
    split = (inputs.shape[-1] + 1) * int(self.hidden)
    if split:
      inputs = np.tanh(_affine(self.kernels[:split].reshape(-1, int(self.hidden)), inputs))
    return np.tanh(_affine(self.kernels[split:].reshape(inputs.shape[-1] + 1, -1), inputs)).astype(np.float32)

  def save(self, name):
    """Writes the policy of a task."""
    FOLDER.mkdir(exist_ok=True)
    np.savez(_path(name), **{field: np.asarray(value, np.float32) for field, value in self._asdict().items()})


def load(name):
  """Returns the `TrainedPolicy` of a task such as `gym:Hopper-v5`."""
  with np.load(_path(name), allow_pickle=False) as stored:
    return TrainedPolicy(**stored)


def number_of_weights(inputs, hidden, actions):
  """How many weights a policy has, whose inputs count the two of the clock."""
  return (inputs + 1) * hidden + (hidden + 1) * actions if hidden else (inputs + 1) * actions


def _path(name):
  return FOLDER / f'{name.replace(":", "_")}.npz'


def _affine(weights, inputs):
  return inputs @ weights[:-1] + weights[-1]
