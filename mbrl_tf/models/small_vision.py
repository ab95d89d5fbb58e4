"""The convolutional encoder of TD-MPC2, and the shifts that images are learned with."""

import tensorflow as tf

from mbrl_tf import errors

_KERNELS, _STRIDES = (7, 5, 3, 3), (2, 2, 2, 1)
LEAST_SIZE = 39  # pixels, of which the last convolution still has one place


class StackedConvEncoder(tf.keras.Model):
  """Images `[..., height, width, channels]` in [-0.5, 0.5] to vectors `[..., E]` (arXiv:2310.16828,
  table 7).

  Attributes:
    convolutions: the layers.
    positions: for each layer, at how many places of an image its kernel is applied.
    output_size: E.
  """

  def __init__(self, shape, channels=32, name='stacked_conv_encoder'):
    """Makes the variables.

    Args:
      shape: of one image, with stacked frames side by side in its channels.
      channels: of each convolution.
      name: of the model.

    Raises:
      UserError: images that are too small for the convolutions.
    """
    super().__init__(name=name)
    if len(shape) != 3 or min(shape[:2]) < LEAST_SIZE:
      raise errors.UserError(
          f'Images must be [height, width, channels], and at least {LEAST_SIZE} pixels high and '
          f'wide, for four convolutions make them smaller. Received: shape={tuple(shape)}')
    self._shape, sizes = tuple(shape), shape[:2]
    self.convolutions = [
        tf.keras.layers.Conv2D(
            channels, kernel, stride, name=f'conv_{index}',
            activation='relu' if index < len(_KERNELS) - 1 else None)
        for index, (kernel, stride) in enumerate(zip(_KERNELS, _STRIDES))]
    self.positions = []
    for kernel, stride in zip(_KERNELS, _STRIDES):
      sizes = [(size - kernel) // stride + 1 for size in sizes]
      self.positions.append(sizes[0] * sizes[1])
    self.output_size = self.positions[-1] * channels
    self(tf.zeros([1, *shape]))

  def call(self, images):
    lead = [tf.shape(images)[axis] if size is None else size
            for axis, size in enumerate(images.shape[:-3])]
    hidden = tf.reshape(images, [-1, *self._shape])
    for layer in self.convolutions:
      hidden = layer(hidden)
    return tf.reshape(hidden, [*lead, self.output_size])


def shifted(images, offsets, most):
  """Images shifted by whole pixels, with their borders repeated (Yarats et al. 2021,
  arXiv:2107.09645).

  Args:
    images: `[M, height, width, channels]`.
    offsets: int `[M, 2]` in [0, 2 most], where a cut of the padded image begins.
    most: pixels.
  """
  height, width = images.shape[1:3]
  rows = tf.clip_by_value(tf.range(height)[None] + offsets[:, :1] - most, 0, height - 1)
  columns = tf.clip_by_value(tf.range(width)[None] + offsets[:, 1:] - most, 0, width - 1)
  return tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)
