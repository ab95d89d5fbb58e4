"""Mean and standard deviation of a quantity, kept as variables so that checkpoints and exports carry them."""

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
