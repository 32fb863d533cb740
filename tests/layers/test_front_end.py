import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from skimage.color import rgb2lab

from tfcolor.layers.front_end import FRONT_ENDS, sobel_gradients, split_lab


@pytest.fixture
def images():
    return np.random.default_rng(0).random([2, 5, 7, 3], np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_sobel_gradients_are_those_of_the_gray_image(images, channels):
    images = images[..., :channels]
    gradients = sobel_gradients(tf.constant(images))
    for gray, found in zip(images.mean(axis=-1), gradients.numpy(), strict=True):
        # Correlation with kernels whose left and upper halves are positive.
        np.testing.assert_allclose(found[..., 0], -scipy.ndimage.sobel(gray, axis=1), atol=1e-5)
        np.testing.assert_allclose(found[..., 1], -scipy.ndimage.sobel(gray, axis=0), atol=1e-5)


def test_sobel_gradients_hide_the_color(images):
    shuffled = images[..., [2, 0, 1]]
    np.testing.assert_allclose(
        sobel_gradients(tf.constant(images)), sobel_gradients(tf.constant(shuffled)), atol=1e-5
    )


def test_lightness_and_color_are_apart(images):
    lab = rgb2lab(images)
    groups = split_lab(tf.constant(images)).numpy()
    np.testing.assert_allclose(groups[..., 0], lab[..., 0] / 100 - 0.5, atol=1e-4)
    np.testing.assert_array_equal(groups[..., 1], 0)
    np.testing.assert_allclose(groups[..., 2:], lab[..., 1:] / 110, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, one in FRONT_ENDS.items() if one.compute])
def test_a_front_end_gives_the_channels_that_it_declares(images, name):
    assert FRONT_ENDS[name].compute(tf.constant(images)).shape == (
        2,
        5,
        7,
        FRONT_ENDS[name].channels,
    )
