import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tfcolor.data.seed_patch import (
    distorted_copy,
    rescaled_photograph,
    turned_window,
    uniform_corner,
)

PHOTO = np.random.default_rng(0).uniform(size=(31, 43, 3)).astype(np.float32)


def _seed(number):
    return tf.constant([number, 5], tf.int64)


@pytest.mark.parametrize("shape", [(60, 80), (80, 60)])
def test_patches_of_a_share_have_the_size(shape):
    image = np.zeros([*shape, 3], np.uint8)
    image[:30, :30] = 255  # half of the shorter side
    photograph = rescaled_photograph(tf.constant(image), 0.5, 12).numpy()
    assert photograph.shape == (shape[0] * 24 // 60, shape[1] * 24 // 60, 3)
    np.testing.assert_allclose(photograph[:11, :11], 1, atol=1e-5)
    np.testing.assert_allclose(photograph[13:], 0, atol=1e-5)


def test_the_whole_shorter_side_can_be_a_patch():
    photograph = rescaled_photograph(tf.zeros([61, 50, 3], tf.uint8), 1.0, 33)
    assert photograph.shape == [40, 33, 3]
    assert uniform_corner(photograph, _seed(0), 33).numpy()[1] == 0


def test_corners_of_a_flat_photograph_are_inside():
    corner = uniform_corner(tf.zeros([20, 30, 3]), _seed(0), 9).numpy()
    assert np.all((corner >= 0) & (corner <= [11, 21]))


def test_uniform_corners_reach_every_place():
    photograph = tf.zeros([6, 8, 3])
    corners = {tuple(uniform_corner(photograph, _seed(n), 5).numpy()) for n in range(80)}
    assert corners == {(row, column) for row in range(2) for column in range(4)}


@pytest.mark.parametrize(
    ("center", "scale", "degrees"), [((14, 20), 1.3, 17.0), ((9, 30), 0.8, -20), ((2, 3), 1.0, 5)]
)
def test_windows_agree_with_scipy(center, scale, degrees):
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    offset = np.array(center) - matrix @ [5, 5]
    expected = np.stack(
        [
            scipy.ndimage.affine_transform(
                PHOTO[..., channel], matrix, offset, (11, 11), order=1, mode="reflect"
            )
            for channel in range(3)
        ],
        axis=-1,
    )
    found = turned_window(
        tf.constant(PHOTO), tf.constant(center, tf.float32), 11, scale=scale, degrees=degrees
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_copies_are_of_the_patch_and_each_is_another():
    photograph = np.zeros([60, 60, 3], np.float32)
    photograph[20:36, 24:40] = np.random.default_rng(3).uniform(0.2, 0.9, (16, 16, 3))
    corner = tf.constant([20, 24])
    copies = [
        distorted_copy(tf.constant(photograph), corner, _seed(number), 16).numpy()
        for number in range(10)
    ]
    again = distorted_copy(tf.constant(photograph), corner, _seed(0), 16).numpy()
    np.testing.assert_array_equal(again, copies[0])
    assert len({copy.tobytes() for copy in copies}) == 10
    for copy in copies:
        assert copy.shape == (16, 16, 3)
        assert 0 <= copy.min() < copy.max() <= 1
        # At most a fifth away, and twice as small: the middle is still of the patch.
        assert np.std(copy[5:11, 5:11]) > 0.02
