import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import PIXELS, Tap
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.sparse_hypercolumn import sample_features


def _centers(grid, size):
    rows, columns = np.meshgrid(grid.centers(0, size[0]), grid.centers(1, size[1]), indexing="ij")
    return tf.constant(np.stack([rows, columns], -1).reshape(1, -1, 2))


@pytest.mark.parametrize("map_size", [(5, 3), (1, 7), (4, 1)])
@pytest.mark.parametrize("tap", [Tap("a", 4, 1.5), Tap("b", 2, (0.0, 1.0)), Tap("c", 1, 0.0)])
@pytest.mark.parametrize("grid", [PIXELS, Tap("d", 4, 1.5), Tap("e", 3, (0.0, 1.0))])
def test_dense_equals_sparse_at_the_centers(map_size, tap, grid):
    features = tf.random.normal([1, *map_size, 6])
    size = (9, 11)
    sparse = sample_features(features, _centers(grid, size), tap)
    dense = resize_features(features, tap, grid, size)
    np.testing.assert_allclose(tf.reshape(dense, sparse.shape), sparse, rtol=1e-5, atol=1e-6)


def test_golden_row():
    row = tf.reshape(tf.constant([0.0, 1.0, 2.0, 4.0]), [1, 1, 4, 1])
    resized = resize_features(row, Tap("a", 2, 0.0), PIXELS, (1, 8))
    np.testing.assert_allclose(resized[0, 0, :, 0], [0, 0.5, 1, 1.5, 2, 3, 4, 4])


def test_half_pixel_offset_equals_tf_image_resize():
    features = tf.random.normal([2, 3, 5, 4])
    resized = resize_features(features, Tap("a", 4, 1.5), PIXELS, (12, 20))
    np.testing.assert_allclose(resized, tf.image.resize(features, [12, 20]), rtol=1e-4, atol=1e-5)


def test_own_grid_returns_the_map_itself():
    features = tf.random.normal([2, 3, 5, 4])
    tap = Tap("a", 4, (1.5, 1.0))
    assert resize_features(features, tap, Tap("grid", 4, (1.5, 1.0)), (3, 5)) is features


def test_unknown_sizes_give_the_same_numbers():
    tap, grid = Tap("a", 4, 1.5), Tap("grid", 4, 1.5)
    features = tf.random.normal([2, 3, 5, 4])

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 4]), tf.TensorSpec([2], tf.int32)]
    )
    def resize(features, size):
        return resize_features(features, tap, grid, (size[0], size[1]))

    np.testing.assert_allclose(resize(features, [3, 5]), features)
    longer = resize(features, [4, 5])
    np.testing.assert_allclose(longer[:, 3], features[:, 2])


def test_dtype_is_kept():
    features = tf.cast(tf.random.normal([2, 3, 5, 4]), tf.bfloat16)
    assert resize_features(features, Tap("a", 4, 1.5), PIXELS, (7, 9)).dtype == tf.bfloat16
