"""Mean and standard deviation of a quantity, kept as variables so that checkpoints and exports carry them."""

import numpy as np
import tensorflow as tf


FLOAT32_ROUNDING = float(np.finfo(np.float32).eps)
_MOST_DEVIATIONS = 1e6  # what is beyond is told apart by nobody, and could overflow


class Normalizer(tf.Module):
  """Shifts and scales a vector by mean and deviation of the data, in whatever unit each entry is.

  Statistics are kept, and differences taken, in float64, so that an entry times 10^k, shifted,
  gives the same normalised values up to the rounding of the data: a small motion upon a large
  offset survives where the data are float64. An entry that has not varied yet maps to 0: what its
  rounding makes of a constant is no motion.

  Attributes:
    mean: of the data, float64 `[size]`; a variable.
  """

  def __init__(self, size, rounding=FLOAT32_ROUNDING, least_std=0.0, name='normalizer'):
    """Starts with no data, and maps everything to 0.

    Args:
      size: length of the vector.
      rounding: of the data, as a share of them: of the type that they came in; one number, or
        `[size]`.
      least_std: a smaller deviation of the data is taken as this one, where their unit is known;
        one number, or `[size]`.
      name: of the module.
    """
    super().__init__(name=name)
    self._rounding, self._least_std = rounding, least_std
    make = lambda value, name: tf.Variable(value, trainable=False, name=name)
    self._count = make(np.zeros([], np.float64), 'count')
    self._mean = make(np.zeros([size], np.float64), 'mean_64')
    self._squares = make(np.zeros([size], np.float64), 'squares')  # sum of squared deviations

  @property
  def size(self):
    """Length of the vector."""
    return self._mean.shape[0]

  @property
  def mean(self):
    return self._mean

  @property
  def std(self):
    """Deviation of the data, that of the population, float64 `[size]`; 0 of what has not varied."""
    std = tf.sqrt(tf.math.divide_no_nan(tf.convert_to_tensor(self._squares), self._count))
    moves = std > 4 * self._rounding * tf.abs(self._mean)
    return tf.maximum(tf.where(moves, std, tf.zeros_like(std)), self._least_std)

  def fit(self, data):
    """Forgets what was, and takes `data` `[M, size]`, numpy, for all there is."""
    for variable in (self._count, self._mean, self._squares):
      variable.assign(np.zeros(variable.shape))
    self.update(data)

  def update(self, data):
    """Takes `data` `[M, size]`, numpy, into account (Chan et al. 1979, the parallel formula)."""
    data = np.asarray(data, np.float64)
    count, squares = self._count.numpy(), self._squares.numpy()
    # Sums of differences from what is known, so that a constant comes out as exactly one.
    mean = self._mean.numpy() if count else data[0]
    data, total = data - mean, count + len(data)
    self._squares.assign(
        squares + data.var(0) * len(data) + np.square(data.mean(0)) * count * len(data) / total)
    self._mean.assign(mean + data.mean(0) * len(data) / total)
    self._count.assign(total)

  def normalize(self, values):
    """`[..., size]` to mean 0 and deviation 1, float32; NaN where a value is infinite or NaN, so that
    a loss of it is noticed."""
    values = tf.cast(values, tf.float64)
    normalized = tf.math.divide_no_nan(values - self._mean, self.std)
    normalized = tf.clip_by_value(normalized, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
    nan = tf.constant(np.nan, tf.float64)
    return tf.cast(tf.where(tf.math.is_finite(values), normalized, nan), tf.float32)

  def denormalize(self, values):
    """The inverse of `normalize`, float64; the mean where nothing has varied."""
    return self._mean + self.scale(values)

  def scale(self, deviations):
    """Standard deviations in normalised units to those in the units of the data, float64."""
    return tf.cast(deviations, tf.float64) * self.std


class RewardUnit(tf.Module):
  """The unit in which rewards are learned: a power of ten, so that what was tuned for rewards
  around 1 holds for any.

  It is the power nearest to the larger rewards of the best paid episode so far: to the 95th
  percentile of the magnitudes that are not 0. Once there is something to learn it stays, because
  bins reach far beyond it, and follows only where it would become a thousand times as large.
  """

  _QUANTILE = 0.95
  _MOST_GROWTH = 2  # powers of ten

  def __init__(self, name='reward_unit'):
    """Starts at 1, with no data."""
    super().__init__(name=name)
    self.value = tf.Variable(1.0, trainable=False, name='unit')
    self._known = tf.Variable(False, trainable=False, name='known')

  def update(self, rewards, follows=False):
    """Takes the rewards of one episode, numpy `[T]`, into account.

    Args:
      rewards: of the episode.
      follows: whether any growth is followed, because nothing was learned yet.
    """
    paid = np.abs(np.asarray(rewards, np.float64))
    paid = paid[paid != 0]
    if not paid.size:
      return
    typical = np.quantile(paid, self._QUANTILE)
    unit = 10.0**np.clip(np.round(np.log10(typical)), -30, 30)
    # A power, exact in whatever unit rewards are.
    growth = np.round(np.log10(unit / self.value.numpy()))
    if not self._known.numpy() or growth > (0 if follows else self._MOST_GROWTH):
      self.value.assign(unit)
      self._known.assign(True)
