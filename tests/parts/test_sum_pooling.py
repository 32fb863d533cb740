"""Tests of pooling by sums."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.parts.pooling import PoolOptions, pool_start
from tfcolor.parts.sum_pooling import summed_map


@pytest.mark.parametrize("window, stride", [(4, 4), (7, 7), (3, 2), (2, 3), (5, 1)])
def test_cells_are_sums_over_the_windows_of_or_pooling(window, stride):
    options = PoolOptions(window=window, stride=stride)
    maps = np.random.default_rng(0).normal(size=(2, 11, 13, 3)).astype(np.float32)
    expected = np.zeros((2, 11 // stride, 13 // stride, 3))
    for row, column in np.ndindex(*expected.shape[1:3]):
        top, left = (
            pool_start(size, options) + stride * index for size, index in ((11, row), (13, column))
        )
        cell = maps[:, max(top, 0) : top + window, max(left, 0) : left + window]
        expected[:, row, column] = cell.sum(axis=(1, 2))
    np.testing.assert_allclose(summed_map(tf.constant(maps), options), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 9, 9, 2), (2, 3, 9, 2), (1, 0, 0, 2)])
def test_maps_smaller_than_a_cell_and_none_at_all_give_none(shape):
    pooled = summed_map(tf.zeros(shape), PoolOptions())
    assert pooled.shape == (shape[0], shape[1] // 4, shape[2] // 4, 2)
