"""Images with those before them in their channels."""

import tensorflow as tf


def stacked(batch, keys, frames):
  """Stacks each image of a batch of sequences on those before it, the oldest first.

  Before the first image of an episode, that one is repeated.

  Args:
    batch: `types.Sequences` of `[B, frames - 1 + T, ...]`.
    keys: of the images, in a dict of observations, or `observation`.
    frames: how many images are seen at once; with 1 nothing is changed.

  Returns:
    `types.Sequences` of `[B, T, ...]`.
  """
  if frames == 1:
    return batch
  shown = frames - 1
  length = batch.is_first.shape[1]
  at = tf.range(length)[None]
  before = tf.linalg.band_part(tf.ones([length, length], tf.bool), -1, 0)  # [T, T], itself included
  first_rows = tf.where(batch.is_first[:, None] & before, at[None], 0)
  begins = tf.reduce_max(first_rows, -1)[:, shown:]  # where the episode of each row begins
  sources = [tf.maximum(at[:, shown:] - back, begins) for back in reversed(range(frames))]

  def of(key, value):
    if key not in keys:
      return value[:, shown:]
    return tf.concat([tf.gather(value, rows, batch_dims=1) for rows in sources], -1)

  observation = batch.observation
  if isinstance(observation, dict):
    observation = {key: of(key, value) for key, value in observation.items()}
  else:
    observation = of('observation', observation)
  return type(batch)(observation, *[value[:, shown:] for value in batch[1:]])
