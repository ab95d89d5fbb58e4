"""Pink noise: white at each step alone, alike over many, and begun anew with each episode."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.ops import noise

STEPS = 1024


@pytest.fixture(scope='module')
def drawn():
  """`[STEPS, rows]` of 300 independent rows."""
  step = tf.function(noise.pink, autograph=False)
  state, rows = tf.fill([100, 3, noise.PARTS], np.nan), []
  for index in range(STEPS):
    values, state = step(state, tf.fill([100], index == 0), tf.constant([index, 5]))
    rows.append(values)
  return np.stack(rows).reshape(STEPS, -1)


def test_at_each_step_it_is_standard_normal(drawn):
  for part in (drawn[0], drawn[1], drawn[10], drawn[-1]):
    assert abs(part.mean()) < 0.2 and abs(part.std() - 1) < 0.15
  assert abs(drawn.mean()) < 0.05 and abs(drawn.std() - 1) < 0.03
  share = (np.abs(drawn) < 1).mean()
  assert abs(share - 0.683) < 0.02  # as a normal


def test_the_spectrum_falls_about_as_one_over_the_frequency(drawn):
  window = np.hanning(STEPS)[:, None]
  power = (np.abs(np.fft.rfft(drawn * window, axis=0)) ** 2).mean(1)
  frequencies = np.fft.rfftfreq(STEPS)
  band = (frequencies > 1 / 250) & (frequencies < 1 / 8)
  slope = np.polyfit(np.log(frequencies[band]), np.log(power[band]), 1)[0]
  assert -1.25 < slope < -0.8, slope
  octave = [
      power[(frequencies > low) & (frequencies <= 2 * low)].sum()
      for low in (1 / 256, 1 / 128, 1 / 64, 1 / 32)
  ]
  assert max(octave) / min(octave) < 1.6  # about as much in each


def test_entries_and_rows_are_independent(drawn):
  late = drawn[200:]
  correlations = np.corrcoef(late[:, :12].T)
  assert np.abs(correlations -
                np.eye(12)).max() < 0.65  # slow parts have few independent values in 800 steps
  assert abs((late[:, :150] * late[:, 150:]).mean()) < 0.03


def test_an_episode_begins_anew_and_others_go_on():
  state = tf.fill([4, 2, noise.PARTS], 50.0)
  values, after = noise.pink(state, tf.constant([True, False, True, False]), tf.constant([1, 2]))
  assert np.abs(values.numpy()[[0, 2]]).max() < 5 and np.abs(values.numpy()[[1, 3]]).min() > 20
  np.testing.assert_allclose(values, after.numpy().sum(-1) / np.sqrt(noise.PARTS), rtol=1e-5)


def test_the_seed_decides():
  state, first = tf.zeros([3, 2, noise.PARTS]), tf.constant([True] * 3)
  one, two, other = (
      noise.pink(state, first, tf.constant([seed, 0]))[0].numpy() for seed in (1, 1, 2))
  np.testing.assert_array_equal(one, two)
  assert (one != other).all()
