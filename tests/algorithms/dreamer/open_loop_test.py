"""Predictions against real episodes: alignment, and what the video shows where."""

import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import open_loop
from mbrl_tf.models import rssm, vision
from tests.algorithms.dreamer import small


def make(observation):
  spec = small.spec(observation)
  world = small.models(spec, small.config())[0]
  return open_loop.OpenLoop(world, spec), world, spec


def episode(spec, length, seed):
  generator = np.random.default_rng(seed)

  def draw(array):
    shape = (length + 1, *array.shape)
    return generator.integers(0, 256, shape).astype(np.uint8) if array.dtype == 'uint8' else generator.normal(size=shape).astype('f')

  observation = ({key: draw(array) for key, array in spec.observation.items()} if isinstance(spec.observation, dict)
                 else draw(spec.observation))
  return types.Episode(observation, generator.uniform(-1, 1, (length, small.A)).astype(np.float32),
                       generator.normal(size=length).astype(np.float32), np.zeros(length, bool))


def by_hand(world, episode):
  """Features after 5 observations and then 45 actions, one step at a time."""
  noise = tf.random.stateless_normal([2, 5, 1, 4], [0, 0])
  later = tf.random.stateless_normal([45, 1, 4], [0, 0])
  state, features = world.rssm.initial(1), []
  for t in range(50):
    action = tf.zeros([1, small.A]) if t == 0 else tf.constant(episode.action[t - 1:t])
    if t < 5:
      seen = tf.nest.map_structure(lambda value: tf.constant(value[t:t + 1]), episode.observation)
      state = world.rssm.posterior(world.rssm.prior(state, action, noise[1, t]), world.encode(seen), noise[0, t])
    else:
      state = world.rssm.prior(state, action, later[t - 5])
    features.append(rssm.features(state))
  return tf.concat(features, 0)


def test_errors_compare_each_reward_with_the_prediction_for_its_step():
  tested, world, spec = make('vector')
  real = episode(spec, 60, 0)
  errors = tested.errors([real, episode(spec, 10, 1)])  # the second is too short to be compared
  predicted = world.reward(by_hand(world, real)).mean().numpy()
  for horizon in (1, 15, 45):
    # Row 4 is the last one seen; the reward of action t belongs to row t + 1.
    row = 4 + horizon
    np.testing.assert_allclose(errors[f'model/reward_error_horizon_{horizon}'], (predicted[row] - real.reward[row - 1]) ** 2, rtol=2e-3)
  assert tested.videos([real]) == {}


def test_no_episode_long_enough_is_no_error():
  tested, _, spec = make('image')
  short = [episode(spec, 48, 0)]
  assert tested.errors(short) == {} and tested.videos(short) == {}


def test_a_video_shows_truth_model_and_difference_from_top_to_bottom():
  tested, world, spec = make('both')
  episodes = [episode(spec, 49, seed) for seed in range(8)]
  videos = tested.videos(episodes)
  assert set(videos) == {'model/open_loop_image'}
  frames = videos['model/open_loop_image']()
  assert frames.shape == (50, 3 * 16, 6 * 16, 3) and frames.dtype == np.uint8
  for column in range(6):
    part = frames[:, :, 16 * column:16 * (column + 1)].astype(int)
    np.testing.assert_array_equal(part[:, :16], episodes[column].observation['image'])
    np.testing.assert_allclose(part[:, 32:], 127.5 + (part[:, 16:32] - part[:, :16]) / 2, atol=2)
  # Noise differs by row, so what is computed by hand for one episode is compared with the video of that one.
  model = tested.videos(episodes[:1])['model/open_loop_image']()[:, 16:32]
  expected = vision.postprocess(world.decode(by_hand(world, episodes[0]))['image'])
  np.testing.assert_allclose(model.astype(int), expected.numpy().astype(int), atol=2)
