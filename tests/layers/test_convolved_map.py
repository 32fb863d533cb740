import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.layers.convolved_map import ConvolvedMap

TAP = Tap("conv4", 8, (3.5, 1.5), 5)
SIZE = (6, 4)


@pytest.fixture
def layer():
    layer = ConvolvedMap(TAP, 7, seed=3)
    for number, one in enumerate(layer.convolutions):
        one.bias.assign(tf.random.stateless_normal([7], [number, 1]))
    return layer


def _features():
    return {"conv4": tf.random.stateless_normal([2, *SIZE, 5], [1, 2])}


def _expected(layer, maps):
    """The map in NumPy: each cell, its right, lower and lower right neighbor; zeros outside."""
    first, second = ([value.numpy() for value in one.weights] for one in layer.convolutions)
    padded = np.pad(maps, [(0, 0), (0, 1), (0, 1), (0, 0)])
    total = first[1] + sum(
        padded[:, row : row + SIZE[0], column : column + SIZE[1]] @ first[0][row, column]
        for row in (0, 1)
        for column in (0, 1)
    )
    return np.maximum(total, 0) @ second[0][0, 0] + second[1]


def test_cells_are_read_half_a_cell_further(layer):
    features = _features()
    expected = _expected(layer, features["conv4"].numpy())
    rows, columns = np.meshgrid(
        8 * np.arange(6) + 3.5 + 4, 8 * np.arange(4) + 1.5 + 4, indexing="ij"
    )
    locations = np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [2, 1, 1])
    found = layer.sparse(features, tf.constant(locations, tf.float32), {"conv4": TAP})
    np.testing.assert_allclose(found, expected.reshape(2, 24, 7), rtol=1e-4, atol=1e-5)
    grid = Tap("grid", 8, (7.5, 5.5))
    dense = layer.dense(features, {"conv4": TAP}, grid, SIZE)
    np.testing.assert_allclose(dense, expected, rtol=1e-4, atol=1e-5)


def test_dense_equals_sparse_between_the_cells(layer):
    features, grid = _features(), Tap("grid", 4, 1.0)
    dense = layer.dense(features, {"conv4": TAP}, grid, (11, 7))
    rows, columns = np.meshgrid(grid.centers(0, 11), grid.centers(1, 7), indexing="ij")
    locations = tf.constant(np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [2, 1, 1]))
    sparse = layer.sparse(features, locations, {"conv4": TAP})
    np.testing.assert_allclose(tf.reshape(dense, [2, 77, 7]), sparse, rtol=1e-4, atol=1e-5)


def test_maps_do_not_pass_through_a_sampler(layer):
    assert layer.build_sampler(tf.zeros([1, 1, 2]), {"conv4": TAP}, (48, 32)) is None


def test_initial_kernels_depend_on_the_seed_only():
    first, again, other = (ConvolvedMap(TAP, 7, seed=seed) for seed in (1, 1, 2))
    for one, same, different in zip(
        first.convolutions, again.convolutions, other.convolutions, strict=True
    ):
        np.testing.assert_array_equal(one.kernel, same.kernel)
        assert np.abs(one.kernel - different.kernel).max() > 0
