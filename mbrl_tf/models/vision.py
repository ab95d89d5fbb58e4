"""Convolutional encoder and decoder of images (Ha and Schmidhuber 2018, arXiv:1803.10122, in the sizes of Dreamer).

All convolutions have stride 2 and no padding. Encoder kernels are 4 wide: 64 -> 31 -> 14 -> 6 -> 2. Decoder kernels are what
leads from one pixel to the image's size: 1 -> 5 -> 13 -> 30 -> 64. Other sizes get as many layers as they need: in the encoder
the shorter side, in the decoder the longer one.
"""

import math

import numpy as np
import tensorflow as tf

from mbrl_tf import errors

_ENCODER_KERNEL = 4
_LEAST_SIDE = 8  # pixels


class ConvEncoder(tf.keras.Model):
  """Preprocessed images `[..., height, width, channels]` to vectors `[..., E]`, 1024 for 64 x 64 images at depth 32.

  Attributes:
    convolutions: the layers.
    positions: for each layer, at how many places of an image its kernel is applied.
    output_size: E.
  """

  def __init__(self, shape, depth=32, activation='relu', precision='float32'):
    """Makes the variables.

    Args:
      shape: of one image; height and width are at least 8.
      depth: channels of the first layer; each later one has twice as many.
      activation: of all layers.
      precision: a Keras policy.
    """
    super().__init__(name='conv_encoder')
    _check(shape)
    self._shape = tuple(shape)
    sides, self.convolutions, self.positions = shape[:2], [], []
    while min(sides) >= _ENCODER_KERNEL:
      self.convolutions.append(tf.keras.layers.Conv2D(
          depth * 2**len(self.convolutions), _ENCODER_KERNEL, 2, activation=activation, dtype=precision,
          name=f'conv_{len(self.convolutions)}'))
      sides = [(side - _ENCODER_KERNEL) // 2 + 1 for side in sides]
      self.positions.append(math.prod(sides))
    self.output_size = math.prod(sides) * depth * 2**(len(self.convolutions) - 1)
    self(tf.zeros([1, *shape]))

  def call(self, images):
    lead = images.shape[:-3]
    hidden = tf.reshape(images, [-1, *self._shape])
    for layer in self.convolutions:
      hidden = layer(hidden)
    return tf.reshape(hidden, [*_known(lead, images), self.output_size])


class ConvDecoder(tf.keras.Model):
  """Features `[..., F]` to the means of preprocessed images, float32 `[..., height, width, channels]`.

  Attributes:
    convolutions, positions: as of `ConvEncoder`.
  """

  def __init__(self, shape, features_size, depth=32, activation='relu', precision='float32'):
    """Makes the variables; arguments as for `ConvEncoder`, and the size of the features `F`."""
    super().__init__(name='conv_decoder')
    _check(shape)
    self._shape, kernels = tuple(shape), both_sides(*map(decoder_kernels, shape[:2]), 1)
    channels = [depth * 2**i for i in reversed(range(len(kernels) - 1))] + [shape[-1]]
    self._units = 32 * depth
    self._dense = tf.keras.layers.Dense(self._units, dtype=precision, name='dense')
    kinds = [_FromOnePixel] + [tf.keras.layers.Conv2DTranspose] * (len(kernels) - 1)
    self.convolutions = [
        kinds[index](
            filters, kernel, [1 if width == 1 else 2 for width in kernel],
            activation=None if index == len(kernels) - 1 else activation, dtype=precision,
            name=f'deconv_{index}')
        for index, (filters, kernel) in enumerate(zip(channels, kernels))]
    sides, self.positions = (1, 1), []
    for kernel in kernels:
      self.positions.append(math.prod(sides))
      sides = [1 if width == 1 else (side - 1) * 2 + width for side, width in zip(sides, kernel)]
    self(tf.zeros([1, features_size]))

  def call(self, features):
    hidden = tf.reshape(self._dense(features), [-1, 1, 1, self._units])
    for layer in self.convolutions:
      hidden = layer(hidden)
    return tf.cast(tf.reshape(hidden, [*_known(features.shape[:-1], features), *self._shape]), tf.float32)


class _FromOnePixel(tf.keras.layers.Conv2DTranspose):
  """A transposed convolution of images of one pixel, as the matrix product that it is.

  TensorFlow's own kernel takes 8 s on the CPU for 500 images from 1024 to 5 x 5 x 128 channels, forward and back.
  """

  def call(self, inputs):
    outputs = tf.einsum('ni,hwoi->nhwo', inputs[:, 0, 0], self.kernel) + self.bias
    return self.activation(outputs)


def preprocess(images):
  """uint8 images to float32 in [-0.5, 0.5]."""
  return tf.cast(images, tf.float32) / 255 - 0.5


def postprocess(values):
  """The inverse of `preprocess` for what a decoder gives: clipped, and uint8."""
  return tf.cast(tf.round(tf.clip_by_value(values + 0.5, 0, 1) * 255), tf.uint8)


def decoder_kernels(size):
  """The widths of the kernels that lead from one pixel to `size` pixels, first layer first: (5, 5, 6, 6) for 64."""
  kernels = []
  while size > 1:
    # A width of the output's parity, so that strides of 2 fit without a rest.
    kernel = size if size <= 6 else 6 - size % 2
    kernels.append(kernel)
    size = (size - kernel) // 2 + 1
  return tuple(reversed(kernels))


def both_sides(rows, columns, pause):
  """Pairs of what layers do along height and width; the side that needs fewer of them begins with
  some `pause`, which leaves its pixels as they are.
  """
  layers = max(len(rows), len(columns))
  longer = lambda steps: [pause] * (layers - len(steps)) + list(steps)
  return list(zip(longer(rows), longer(columns)))


def _known(lead, tensor):
  """Leading axes for a reshape; only the first may be unknown."""
  return [tf.shape(tensor)[0] if length is None else length for length in lead]


def _check(shape):
  if len(shape) != 3 or min(shape[:2]) < _LEAST_SIDE:
    raise errors.UserError(
        f'Images must be [height, width, channels], and at least {_LEAST_SIDE} pixels high and '
        'wide, for the convolutions halve them. '
        f'Received: shape={tuple(np.asarray(shape).tolist())}')
