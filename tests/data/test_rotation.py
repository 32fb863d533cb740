import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tfcolor.data.rotation import rotate_images

RAMP = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1) / 16


def _reference(image, angle, **edge):
    """Reads each pixel, [H, W], where a clockwise turn of its place leads."""
    center = (np.array(image.shape) - 1) / 2
    offsets = np.stack(np.mgrid[: image.shape[0], : image.shape[1]], -1) - center
    down, right = offsets[..., 0], offsets[..., 1]
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    source = [cosine * down + sine * right, cosine * right - sine * down]
    places = [part + middle for part, middle in zip(source, center, strict=True)]
    return scipy.ndimage.map_coordinates(image.astype(np.float64), places, order=1, **edge)


@pytest.mark.parametrize(("fill", "mode"), [("zero", "grid-constant"), ("nearest", "nearest")])
def test_images_turn_counter_clockwise_as_the_reference_does(fill, mode):
    images = np.random.default_rng(0).random((4, 7, 10, 2)).astype(np.float32)
    angles = np.array([0.0, 33.0, -120.0, 271.0], np.float32)
    turned = rotate_images(tf.constant(images), angles, fill=fill).numpy()
    for index, angle in enumerate(angles):
        for channel in range(2):
            expected = _reference(images[index, ..., channel], angle, mode=mode, cval=0.0)
            # Single precision of the angle, times ten pixels.
            np.testing.assert_allclose(turned[index, ..., channel], expected, atol=2e-5)


def test_golden_angles():
    for count, fill in [(0, "zero"), (1, "nearest"), (1, "zero"), (2, "zero"), (-1, "nearest")]:
        turned = rotate_images(RAMP, 90.0 * count, fill=fill)[0, ..., 0]
        np.testing.assert_array_equal(turned, np.rot90(RAMP[0, ..., 0], count))
    turned = rotate_images(tf.constant(RAMP), 45.0)[0, ..., 0] * 16
    expected = [
        [1.5, 2.550253, 6.085786, 9],
        [1.136039, 4.671573, 8.207107, 11.742641],
        [3.257359, 6.792893, 10.328427, 13.863961],
        [6, 8.914214, 12.449747, 13.5],
    ]
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_sizes_may_be_known_only_when_it_runs():
    signature = [tf.TensorSpec([None, None, None, 1]), tf.TensorSpec([])]
    turn = tf.function(rotate_images, input_signature=signature)
    expected = rotate_images(RAMP, 20.0)
    np.testing.assert_allclose(turn(RAMP, tf.constant(20.0)), expected, atol=1e-6)
    assert rotate_images(np.zeros([0, 4, 4, 1], np.float32), 20.0).shape == [0, 4, 4, 1]


def test_unknown_fills_list_the_known():
    with pytest.raises(ValueError, match="fill='wrap': expected one of nearest, zero"):
        rotate_images(tf.constant(RAMP), 0.0, fill="wrap")
