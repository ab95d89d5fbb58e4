"""Sizes of the small convolutions, and shifts of images against padding and cutting."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.models import small_vision


@pytest.mark.parametrize('shape, places', [
    # published
    ((64, 64, 9), ((29, 29), (13, 13), (6, 6), (4, 4))),
    ((39, 39, 3), ((17, 17), (7, 7), (3, 3), (1, 1))),
    ((43, 64, 1), ((19, 29), (8, 13), (3, 6), (1, 4))),
    # the third as often as it takes
    ((210, 160, 3), ((102, 77), (49, 37), (24, 18), (11, 8), (9, 6))),
    ((256, 256, 3), ((125, 125), (61, 61), (30, 30), (14, 14), (6, 6), (4, 4))),
    # without the first, and without the third
    ((38, 38, 3), ((17, 17), (8, 8), (6, 6))),
    ((16, 16, 1), ((6, 6), (4, 4))),
    ((8, 8, 1), ((2, 2),)),
    # the shorter side waits
    ((16, 64, 1), ((16, 29), (16, 13), (6, 6), (4, 4)))])
def test_each_layer_is_as_large_as_its_kernel_and_stride_say(shape, places):
  """Kernels of 7, 5, 3, ..., 3 pixels and strides of 2, 2, 2, ..., 1, counted by hand."""
  model = small_vision.StackedConvEncoder(shape, channels=2)
  assert model.positions == [height * width for height, width in places]
  assert model.output_size == 2 * places[-1][0] * places[-1][1]
  for lead in ((), (3,), (2, 3)):
    assert model(tf.zeros([*lead, *shape])).shape == (*lead, model.output_size)


def test_images_of_any_size_become_some_hundred_numbers():
  generator = np.random.default_rng(0)
  for _ in range(20):
    shape = (*generator.integers(16, 257, 2).tolist(), 1)
    places = small_vision.StackedConvEncoder(shape, channels=1).output_size
    assert 1 <= places <= 100, shape


def test_each_image_is_encoded_by_itself_and_the_last_layer_is_linear():
  model = small_vision.StackedConvEncoder((43, 43, 3), channels=4)
  images = tf.random.stateless_uniform([2, 3, 43, 43, 3], [1, 2], -0.5, 0.5)
  together = model(images).numpy()
  np.testing.assert_allclose(together[1, 2], model(images[1, 2]), rtol=1e-4, atol=1e-6)
  assert (together < 0).any() and (together > 0).any()
  hidden = images.numpy()[0, :1]
  for index, (layer, stride) in enumerate(zip(model.convolutions, (2, 2, 2, 1))):
    kernel, bias = (weights.numpy() for weights in layer.weights)
    size = (hidden.shape[1] - kernel.shape[0]) // stride + 1
    following = np.zeros((1, size, size, 4))
    for row in range(size):
      for column in range(size):
        part = hidden[:, stride * row:, stride * column:][:, :kernel.shape[0], :kernel.shape[1]]
        following[:, row, column] = np.einsum('nhwi,hwio->no', part, kernel) + bias
    hidden = np.maximum(following, 0) if index < 3 else following
  np.testing.assert_allclose(together[0, 0], hidden.reshape(-1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('shape', [(64, 7, 3), (7, 64, 3), (64, 64), (4, 64, 64, 3)])
def test_what_cannot_be_convolved_is_refused(shape):
  with pytest.raises(errors.UserError,
                     match=r'Images must be .*at least \d+ pixels.*Received: shape=\('):
    small_vision.StackedConvEncoder(shape)


def test_shifted_images_are_cut_from_padded_ones():
  generator = np.random.default_rng(0)
  images = generator.integers(0, 256, (30, 6, 5, 2)).astype(np.uint8)
  for most in (0, 1, 3):
    offsets = generator.integers(0, 2 * most + 1, (30, 2))
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), 'edge')
    expected = [
        image[row:row + 6, column:column + 5] for image, (row, column) in zip(padded, offsets)
    ]
    found = small_vision.shifted(tf.constant(images), tf.constant(offsets, tf.int32), most)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == tf.uint8
