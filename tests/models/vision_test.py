"""Convolutions: published sizes, other sizes, and what is an error."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.models import vision


def count(model):
  return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_the_published_sizes():
  encoder, decoder = vision.ConvEncoder((64, 64, 3)), vision.ConvDecoder((64, 64, 3), 230)
  assert encoder.output_size == 1024 and vision.decoder_kernels(64) == (5, 5, 6, 6)
  # By hand, layer by layer: kernel height x width x in x out + out.
  assert count(encoder) == (48 * 32 + 32) + (512 * 64 + 64) + (1024 * 128 + 128) + (2048 * 256 + 256)
  assert count(decoder) == (230 * 1024 + 1024) + (25 * 1024 * 128 + 128) + (25 * 128 * 64 + 64) + (36 * 64 * 32 + 32) + (
      36 * 32 * 3 + 3)


def is_read_and_drawn(shape):
  encoder, decoder = vision.ConvEncoder(shape, 1), vision.ConvDecoder(shape, 3, 1)
  assert encoder(tf.zeros([2, 1, *shape])).shape == (2, 1, encoder.output_size)
  decoded = decoder(tf.zeros([2, 1, 3]))
  assert decoded.shape == (2, 1, *shape) and decoded.dtype == tf.float32
  assert len(encoder.positions) == len(encoder.convolutions)
  assert decoder.positions[0] == 1 and len(decoder.positions) == len(decoder.convolutions)
  # no more numbers than the published network has for a pixel
  assert encoder.output_size <= shape[0] * shape[1]


@pytest.mark.parametrize('shape', [
    (8, 8, 3), (16, 16, 1), (50, 50, 3), (84, 84, 4), (210, 160, 3), (48, 80, 3), (16, 256, 1),
    (256, 16, 3), (256, 256, 1)])
def test_any_size_goes_in_and_comes_out(shape):
  is_read_and_drawn(shape)


def test_any_size_drawn_at_random_goes_in_and_comes_out():
  generator = np.random.default_rng(0)
  for _ in range(12):
    is_read_and_drawn((*generator.integers(16, 257, 2).tolist(), int(generator.integers(1, 5))))


def test_a_kernel_of_one_pixel_leaves_the_shorter_side_as_it_is():
  kernels = vision.both_sides(vision.decoder_kernels(16), vision.decoder_kernels(64), 1)
  assert kernels == [(1, 5), (1, 5), (6, 6), (6, 6)]


def test_images_are_read_in_the_range_of_half_around_zero_and_written_back():
  images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  values = vision.preprocess(images).numpy()
  assert values.min() == -0.5 and values.max() == 0.5
  np.testing.assert_array_equal(vision.postprocess(values), images)
  np.testing.assert_array_equal(vision.postprocess(tf.constant([-3.0, 3.0])), [0, 255])


def test_encoders_see_each_image_alone():
  encoder = vision.ConvEncoder((16, 16, 3), 4)
  images = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 16, 16, 3)).astype(np.float32)
  both = encoder(images).numpy()
  np.testing.assert_allclose(both[1], encoder(images[1:])[0], rtol=1e-4, atol=1e-6)
  assert np.abs(both[0] - both[1]).max() > 1e-3


def test_compiled_with_an_unknown_batch():
  encoder, decoder = vision.ConvEncoder((16, 16, 3), 4), vision.ConvDecoder((16, 16, 3), 5, 4)
  encode = tf.function(encoder, input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
  decode = tf.function(decoder, input_signature=[tf.TensorSpec([None, 5], tf.float32)])
  assert encode(np.zeros((3, 16, 16, 3), np.float32)).shape == (3, encoder.output_size)
  assert decode(np.zeros((3, 5), np.float32)).shape == (3, 16, 16, 3)


@pytest.mark.parametrize('shape', [(64, 7, 3), (4, 4, 3), (64, 64)])
def test_other_shapes_are_refused(shape):
  for make in (lambda: vision.ConvEncoder(shape), lambda: vision.ConvDecoder(shape, 10)):
    with pytest.raises(errors.UserError, match='Received: shape='):
      make()


def test_the_first_layer_of_the_decoder_is_a_transposed_convolution():
  decoder = vision.ConvDecoder((16, 16, 3), 5, 4)
  layer = decoder.convolutions[0]
  layer.bias.assign(tf.range(4.0))
  pixels = tf.random.stateless_normal([3, 1, 1, 128], [1, 2])
  plain = tf.nn.conv2d_transpose(pixels, layer.kernel, [3, 6, 6, 4], 2, 'VALID') + layer.bias
  np.testing.assert_allclose(layer(pixels), tf.nn.relu(plain), rtol=1e-4, atol=1e-5)
