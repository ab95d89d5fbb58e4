"""Predictions against real episodes, step by step."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import open_loop
from tests.algorithms.tdmpc2 import small


def row(spec, episode, at, frames):
  """The observation at a step with the images before it, by hand, as a batch of one."""
  pick = lambda value: value[at][None]
  if not isinstance(spec.observation, dict):
    return tf.constant(pick(episode.observation))
  seen = {key: tf.constant(pick(value)) for key, value in episode.observation.items()}
  images = episode.observation['image']
  return {
      **seen, 'image': tf.constant(np.concatenate(list(images[at - frames + 1:at + 1]), -1)[None])
  }


@pytest.mark.parametrize('observation, choices', [('vector', None), ('both', 3)])
@pytest.mark.parametrize('length, horizons', [(20, (1, 3, 15)), (9, (1, 3))])
def test_errors_compare_what_is_predicted_with_what_came(observation, choices, length, horizons,
                                                         monkeypatch):
  tf.config.run_functions_eagerly(True)
  monkeypatch.setattr(open_loop, '_WINDOWS', 4)
  spec, config = small.spec(observation, choices), small.config()
  world, _ = small.models(spec, config)
  frames, predicted = world.frames, max(horizons)
  episode = small.episode(spec, length)
  errors = open_loop.OpenLoop(world).errors([episode, small.episode(spec, 2, 1)])
  last = length + 1 - frames - predicted  # the last place where a part begins
  starts = np.linspace(0, last, 4).round().astype(int)
  squared = {'reward': np.zeros((4, predicted)), 'latent': np.zeros((4, predicted))}
  for index, start in enumerate(starts):
    at = start + frames - 1
    latent = world.encode(row(spec, episode, at, frames))
    for step in range(predicted):
      action = world.action_features(tf.constant(episode.action[at + step][None]))
      reward = 10.0 * float(world.reward(latent, action).mean()[0])  # the unit is 10
      squared['reward'][index, step] = (reward - episode.reward[at + step]) ** 2
      latent = world.next(latent, action)
      seen = world.encode(row(spec, episode, at + step + 1, frames))
      squared['latent'][index, step] = np.mean((latent - seen) ** 2)
  assert set(errors) == {f'model/{kind}_error_horizon_{h}' for kind in squared for h in horizons}
  for kind, values in squared.items():
    for h in horizons:
      assert errors[f'model/{kind}_error_horizon_{h}'] == pytest.approx(
          values[:, h - 1].mean(), rel=1e-3)
  tf.config.run_functions_eagerly(False)


def test_no_episode_long_enough_is_no_error():
  world, _ = small.models(small.spec(), small.config())
  assert open_loop.OpenLoop(world).errors([small.episode(small.spec(), 2)]) == {}
