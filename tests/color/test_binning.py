import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.color.binning import BinGrid, windowed_histogram


def _reference_histogram(labels, locations, num_bins, window):
    radius = window // 2
    rows = []
    for row, column in np.round(locations).astype(int):
        row = min(max(row, 0), labels.shape[0] - 1)
        column = min(max(column, 0), labels.shape[1] - 1)
        patch = labels[
            max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1
        ]
        rows.append(np.bincount(patch.ravel(), minlength=num_bins) / patch.size)
    return np.array(rows).reshape(-1, num_bins)


def test_uniform_grid():
    grid = BinGrid.uniform(5, is_circular=True)
    assert grid.num_bins == 5
    assert grid.is_circular
    assert grid.is_uniform
    np.testing.assert_allclose(grid.edges, np.linspace(0, 1, 6))
    np.testing.assert_allclose(grid.centers, np.arange(5) / 5 + 0.1)


def test_uniform_labels_of_goldens():
    grid = BinGrid.uniform(32)
    hue = tf.constant([17 / 18, 5 / 12, 0.125, 2 / 3, 0, 7 / 12, 11 / 12], tf.float64)
    chroma = tf.constant([0.6, 0.4, 0.8, 1.0, 0.0, 0.4, 0.8], tf.float64)
    np.testing.assert_array_equal(grid.labels(hue), [30, 13, 4, 21, 0, 18, 29])
    np.testing.assert_array_equal(grid.labels(chroma), [19, 12, 25, 31, 0, 12, 25])


