"""Mean and standard deviation of a quantity, kept as variables so that checkpoints and exports carry them."""

import numpy as np
import tensorflow as tf


class Normalizer(tf.Module):
  """Shifts and scales a vector by the mean and standard deviation of the data it was fitted to."""

  def __init__(self, size, least_std=0.0, epsilon=1e-8, name='normalizer'):
    """Starts as the identity.

    Args:
      size: length of the vector.
      least_std: a smaller standard deviation of the data is taken as this one, so that an entry that hardly varies in
        the data is not blown up where it does.
      epsilon: added to the standard deviation, so that constant entries map to 0.
      name: of the module.
    """
    super().__init__(name=name)
    self.mean = tf.Variable(tf.zeros([size]), trainable=False, name='mean')
    self.std = tf.Variable(tf.ones([size]), trainable=False, name='std')
    self._least_std, self._epsilon = least_std, epsilon

  def fit(self, data):
    """Sets mean and standard deviation to those of `data` `[M, size]`; the deviation is that of the population."""
    mean, variance = tf.nn.moments(tf.cast(data, tf.float64), axes=[0])
    self.mean.assign(tf.cast(mean, tf.float32))
    self.std.assign(tf.maximum(tf.cast(tf.sqrt(variance), tf.float32), self._least_std))

  def normalize(self, values):
    """`[..., size]` to mean 0 and deviation 1."""
    return (values - self.mean) / (self.std + self._epsilon)

  def denormalize(self, values):
    """The inverse of `normalize`."""
    return values * (self.std + self._epsilon) + self.mean

  def scale(self, deviations):
    """Standard deviations in normalised units to those in the units of the data."""
    return deviations * (self.std + self._epsilon)


class RunningNormalizer(tf.Module):
  """Shifts and scales a vector by mean and deviation of all data so far, in whatever unit each
  entry is.

  Counts are kept in float64, so that an entry times 10^k, shifted, gives the same normalised values
  up to the rounding of float32. An entry that has not varied yet maps to 0.
  """

  def __init__(self, size, name='running_normalizer'):
    """Starts with no data, and maps everything to 0.

    Args:
      size: length of the vector.
      name: of the module.
    """
    super().__init__(name=name)
    make = lambda value, name: tf.Variable(value, trainable=False, name=name)
    self._count = make(np.zeros([], np.float64), 'count')
    self._mean = make(np.zeros([size], np.float64), 'mean_64')
    self._squares = make(np.zeros([size], np.float64), 'squares')  # sum of squared deviations
    self.mean = make(tf.zeros([size]), 'mean')
    self.scale = make(tf.zeros([size]), 'scale')  # 1 / deviation; 0 of what has not varied

  def update(self, data):
    """Takes `data` `[M, size]`, numpy, into the counts (Chan et al. 1979, the parallel formula)."""
    data = np.asarray(data, np.float64)
    count, mean, squares = self._count.numpy(), self._mean.numpy(), self._squares.numpy()
    total, difference = count + len(data), data.mean(0) - mean
    squares = squares + data.var(0) * len(data) + np.square(difference) * count * len(data) / total
    mean = mean + difference * len(data) / total
    std = np.sqrt(squares / total)
    # What rounding to float32 makes of a constant is no motion.
    moves = std > 4 * np.finfo(np.float32).eps * np.abs(mean)
    scale = np.where(moves, 1 / np.where(moves, std, 1), 0)
    for variable, value in ((self._count, total), (self._mean, mean), (self._squares, squares),
                            (self.mean, mean), (self.scale, scale)):
      variable.assign(value.astype(variable.dtype.as_numpy_dtype))

  def normalize(self, values):
    """`[..., size]` to mean 0 and deviation 1."""
    return (values - self.mean) * self.scale


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
