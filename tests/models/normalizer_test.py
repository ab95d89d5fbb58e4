"""Statistics in any units and any chunks, against numpy, and the unit of rewards."""

import numpy as np
import pytest

from mbrl_tf.models import normalizer

DATA = np.random.default_rng(0).normal(size=(400, 3)) * [1, 0.3, 5] + [0, 2, -1]


def updated(data, cuts=(), **settings):
  result = normalizer.Normalizer(data.shape[1], **settings)
  for part in np.split(data, cuts):
    result.update(part)
  return result


def test_before_any_data_everything_is_zero():
  np.testing.assert_array_equal(
      normalizer.Normalizer(2).normalize(np.array([[3.0, -1e9]], 'f')), [[0, 0]])


@pytest.mark.parametrize('cuts', [(), (200,), (1, 2, 3), range(1, 400, 7)])
def test_any_chunks_give_the_statistics_of_all_data(cuts):
  tested = updated(DATA, cuts)
  np.testing.assert_allclose(tested.mean, DATA.mean(0), rtol=1e-9)
  np.testing.assert_allclose(tested.std, DATA.std(0), rtol=1e-9)
  np.testing.assert_allclose(tested.normalize(DATA.astype('f')),
                             (DATA - DATA.mean(0)) / DATA.std(0), rtol=1e-4, atol=1e-5)


def test_a_fit_forgets_what_was_before():
  tested = updated(DATA)
  tested.fit(DATA[:50])
  np.testing.assert_allclose(tested.mean, DATA[:50].mean(0), rtol=1e-9)
  np.testing.assert_allclose(tested.std, DATA[:50].std(0), rtol=1e-9)


def test_denormalize_is_the_inverse_and_scale_takes_no_mean():
  tested = updated(DATA)
  np.testing.assert_allclose(tested.denormalize(tested.normalize(DATA)), DATA, rtol=1e-6, atol=1e-6)
  np.testing.assert_allclose(tested.scale(np.full(3, 2, 'f')), 2 * DATA.std(0), rtol=1e-9)


@pytest.mark.parametrize('dtype, shifts', [('f4', (0.0, -30.0, 1000.0)), ('f8', (0.0, 1e6, -1e6))])
@pytest.mark.parametrize('power', range(-6, 7))
def test_an_entry_in_another_unit_is_normalised_to_the_same(power, dtype, shifts):
  rounding = np.finfo(dtype).eps
  data = DATA.astype(dtype)
  expected = updated(data, (100, 101), rounding=rounding).normalize(data).numpy()
  for shift in shifts:
    changed = ((data.astype(np.float64) + shift) * 10.0**power).astype(dtype)
    tested = updated(changed, (100, 101), rounding=rounding)
    # What the type leaves of a value that was shifted by many deviations.
    error = 4 * rounding * (abs(shift) + 20) / data.std(0)
    assert (np.abs(tested.normalize(changed) - expected) <= error + 1e-5).all(), shift
    back = tested.denormalize(tested.normalize(changed)).numpy() / 10.0**power - shift
    assert (np.abs(back - data) <= (error + 1e-5) * data.std(0)).all(), shift


@pytest.mark.parametrize('dtype', ['f4', 'f8'])
@pytest.mark.parametrize('constant', [0.0, 0.1, 7.3, -1e6, 1e-30, 12345.678])
def test_what_has_not_varied_is_zero_until_it_varies(constant, dtype):
  column = np.full((10_001, 1), constant, dtype)
  other = np.resize(DATA[:, :1], column.shape)
  tested = updated(np.concatenate([column, other], 1).astype(dtype), (3, 50),
                   rounding=np.finfo(dtype).eps)
  assert tested.std[0] == 0
  values = np.array([[constant, 1.0], [constant + 5, 1.0]], dtype)
  np.testing.assert_array_equal(tested.normalize(values)[:, 0], [0, 0])
  assert (tested.normalize(values).numpy()[:, 1] != 0).all()
  back = tested.denormalize(np.ones([1, 2], 'f'))
  np.testing.assert_allclose(back[0, 0], column[0, 0], rtol=1e-7)
  moving = np.concatenate([column, column + abs(constant) + 1])
  found = updated(moving, (10_001,)).normalize(moving).numpy()
  np.testing.assert_allclose(found[[0, -1], 0], [-1, 1], rtol=1e-3)


def test_what_rounding_makes_of_a_constant_is_no_motion():
  nearly = np.array([[1000], [np.nextafter(np.float32(1000), np.float32(2000))]], 'f')
  assert updated(nearly).std[0] == 0
  assert updated(nearly, rounding=1e-15).std[0] > 0


def test_what_is_far_beyond_the_data_stays_finite():
  found = updated(1e-100 * DATA).normalize(np.array([[1.0, -1.0, 1e300]]))
  assert np.isfinite(found).all() and (np.sign(found) == [[1, -1, 1]]).all()


def test_a_least_deviation_holds_where_the_data_have_less():
  np.testing.assert_allclose(updated(DATA * [1, 1e-6, 0], least_std=1e-3).std,
                             [DATA[:, 0].std(), 1e-3, 1e-3], rtol=1e-9)


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


@pytest.mark.parametrize('value', [np.inf, -np.inf, np.nan])
def test_what_is_no_number_stays_none_also_where_nothing_has_varied(value):
  tested = normalizer.Normalizer(2)
  tested.update(np.array([[0.0, 5.0], [2.0, 5.0]]))
  assert np.isnan(tested.normalize(np.array([value, value]))).all()
  np.testing.assert_allclose(tested.normalize(np.array([2.0, 7.0])), [1, 0])