@pytest.mark.parametrize("num_bins", [1, 7, 8, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_labels_follow_the_rule_exactly(num_bins, dtype):
    boundaries = np.arange(num_bins + 1) / num_bins
    below, above = np.nextafter(boundaries, -1), np.nextafter(boundaries, 2)
    values = np.concatenate([boundaries, below, above]).astype(dtype)
    values = np.clip(values, 0, 1).reshape(3, -1)
    expected = np.minimum(np.floor(values * dtype(num_bins)), num_bins - 1)
    labels = BinGrid.uniform(num_bins).labels(values)
    assert labels.dtype == tf.int32
    np.testing.assert_array_equal(labels, expected)


def test_values_beyond_the_grid_fall_in_the_outermost_bins():
    np.testing.assert_array_equal(BinGrid.uniform(4).labels([-3.0, 1.5, math.inf]), [0, 3, 3])
    np.testing.assert_array_equal(BinGrid.gaussian_quantile(4).labels([-1e9, 1e9]), [0, 3])


def test_centers_fall_in_their_bins():
    for grid in (BinGrid.uniform(9), BinGrid.gaussian_quantile(9)):
        np.testing.assert_array_equal(grid.labels(grid.centers), np.arange(9))


def test_gaussian_quantile_goldens():
    values = tf.constant([-60, -10, 0, 3.2, 25, 80], tf.float64)
    grid = BinGrid.gaussian_quantile(32)
    np.testing.assert_array_equal(grid.labels(values), [0, 11, 16, 17, 26, 31])
    np.testing.assert_array_equal(
        BinGrid.gaussian_quantile(16).labels(values), [0, 5, 8, 8, 13, 15]
    )
    np.testing.assert_allclose(grid.centers[:3], [-53.84686735, -41.89849307, -35.44492845])
    np.testing.assert_allclose(grid.edges[1:4], [-46.56829669, -38.35301361, -32.95027243])


def test_gaussian_quantile_agrees_with_scipy():
    grid = BinGrid.gaussian_quantile(12, scale=10.0)
    normal = scipy.stats.norm(scale=10.0)
    np.testing.assert_allclose(grid.edges, normal.ppf(np.arange(13) / 12), atol=1e-12)
    values = np.random.default_rng(0).normal(0, 15, (4, 5))
    expected = np.minimum(np.floor(normal.cdf(values) * 12), 11)
    np.testing.assert_array_equal(grid.labels(values), expected)


def test_grids_can_be_keys():
    assert BinGrid.uniform(3) == BinGrid.uniform(3)
    assert hash(BinGrid.uniform(3)) != hash(BinGrid.gaussian_quantile(3))


def test_wrong_grids_are_refused():
    with pytest.raises(ValueError, match="num_bins 0: expected at least 1"):
        BinGrid.uniform(0)
    with pytest.raises(ValueError, match="num_bins -1: expected at least 1"):
        BinGrid.gaussian_quantile(-1)
    with pytest.raises(ValueError, match=r"scale 0.0: expected a positive number"):
        BinGrid.gaussian_quantile(4, scale=0.0)
    with pytest.raises(ValueError, match=r"edges \(0.0, 0.0\): expected increasing"):
        BinGrid((0.0, 0.0), (0.0,))
    with pytest.raises(ValueError, match="2 edges and 2 centers: expected"):
        BinGrid((0.0, 1.0), (0.2, 0.5))


def test_window_goldens_of_the_colorization_spec():
    labels = np.zeros((9, 9), np.int32)
    labels[2:5, 3:8] = 1
    labels[6:9, 6:9] = 2
    actual = windowed_histogram(labels, tf.constant([[4.0, 4.0], [1.0, 1.0]]), 3, 7)
    expected = [[0.61224490, 0.30612245, 0.08163265], [0.76, 0.24, 0]]
    np.testing.assert_allclose(actual, expected, atol=1e-7)


def test_window_golden_of_the_pretraining_spec():
    y, x = np.mgrid[:16, :16]
    labels = ((x + 2 * y) // 3 % 4).astype(np.int32)
    actual = windowed_histogram(labels, tf.constant([[8.0, 7.0]]), 4, 7)
    np.testing.assert_allclose(actual[0] * 49, [12, 13, 14, 10], rtol=1e-6)


@pytest.mark.parametrize("window", [1, 3, 7, 15])
def test_windows_agree_with_counting(window):
    rng = np.random.default_rng(window)
    labels = rng.integers(0, 5, (6, 11)).astype(np.int32)
    inside = rng.uniform(-0.4, [5.4, 10.4], (17, 2))
    corners = [[0, 0], [0, 10], [5, 0], [5, 10], [-4, 3], [3, 40]]
    locations = np.concatenate([inside, corners]).astype(np.float32)
    actual = windowed_histogram(labels, locations, 5, window)
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(
        actual, _reference_histogram(labels, locations, 5, window), atol=1e-6
    )
    np.testing.assert_allclose(tf.reduce_sum(actual, axis=-1), np.ones(23), rtol=1e-6)


def test_window_of_one_is_one_hot():
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    actual = windowed_histogram(labels, tf.constant([[2.4, 0.6], [0.0, 3.0]]), 12, 1)
    np.testing.assert_array_equal(actual, np.eye(12)[[9, 3]])


def test_no_locations_give_no_histograms():
    assert windowed_histogram(tf.zeros([3, 4], tf.int32), tf.zeros([0, 2]), 5, 3).shape == (0, 5)


def test_windows_work_in_a_pipeline_of_unknown_size():
    rng = np.random.default_rng(0)
    examples = [
        (rng.integers(0, 4, size).astype(np.int32), rng.uniform(0, 5, (n, 2)).astype(np.float32))
        for size, n in [((6, 7), 3), ((9, 5), 4)]
    ]
    spec = (tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, 2]))
    dataset = tf.data.Dataset.from_generator(lambda: iter(examples), output_signature=spec)
    dataset = dataset.map(lambda labels, locations: windowed_histogram(labels, locations, 4, 3))
    for (labels, locations), actual in zip(examples, dataset, strict=True):
        np.testing.assert_allclose(actual, _reference_histogram(labels, locations, 4, 3), atol=1e-6)


@pytest.mark.parametrize("window", [0, 2, -1])
def test_even_windows_are_refused(window):
    with pytest.raises(ValueError, match=f"window {window}: expected a positive odd number"):
        windowed_histogram(tf.zeros([3, 3], tf.int32), tf.zeros([1, 2]), 2, window)
