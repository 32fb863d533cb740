import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tfcolor.data.seed_patch import (
    distorted_copy,
    rescaled_photograph,
    textured_corner,
    turned_window,
    uniform_corner,
    window_energies,
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


def test_energy_is_the_sum_of_squared_differences_in_each_window():
    gray = PHOTO.mean(axis=-1).astype(np.float64)
    rows, columns = np.zeros_like(gray), np.zeros_like(gray)
    rows[:-1], columns[:, :-1] = np.diff(gray, axis=0), np.diff(gray, axis=1)
    squares = np.lib.stride_tricks.sliding_window_view(rows**2 + columns**2, (7, 7))
    found = window_energies(tf.constant(PHOTO), 7)
    np.testing.assert_allclose(found, squares.sum(axis=(2, 3)), rtol=1e-4)


def test_seed_patches_lie_where_gradients_are_large():
    photograph = np.full([40, 50, 3], 0.5, np.float32)
    photograph[26:34, 8:16] = np.random.default_rng(1).uniform(size=(8, 8, 1))
    flat = photograph + np.linspace(0, 0.1, 50, dtype=np.float32)[:, np.newaxis]
    for number in range(8):
        row, column = textured_corner(tf.constant(flat), _seed(number), 10).numpy()
        assert 26 - 10 <= row <= 34
        assert 8 - 10 <= column <= 16


def test_probability_is_proportional_to_energy():
    # Two columns of edges, the one with four times the energy of the other.
    photograph = np.zeros([4, 23, 3], np.float32)
    photograph[:, 6:], photograph[:, 17:] = 0.2, 0.6
    corners = tf.data.Dataset.range(200).map(
        lambda number: textured_corner(tf.constant(photograph), tf.stack([number, 5]), 4)
    )
    columns = np.array([column for _, column in corners.as_numpy_iterator()])
    assert np.all((np.abs(columns - 3.5) < 2) | (np.abs(columns - 14.5) < 2))
    assert 0.7 < np.mean(columns > 9) < 0.9


def test_corners_of_a_flat_photograph_are_inside():
    flat = tf.zeros([20, 30, 3])
    for corner in (uniform_corner(flat, _seed(0), 9), textured_corner(flat, _seed(0), 9)):
        assert np.all((corner.numpy() >= 0) & (corner.numpy() <= [11, 21]))


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
