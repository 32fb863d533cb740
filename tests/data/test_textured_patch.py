import numpy as np
import pytest
import skimage.transform

from tfcolor.data.textured_patch import rescaled_to_patch, textured_corner, window_energies

PHOTO = np.random.default_rng(0).integers(0, 256, (31, 43, 3), np.uint8)


@pytest.mark.parametrize("shape", [(60, 80), (80, 60)])
def test_patches_of_a_share_have_the_size(shape):
    image = np.zeros([*shape, 3], np.uint8)
    image[:30, :30] = 255  # half of the shorter side
    photograph = rescaled_to_patch(image, 0.5, 12)
    assert photograph.shape == (shape[0] * 24 // 60, shape[1] * 24 // 60, 3)
    assert np.all(photograph[:12, :12] == 255) and np.all(photograph[12:] == 0)


def test_the_whole_shorter_side_can_be_a_patch():
    assert rescaled_to_patch(np.zeros([61, 50, 3], np.uint8), 1.0, 33).shape == (40, 33, 3)


def test_pixels_are_means_of_what_they_cover():
    means = skimage.transform.downscale_local_mean(PHOTO[:30, :30], (3, 3, 1))
    np.testing.assert_allclose(rescaled_to_patch(PHOTO[:30, :30], 0.5, 5), means, atol=0.51)


def test_energy_is_the_sum_of_squared_differences_in_each_window():
    gray = PHOTO.mean(axis=-1) / 255
    rows, columns = np.zeros_like(gray), np.zeros_like(gray)
    rows[:-1], columns[:, :-1] = np.diff(gray, axis=0), np.diff(gray, axis=1)
    squares = np.lib.stride_tricks.sliding_window_view(rows**2 + columns**2, (7, 7))
    found = window_energies(PHOTO, 7)
    np.testing.assert_allclose(found, squares.sum(axis=(2, 3)), rtol=1e-4)


def test_seed_patches_lie_where_gradients_are_large():
    photograph = np.full([40, 50, 3], 128, np.uint8)
    photograph[26:34, 8:16] = np.random.default_rng(1).integers(0, 256, (8, 8, 1))
    photograph += (np.arange(50, dtype=np.uint8) // 4)[:, np.newaxis]
    for place in np.linspace(0.02, 0.98, 8):
        row, column = textured_corner(photograph, place, 10)
        assert 26 - 10 <= row <= 34
        assert 8 - 10 <= column <= 16


def test_probability_is_proportional_to_energy():
    # Two columns of edges, the one with four times the energy of the other.
    photograph = np.zeros([4, 23, 3], np.uint8)
    photograph[:, 6:], photograph[:, 17:] = 50, 150
    corners = [textured_corner(photograph, place, 4) for place in np.arange(200) / 200]
    columns = np.array([column for _, column in corners])
    assert np.all((np.abs(columns - 3.5) < 2) | (np.abs(columns - 14.5) < 2))
    assert np.mean(columns > 9) == pytest.approx(0.8, abs=0.01)


def test_corners_of_a_flat_photograph_are_inside():
    for place in (0.0, 0.5, 0.999):
        row, column = textured_corner(np.zeros([20, 30, 3], np.uint8), place, 9)
        assert 0 <= row <= 11 and 0 <= column <= 21
