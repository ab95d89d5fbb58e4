"""Running statistics in any units and any chunks, and the unit of rewards."""

import numpy as np
import pytest

from mbrl_tf.models import normalizer

DATA = np.random.default_rng(0).normal(size=(400, 3)) * [1, 0.3, 5] + [0, 2, -1]


def fitted(data, cuts=()):
  result = normalizer.RunningNormalizer(data.shape[1])
  for part in np.split(data, cuts):
    result.update(part)
  return result


def test_before_any_data_everything_is_zero():
  np.testing.assert_array_equal(
      normalizer.RunningNormalizer(2).normalize(np.array([[3.0, -1e9]], 'f')), [[0, 0]])


@pytest.mark.parametrize('cuts', [(), (200,), (1, 2, 3), range(1, 400, 7)])
def test_any_chunks_give_the_statistics_of_all_data(cuts):
  tested = fitted(DATA, cuts)
  np.testing.assert_allclose(tested.mean, DATA.mean(0), rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(tested.scale, 1 / DATA.std(0), rtol=1e-5)
  np.testing.assert_allclose(tested.normalize(DATA.astype('f')),
                             (DATA - DATA.mean(0)) / DATA.std(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('power', range(-6, 7))
def test_an_entry_in_another_unit_is_normalised_to_the_same(power):
  data = DATA.astype('f')
  expected = fitted(data, (100, 101)).normalize(data).numpy()
  for shift in (0.0, -30.0, 1000.0):
    changed = ((data.astype(np.float64) + shift) * 10.0**power).astype('f')
    found = fitted(changed, (100, 101)).normalize(changed).numpy()
    # What float32 leaves of a value that was shifted by many deviations.
    rounding = 4 * np.finfo('f').eps * (abs(shift) + 20) / data.std(0)
    assert (np.abs(found - expected)
            <= rounding + 1e-5).all(), (shift, np.abs(found - expected).max(0))


@pytest.mark.parametrize('constant', [0.0, 0.1, -1e6, 1e-30, 12345.678])
def test_what_has_not_varied_is_zero_until_it_varies(constant):
  column = np.full((101, 1), constant, 'f')
  tested = fitted(np.concatenate([column, DATA[:101, :1]], 1).astype('f'), (3, 50))
  values = np.array([[constant, 1.0], [constant + 5, 1.0]], 'f')
  np.testing.assert_array_equal(tested.normalize(values)[:, 0], [0, 0])
  assert (tested.normalize(values).numpy()[:, 1] != 0).all()
  moving = np.concatenate([column, column + abs(constant) + 1])
  found = fitted(moving, (101,)).normalize(moving).numpy()
  np.testing.assert_allclose(found[[0, -1], 0], [-1, 1], rtol=1e-3)


def unit(*episodes):
  result = normalizer.RewardUnit()
  for rewards in episodes:
    result.update(np.asarray(rewards))
  return float(result.value)


@pytest.mark.parametrize('scale', [1e-9, 1e-3, 1.0, 1e3, 1e8])
def test_the_unit_is_the_power_of_ten_nearest_to_what_is_paid(scale):
  assert unit(scale * np.array([1.0, -1.0, 0.0, 0.0])) == pytest.approx(scale, rel=1e-6)
  assert unit(scale * np.array([2.0, 2.0])) == pytest.approx(scale, rel=1e-6)
  assert unit(scale * np.array([4.0, 4.0])) == pytest.approx(10 * scale,
                                                             rel=1e-6)  # log10(4) is above 0.5


def test_without_any_reward_it_is_one_and_the_first_that_comes_decides():
  assert unit(np.zeros(5)) == 1 and unit([]) == 1
  assert unit(np.zeros(5), [0, 1e-4, 0]) == pytest.approx(1e-4)


@pytest.mark.parametrize('scale', [10.0**power for power in range(-8, 9)])
def test_it_stays_until_rewards_have_grown_more_than_hundredfold_whatever_their_unit(scale):
  first = [scale]
  assert unit(first, [scale / 1e5]) == pytest.approx(scale)
  assert unit(first, [99 * scale]) == pytest.approx(scale)
  assert unit(first, [290 * scale]) == pytest.approx(scale)  # nearest to a hundred
  assert unit(first, [1000 * scale]) == pytest.approx(1000 * scale)
  assert unit(first, [1000 * scale], first) == pytest.approx(1000 * scale)
