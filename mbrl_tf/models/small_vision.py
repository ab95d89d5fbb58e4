"""The convolutional encoder of TD-MPC2, and the shifts that images are learned with."""

import math

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.models import vision

_FIRST, _SECOND, _HALVING, _LAST = (7, 2), (5, 2), (3, 2), (3, 1)  # width of kernel, and stride
_WITHOUT_FIRST = 38  # pixels, of which the first convolution would leave too few
_SMALL = 12          # pixels that are not halved any more
_LEAST_SIDE = 8      # pixels


class StackedConvEncoder(tf.keras.Model):
  """Images `[..., height, width, channels]` in [-0.5, 0.5] to vectors `[..., E]` (arXiv:2310.16828,
  table 7).

  Published are four convolutions for 64 x 64 pixels: 64 -> 29 -> 13 -> 6 -> 4. In larger images the
  third is repeated until few pixels are left; small ones are read without the first, and without
  the third where few are left before it.

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
    if len(shape) != 3 or min(shape[:2]) < _LEAST_SIDE:
      raise errors.UserError(
          f'Images must be [height, width, channels], and at least {_LEAST_SIDE} pixels high and '
          f'wide, for convolutions make them smaller. Received: shape={tuple(shape)}')
    self._shape, sides = tuple(shape), shape[:2]
    steps = vision.both_sides(*map(steps_of, sides), (1, 1))
    self.convolutions = [
        tf.keras.layers.Conv2D(
            channels, [kernel for kernel, _ in step], [stride for _, stride in step],
            name=f'conv_{index}', activation='relu' if index < len(steps) - 1 else None)
        for index, step in enumerate(steps)]
    self.positions = []
    for step in steps:
      sides = [(side - kernel) // stride + 1 for side, (kernel, stride) in zip(sides, step)]
      self.positions.append(math.prod(sides))
    self.output_size = self.positions[-1] * channels
    self(tf.zeros([1, *shape]))

  def call(self, images):
    lead = [tf.shape(images)[axis] if size is None else size
            for axis, size in enumerate(images.shape[:-3])]
    hidden = tf.reshape(images, [-1, *self._shape])
    for layer in self.convolutions:
      hidden = layer(hidden)
    return tf.reshape(hidden, [*lead, self.output_size])


def steps_of(side):
  """The width of the kernel and the stride of each convolution along a side of so many pixels."""
  steps = []
  following = lambda step: steps.append(step) or (side - step[0]) // step[1] + 1
  if side <= _WITHOUT_FIRST:
    side = following(_SECOND)
  else:
    for step in (_FIRST, _SECOND, _HALVING):
      side = following(step)
  while side > _SMALL:
    side = following(_HALVING)
  if side >= _LAST[0]:
    following(_LAST)
  return steps


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
