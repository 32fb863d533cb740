import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.data.patch_appearance import (
    CONTRAST,
    change_by_chance,
    drop_colors,
    normalize_contrast,
    pixelate,
    pixelated_side,
    project_colors,
    shift_channels,
    standardize,
    to_gray,
)

PATCHES = np.random.default_rng(3).random((4, 24, 24, 3)).astype(np.float32)
SEED = tf.constant([5, 6], tf.int64)


def test_a_standardized_tile_has_the_values_of_the_specification():
    tile = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
    expected = [-1.341641, -0.447214, 0.447214, 1.341641]
    np.testing.assert_allclose(tf.reshape(standardize(tile), [4]), expected, atol=1e-6)
    constant = standardize(tf.fill([2, 3, 3, 3], 0.7))
    np.testing.assert_allclose(constant, np.zeros([2, 3, 3, 3]), atol=1e-4)


def test_channels_of_tiles_are_standardized_on_their_own():
    expected = scipy.stats.zscore(PATCHES, axis=(1, 2))
    np.testing.assert_allclose(standardize(PATCHES), expected, atol=1e-4)
    faint = standardize(0.5 + 1e-4 * PATCHES)
    assert np.abs(faint).max() < 0.1  # the rounding of 8 bits is not blown up


def test_a_projected_color_is_that_of_the_specification():
    np.testing.assert_allclose(project_colors(tf.constant([10.0, 20, 60])), [5, 30, 55], rtol=1e-6)
    projected = project_colors(PATCHES).numpy()
    np.testing.assert_allclose(projected @ [-1, 2, -1], np.zeros([4, 24, 24]), atol=1e-6)
    np.testing.assert_allclose(project_colors(projected), projected, atol=1e-6)
    np.testing.assert_allclose(to_gray(projected), to_gray(PATCHES), atol=1e-6)


def test_dropped_colors_have_the_values_of_the_specification():
    patch = tf.repeat(tf.reshape([100.0, 120.0], [1, 1, 2, 1]) / 255, 3, axis=-1)
    patch = 255 * CONTRAST * normalize_contrast(drop_colors(patch, SEED, noise=0.0)).numpy()
    kept = patch[0, 0][:, patch.any(axis=(0, 1, 2))]
    np.testing.assert_allclose(kept, [[-86.602540], [86.602540]], rtol=1e-5)


def test_one_random_channel_is_kept_among_noise():
    kept = np.zeros(3, int)
    for number in range(30):
        dropped = drop_colors(PATCHES, [number, 1]).numpy()
        for patch, before in zip(dropped, PATCHES, strict=True):
            (channel,) = np.flatnonzero(np.abs(patch).max(axis=(0, 1)) > 0.01)
            expected = before[..., channel] - before[..., channel].mean()
            np.testing.assert_allclose(patch[..., channel], expected, atol=1e-6)
            kept[channel] += 1
            noise = 255 * np.delete(patch, channel, axis=-1).ravel()
            assert scipy.stats.kstest(noise, "uniform", (-0.5, 1)).pvalue > 1e-5
    assert scipy.stats.chisquare(kept).pvalue > 1e-3


def test_contrast_is_that_of_the_whole_patch():
    centered = PATCHES - PATCHES.mean(axis=(1, 2), keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(normalize_contrast(PATCHES), expected, atol=1e-5)
    assert not np.any(normalize_contrast(tf.ones([1, 5, 5, 3])))


def test_each_channel_has_a_shift_of_its_own():
    places = np.stack(np.mgrid[:9, :7], axis=-1).astype(np.float32)
    shifts = []
    for channels in range(2):  # a channel holds rows or columns
        view = np.broadcast_to(places[..., channels, np.newaxis], (5, 9, 7, 3))
        shifted = shift_channels(view, 2, SEED).numpy()
        assert shifted.shape == (5, 7, 5, 3)
        first = shifted[:, :1, :1]
        np.testing.assert_array_equal(shifted - first, (view - view[:, :1, :1])[:, :7, :5])
        shifts.append(first.ravel())
    assert [set(one) for one in shifts] == [{0, 1, 2}] * 2
    assert len(set(zip(*shifts, strict=True))) > 4
    np.testing.assert_array_equal(shift_channels(PATCHES, 0, SEED), PATCHES)


def test_pixelated_sides_are_those_of_the_specification():
    assert pixelated_side(tf.constant([0, 0.5, 1]), 96).numpy().tolist() == [10, 67, 95]
    assert pixelated_side(tf.constant([0, 1.0]), 48).numpy().tolist() == [5, 47]
    assert pixelated_side(tf.constant([0.0]), 8).numpy() == [1]


def test_pixelation_takes_detail_from_a_share_of_the_patches():
    patches = np.repeat(PATCHES, 15, axis=0)
    np.testing.assert_array_equal(pixelate(patches, 0.0, SEED), patches)
    changed = pixelate(patches, 0.33, SEED).numpy()
    is_changed = np.any(changed != patches, axis=(1, 2, 3))
    assert 10 <= is_changed.sum() <= 31
    np.testing.assert_allclose(changed.mean(axis=(1, 2)), patches.mean(axis=(1, 2)), atol=0.05)
    deviations = changed[is_changed].std(axis=(1, 2, 3)), patches[is_changed].std(axis=(1, 2, 3))
    assert np.all(deviations[0] < deviations[1])


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 40, 80), (1.0, 200, 200)])
def test_an_example_is_changed_as_a_whole(share, low, high):
    def make(number):
        return change_by_chance(lambda one: -one, tf.ones([2, 1, 1, 3]), share, [number, 4])

    values = np.stack([make(number) for number in range(200)]).reshape(200, -1)
    assert np.all(values == values[:, :1])
    assert low <= np.sum(values[:, 0] < 0) <= high
