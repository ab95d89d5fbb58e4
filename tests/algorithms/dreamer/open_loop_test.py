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
  return open_loop.OpenLoop(world), world, spec


def episode(spec, length, seed):
  generator = np.random.default_rng(seed)

  def draw(array):
    shape = (length + 1, *array.shape)
    return generator.integers(0, 256, shape).astype(np.uint8) if array.dtype == 'uint8' else generator.normal(size=shape).astype('f')

  observation = ({key: draw(array) for key, array in spec.observation.items()} if isinstance(spec.observation, dict)
                 else draw(spec.observation))
  return types.Episode(observation, generator.uniform(-1, 1, (length, small.A)).astype(np.float32),
                       generator.normal(size=length).astype(np.float32), np.zeros(length, bool))


def by_hand(world, windows, length=45, seed=(0, 0)):
  """Features after 5 observations and then some actions, one step at a time, `[n, 5 + length,
  F]`."""
  n = len(windows)
  seeds = tf.random.experimental.stateless_split(seed, 2)
  noise = tf.random.stateless_normal([2, 5, n, 4], seeds[0])
  later = tf.random.stateless_normal([length, n, 4], seeds[1])
  state, features = world.rssm.initial(n), []
  for t in range(5 + length):
    # Zeros where an episode begins; a window inside one begins from the action before it.
    action = tf.constant(np.stack([e.action[start + t - 1] if start + t else np.zeros(small.A, np.float32) for e, start in windows]))
    if t < 5:
      rows = [tf.nest.map_structure(lambda value: value[start + t], e.observation) for e, start in windows]
      seen = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *rows)
      state = world.rssm.posterior(world.rssm.prior(state, action, noise[1, t]), world.encode(seen), noise[0, t])
    else:
      state = world.rssm.prior(state, action, later[t - 5])
    features.append(rssm.features(state))
  return tf.stack(features, 1)


def test_errors_compare_each_reward_with_the_prediction_for_its_step():
  tested, world, spec = make('vector')
  real = episode(spec, 59, 0)  # 11 windows of 50 observations; six of them begin 2 apart
  errors = tested.errors([real, episode(spec, 10, 1)])  # the second is too short to be compared
  windows = [(real, start) for start in (0, 2, 4, 6, 8, 10)]
  predicted = world.reward(by_hand(world, windows)).mean().numpy()
  for horizon in (1, 15, 45):
    # Row 4 is the last one seen; the reward of action t belongs to row t + 1.
    expected = np.mean([(predicted[i, 4 + horizon] - e.reward[start + 3 + horizon]) ** 2 for i, (e, start) in enumerate(windows)])
    np.testing.assert_allclose(errors[f'model/reward_error_horizon_{horizon}'], expected, rtol=2e-3)
  assert tested.videos([real]) == {}


def test_the_number_of_episodes_may_change():
  tested, _, spec = make('vector')
  for count in (3, 2, 8):
    assert len(tested.errors([episode(spec, 49, seed) for seed in range(count)])) == 3


def test_no_episode_long_enough_is_no_error():
  tested, _, spec = make('image')
  short = [episode(spec, 18, 0)]
  assert tested.errors(short) == {} and tested.videos(short) == {}


def test_of_shorter_episodes_less_is_predicted():
  tested, _, spec = make('image')
  real = [episode(spec, 48, 0), episode(spec, 19, 1)]
  errors, frames = tested.errors(real), tested.videos(real)['model/open_loop_observation'].draw()
  assert set(errors) == {'model/reward_error_horizon_1', 'model/reward_error_horizon_15'} and frames.shape == (20, 48, 96, 3)
  np.testing.assert_array_equal(frames[:, :16, -16:], real[1].observation)
  np.testing.assert_array_equal(frames[:, :16, :16], real[0].observation[:20])


def test_a_video_shows_truth_model_and_difference_from_top_to_bottom():
  tested, world, spec = make('both')
  episodes = [episode(spec, 49, seed) for seed in range(6)]
  videos = tested.videos(episodes)
  assert set(videos) == {'model/open_loop_image'}
  frames = videos['model/open_loop_image'].draw().astype(int)
  assert frames.shape == (50, 3 * 16, 6 * 16, 3)
  expected = vision.postprocess(world.decode(by_hand(world, [(e, 0) for e in episodes]))['image']).numpy()
  for column in range(6):
    part = frames[:, :, 16 * column:16 * (column + 1)]
    np.testing.assert_array_equal(part[:, :16], episodes[column].observation['image'])
    np.testing.assert_allclose(part[:, 16:32], expected[column].astype(int), atol=2)
    np.testing.assert_allclose(part[:, 32:], 127.5 + (part[:, 16:32] - part[:, :16]) / 2, atol=2)


def test_grey_and_stacked_images_are_shown_with_three_channels():
  for channels in (1, 4):
    spec = types.EnvironmentSpec('grey', types.ArraySpec((16, 16, channels), 'uint8'), small.spec().action, 50)
    world = small.models(spec, small.config())[0]
    frames = open_loop.OpenLoop(world).videos([episode(spec, 49, 0)])['model/open_loop_observation'].draw()
    assert frames.shape == (50, 48, 96, 3) and frames.dtype == np.uint8
