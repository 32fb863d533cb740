import numpy as np
import pytest
import scipy.ndimage
import skimage.measure
import tensorflow as tf

from tfcolor.layers.map_reduction import (
    PROBE_RULES,
    adaptive_pool,
    average_windows,
    fractional_pool,
    resize_map,
)

WIDTHS = {
    "zhang": (96, 256, 384, 384, 256),
    "rotnet": (64, 192, 384, 256, 256),
    "deepcluster": (96, 256, 384, 384, 256),
}
"""Channels of each author's AlexNet."""


def _map(height, width, channels=3, batch=2):
    values = np.random.default_rng(height + width).normal(size=(batch, height, width, channels))
    return values.astype(np.float32)


@pytest.mark.parametrize(
    ("rule", "dimensions"),
    [
        ("zhang", [9600, 9216, 9600, 9600, 9216]),
        ("rotnet", [9216, 9408, 9600, 9216, 9216]),
        ("deepcluster", [9600, 9216, 9600, 9600, 9216]),
    ],
)
def test_dimensions_are_the_published_ones(rule, dimensions):
    own = PROBE_RULES[rule]
    layers = zip((55, 27, 13, 13, 13), WIDTHS[rule], own.sizes, strict=True)
    assert [own.output_size(side, side, *more) for side, *more in layers] == dimensions


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("height", "width", "side"), [(13, 10, 3), (12, 6, 4), (2, 5, 3)])
def test_adaptive_cells_cover_the_map(kind, height, width, side):
    features = _map(height, width)
    rows, columns = min(side, height), min(side, width)
    expected = np.empty((2, rows, columns, 3))
    for i in range(rows):
        for j in range(columns):
            top, bottom = np.floor(i * height / rows), np.ceil((i + 1) * height / rows)
            left, right = np.floor(j * width / columns), np.ceil((j + 1) * width / columns)
            cell = features[:, int(top) : int(bottom), int(left) : int(right)]
            expected[:, i, j] = getattr(cell, {"max": "max", "average": "mean"}[kind])(axis=(1, 2))
    np.testing.assert_allclose(adaptive_pool(features, side, kind), expected, rtol=1e-4, atol=1e-6)


def test_a_multiple_is_pooled_in_blocks():
    features = _map(12, 9)
    blocks = skimage.measure.block_reduce(features, (1, 4, 3, 1), np.max)
    np.testing.assert_array_equal(adaptive_pool(tf.constant(features), 3), blocks)


def test_bilinear_resizing_is_that_of_half_pixel_centers():
    features = _map(13, 9)
    rows, columns = ((np.arange(5) + 0.5) * size / 5 - 0.5 for size in (13, 9))
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = scipy.ndimage.map_coordinates(features[1, ..., 2], places, order=1, mode="nearest")
    np.testing.assert_allclose(resize_map(features, 5)[1, ..., 2], expected, rtol=1e-4, atol=1e-5)
    assert resize_map(features, 12).shape == [2, 12, 9, 3]


@pytest.mark.parametrize(("side", "padding"), [(6, 3), (4, 0), (3, 1), (2, 0)])
def test_windows_are_averaged_with_their_zeros(side, padding):
    features = _map(13, 10)
    padded = np.pad(features, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    rows, columns = ((size - side) // side + 1 for size in padded.shape[1:3])
    whole = padded[:, : rows * side, : columns * side]
    expected = skimage.measure.block_reduce(whole, (1, side, side, 1), np.mean)
    np.testing.assert_allclose(average_windows(features, side), expected, rtol=1e-4, atol=1e-6)


def test_a_map_smaller_than_a_window_is_one():
    features = _map(3, 3)
    expected = features.mean(axis=(1, 2))
    np.testing.assert_allclose(average_windows(features, 4)[:, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "channels", "side"), [(13, 13, 8, 6), (16, 11, 5, 8), (9, 9, 300, 1)]
)
def test_fractional_pooling_keeps_maxima_of_as_many_regions(height, width, channels, side):
    features = _map(height, width, channels)
    pooled = fractional_pool(tf.constant(features), 300)
    assert pooled.shape == [2, side, side, channels]
    np.testing.assert_array_equal(pooled, fractional_pool(tf.constant(features), 300))
    np.testing.assert_array_equal(tf.reduce_max(pooled, [1, 2]), features.max(axis=(1, 2)))
    assert np.isin(pooled, features).all()


def test_few_features_stay_as_they_are():
    features = tf.constant(_map(5, 4))
    np.testing.assert_array_equal(fractional_pool(features, 60), features)
