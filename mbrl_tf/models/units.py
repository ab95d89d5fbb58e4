"""In which units a world model reads and predicts vectors and rewards."""

import tensorflow as tf

from mbrl_tf.models import normalizer
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import distributions


class AsTheyAre:
  """The task's own units, which is what is published for images.

  Bytes among vectors, such as small pictures, are compressed by symlog: nobody knows whether 10 of
  them or 255 are much.

  Attributes:
    reward: what a reward of 1 here is worth there.
  """

  reward = 1.0

  def __init__(self, observations, symlog=False):
    """With `symlog`, all of the vector is compressed (Hafner et al. 2023, arXiv:2301.04104, eq. 1);
    `observations` is an `Observations`.
    """
    self._is_compressed = observations.is_byte | symlog

  def read(self, vector):
    """What models are given of joined vectors `[..., size]`, float32."""
    read = tf.where(self._is_compressed, distributions.symlog(vector), vector)
    return tf.cast(read, tf.float32)

  def shown(self, values):
    """The inverse of `read`."""
    return tf.where(self._is_compressed, distributions.symexp(values), values)

  def survey(self, episode, is_first):
    """Nothing is found in the data."""
    del episode, is_first


class Measured(tf.Module):
  """Units that are found in the data: of vectors their own deviations, compressed by symlog, so that
  what is far beyond the data so far does not dominate; of rewards a power of ten.

  Attributes:
    normalizer: `Normalizer` of the joined vector; None where there is none.
    reward_unit: `RewardUnit`.
  """

  def __init__(self, observations):
    """Makes the variables, without data; `observations` is an `Observations`."""
    super().__init__(name='units')
    self._observations = observations
    size = observations.vector_size
    self.normalizer = normalizer.Normalizer(
        size, observations.rounding, observations.least_std) if size else None
    self.reward_unit = normalizer.RewardUnit()

  @property
  def reward(self):
    return tf.convert_to_tensor(self.reward_unit.value)

  def read(self, vector):
    return distributions.symlog(self.normalizer.normalize(vector))

  def shown(self, values):
    return tf.cast(self.normalizer.denormalize(distributions.symexp(values)), tf.float32)

  def survey(self, episode, is_first):
    """Takes a `types.Episode` into account; `is_first` tells that nothing was learned yet."""
    if self.normalizer is not None:
      by_key = observations_lib.by_key(episode.observation)
      vectors = {key: tf.constant(value) for key, value in by_key.items()
                 if key not in self._observations.images}
      self.normalizer.update(self._observations.joined(vectors).numpy())
    self.reward_unit.update(episode.reward, is_first)
