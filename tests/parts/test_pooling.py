import numpy as np
import pytest
import tensorflow as tf

from tfcolor.parts.pooling import (
    FeatureLayout,
    PoolOptions,
    kept_positions,
    num_cells,
    pool_start,
    pooled_map,
    pooled_matrix,
    spread_rotations,
)


def pooled_by_loops(indices, num_features, window, stride):
    """Section 8 of the specification, one window at a time."""
    count, height, width = indices.shape
    starts = [(d % stride) // 2 + stride // 2 - window // 2 for d in (height, width)]
    result = np.zeros([count, height // stride, width // stride, num_features], np.uint8)
    for n, i, j in np.ndindex(result.shape[:3]):
        top, left = starts[0] + i * stride, starts[1] + j * stride
        cell = indices[n, max(top, 0) : top + window, max(left, 0) : left + window]
        result[n, i, j, cell[cell >= 0]] = 1
    return result


def random_indices(shape, num_features, seed=0):
    return np.random.RandomState(seed).randint(-1, num_features, shape).astype(np.int32)


def ones(pooled):
    return [tuple(place) for place in np.argwhere(pooled).tolist()]


@pytest.mark.parametrize(
    "size,start,cells",
    [(8, 0, 2), (9, 0, 2), (10, 1, 2), (11, 1, 2), (20, 0, 5), (23, 1, 5), (24, 0, 6)],
)
def test_geometry(size, start, cells):
    assert pool_start(size, PoolOptions()) == start
    assert num_cells(size, PoolOptions()) == cells


def test_border_of_23_positions_is_discarded():
    indices = np.full([1, 23, 23], -1, np.int32)
    for part, place in enumerate([(0, 5), (1, 1), (4, 4), (5, 4), (20, 20), (21, 3), (12, 9)]):
        indices[0][place] = part
    pooled = pooled_map(indices, FeatureLayout(7), PoolOptions())
    assert ones(pooled[0]) == [(0, 0, 1), (0, 0, 2), (1, 0, 3), (2, 2, 6), (4, 4, 4)]
    expected = np.zeros(23, bool)
    expected[1:21] = True
    np.testing.assert_array_equal(kept_positions(23, PoolOptions()), expected)


@pytest.mark.parametrize("window,stride", [(4, 4), (2, 2), (3, 2), (5, 2), (6, 4), (2, 3), (1, 1)])
@pytest.mark.parametrize("size", [(7, 10), (8, 5), (23, 12)])
def test_dense_and_sparse_agree_with_loops(window, stride, size):
    options = PoolOptions(window=window, stride=stride)
    indices = random_indices([3, *size], 6)
    expected = pooled_by_loops(indices, 6, window, stride)
    np.testing.assert_array_equal(pooled_map(indices, FeatureLayout(6), options), expected)
    matrix = pooled_matrix(indices, FeatureLayout(6), options)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), expected.reshape(3, -1))


def test_rows_do_not_depend_on_chunks(monkeypatch):
    indices = random_indices([5, 9, 9], 4)
    whole = pooled_matrix(indices, FeatureLayout(4), PoolOptions())
    monkeypatch.setattr("tfcolor.parts.pooling.ROWS_PER_CHUNK", 2)
    chunked = pooled_matrix(indices, FeatureLayout(4), PoolOptions())
    np.testing.assert_array_equal(chunked.toarray(), whole.toarray())


@pytest.mark.parametrize("size", [(3, 9), (0, 0), (2, 2)])
def test_maps_smaller_than_a_cell_have_no_features(size):
    indices = random_indices([2, *size], 4)
    cells = size[0] // 4, size[1] // 4
    assert pooled_map(indices, FeatureLayout(4), PoolOptions()).shape == (2, *cells, 4)
    assert pooled_matrix(indices, FeatureLayout(4), PoolOptions()).shape == (2, 0)


def test_background_and_no_images():
    background = np.full([2, 8, 8], -1, np.int32)
    assert not pooled_map(background, FeatureLayout(5), PoolOptions()).numpy().any()
    assert pooled_matrix(background, FeatureLayout(5), PoolOptions()).nnz == 0
    none = background[:0]
    assert pooled_map(none, FeatureLayout(5), PoolOptions()).shape == (0, 2, 2, 5)
    assert pooled_matrix(none, FeatureLayout(5), PoolOptions()).shape == (0, 20)


@pytest.mark.parametrize("radius", [1, 2])
def test_dilation_pools_neighbors_inside_the_map(radius):
    indices = random_indices([2, 10, 9], 5, seed=1)
    indices[np.random.RandomState(2).rand(*indices.shape) < 0.8] = -1
    one_hot = (indices[..., None] == np.arange(5)).astype(np.float32)
    side = 2 * radius + 1
    dilated = tf.nn.max_pool2d(one_hot, side, 1, "SAME").numpy()
    expected = tf.nn.max_pool2d(dilated[:, 1:9, 0:8], 4, 4, "VALID")
    found = pooled_map(indices, FeatureLayout(5), PoolOptions(dilation=radius))
    np.testing.assert_array_equal(found, expected)
    kept = kept_positions(10, PoolOptions(dilation=radius)).numpy()
    np.testing.assert_array_equal(kept, [True] * 10)


def test_rotational_spreading_switches_on_neighbors():
    layout = FeatureLayout(3, 4, 2)
    pooled = np.zeros([1, layout.num_features], np.uint8)
    pooled[0, 8 + 4 + 3] = 1  # z = 1, t = 1, r = 3
    assert np.flatnonzero(spread_rotations(pooled, layout, 1)).tolist() == [12, 14, 15]
    assert np.flatnonzero(spread_rotations(pooled, layout, 7)).tolist() == [12, 13, 14, 15]
    np.testing.assert_array_equal(spread_rotations(pooled, layout, 0), pooled)


@pytest.mark.parametrize("radius", [1, 3])
def test_pooling_spreads_rotations(radius):
    layout = FeatureLayout(2, 5)
    indices = random_indices([2, 8, 9], layout.num_features, seed=3)
    indices[:, ::2] = -1
    plain = pooled_map(indices, layout, PoolOptions())
    found = pooled_map(indices, layout, PoolOptions(rotation_spread=radius))
    np.testing.assert_array_equal(found, spread_rotations(plain, layout, radius))
    matrix = pooled_matrix(indices, layout, PoolOptions(rotation_spread=radius))
    np.testing.assert_array_equal(matrix.toarray(), found.numpy().reshape(2, -1))


def test_graph_takes_any_size():
    pool = tf.function(
        lambda indices: pooled_map(indices, FeatureLayout(4), PoolOptions()),
        input_signature=[tf.TensorSpec([None, None, None], tf.int32)],
        autograph=False,
    )
    for shape in ((2, 9, 14), (1, 3, 3), (0, 8, 8)):
        indices = random_indices(shape, 4)
        np.testing.assert_array_equal(pool(indices), pooled_by_loops(indices, 4, 4, 4))
