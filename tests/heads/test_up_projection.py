import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates
from scipy.signal import correlate

from tfcolor.core.taps import Tap
from tfcolor.heads.up_projection import (
    UnpooledConvolution,
    UpProjection,
    UpProjectionHead,
    sampled_pixels,
)
from tfcolor.models.network import kernel_and_bias_variables


def _unpooled(maps):
    """Returns maps with each cell at the top left of a square of zeros."""
    batch, rows, columns, channels = maps.shape
    larger = np.zeros((batch, 2 * rows, 2 * columns, channels), maps.dtype)
    larger[:, ::2, ::2] = maps
    return larger


def _convolved(maps, kernel):
    """Convolves as TensorFlow does at stride 1 with SAME padding, by SciPy."""
    side = kernel.shape[0] // 2
    padded = np.pad(maps, [(0, 0), (side, side), (side, side), (0, 0)])
    return np.stack(
        [
            [correlate(one, kernel[..., filter_], "valid")[..., 0] for one in padded]
            for filter_ in range(kernel.shape[-1])
        ],
        axis=-1,
    )


def _normalized(maps):
    return (maps - maps.mean((0, 1, 2))) / np.sqrt(maps.var((0, 1, 2)) + 1e-5)


def _slow_block(block, maps):
    """The block as the paper draws it, on unpooled maps, with batch statistics."""
    upper, second, shortcut = (
        layer.kernel.numpy().astype(np.float64)
        for layer in (block.upper, block.second, block.shortcut)
    )
    larger = _unpooled(maps)
    main = np.maximum(_normalized(_convolved(larger, upper)), 0)
    main = _normalized(_convolved(main, second))
    return np.maximum(main + _normalized(_convolved(larger, shortcut)), 0)


def _random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_interleaved_convolutions_are_that_of_the_unpooled_map(size):
    maps = _random_maps(2, *size, 3).astype(np.float32)
    layer = UnpooledConvolution(4)
    fast = layer(maps)
    assert fast.shape == [2, 2 * size[0], 2 * size[1], 4]
    expected = _convolved(_unpooled(maps).astype(np.float64), layer.kernel.numpy())
    np.testing.assert_allclose(fast, expected, atol=1e-6)
    assert layer.kernel.shape == [5, 5, 3, 4]


def test_gradients_are_those_of_the_unpooled_map():
    maps = tf.constant(_random_maps(2, 3, 5, 2).astype(np.float32))
    weights = _random_maps(2, 6, 10, 3, seed=1).astype(np.float32)
    layer = UnpooledConvolution(3)
    layer.build(maps.shape)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        fast = tf.reduce_sum(weights * layer(maps))
        zeros = tf.zeros_like(maps)
        larger = tf.nn.depth_to_space(tf.concat([maps, zeros, zeros, zeros], -1), 2)
        slow = tf.reduce_sum(weights * tf.nn.conv2d(larger, layer.kernel, 1, "SAME"))
    np.testing.assert_array_equal(larger, _unpooled(maps.numpy()))
    for variable in (maps, layer.kernel):
        np.testing.assert_allclose(
            tape.gradient(fast, variable), tape.gradient(slow, variable), atol=1e-5
        )


def test_block_is_the_one_of_the_paper():
    maps = _random_maps(2, 3, 4, 5)
    block = UpProjection(6, seed=1, name="up_projection")
    fast = block(maps.astype(np.float32), training=True)
    np.testing.assert_allclose(fast, _slow_block(block, maps), atol=1e-5)
    kernels, biases = kernel_and_bias_variables(block)
    # A scale and a shift for each batch norm, and no bias.
    assert (len(kernels), len(biases)) == (3, 6)


def _head(tap, channels=(6, 4), cell_size=2, **settings):
    head = UpProjectionHead(tap, channels, cell_size, seed=1, **settings)
    for variable in head.trainable_variables:
        if len(variable.shape) == 4:
            variable.assign(0.3 * np.random.default_rng(2).normal(size=variable.shape))
    return head


@pytest.mark.parametrize(("cell_size", "size"), [(1, (16, 24)), (2, (17, 24)), (3, (17, 23))])
def test_map_is_read_at_the_chosen_pixels(cell_size, size):
    tap = Tap("block3", 8, (2.5, 3.5), 5)
    head = _head(tap, cell_size=cell_size, initial_value=2.0)
    features = {"block3": _random_maps(2, 3, 3, 5).astype(np.float32)}
    inputs = {"image": tf.zeros([2, *size, 3])}
    predicted = head(features, inputs, {"block3": tap}, training=True)["map"]
    first = (cell_size - 1) // 2
    rows, columns = (np.arange(side)[first::cell_size] for side in size)
    assert predicted.shape == [2, len(rows), len(columns)]

    maps = features["block3"].astype(np.float64)  # as it is: activated by whoever made it
    for block in head.blocks:
        maps = _slow_block(block, maps)
    maps = _convolved(maps, head.last.kernel.numpy().astype(np.float64))[..., 0] + 2
    # Two blocks leave a stride of 2, and cell (0, 0) where it is.
    cells = np.meshgrid((rows - 2.5) / 2, (columns - 3.5) / 2, indexing="ij")
    for example in (0, 1):
        expected = map_coordinates(maps[example], cells, order=1, mode="nearest")
        np.testing.assert_allclose(predicted[example], expected, atol=1e-4)


def test_dense_predictions_agree_with_those_on_the_grid():
    tap = Tap("block3", 8, 3.5, 5)
    head = _head(tap)
    features = {"block3": _random_maps(1, 2, 3, 5).astype(np.float32)}
    taps = {"block3": tap}
    sparse = head(features, {"image": tf.zeros([1, 16, 24, 3])}, taps)["map"]
    dense = head.dense(features, taps, (16, 24))
    assert dense.shape == [1, 16, 24]
    np.testing.assert_allclose(dense[:, ::2, ::2], sparse, atol=1e-6)
    assert sampled_pixels(2).offset == (0, 0)
    assert sampled_pixels(3).offset == (1, 1)


def test_published_head_has_its_parameters():
    def block(channels, width):
        return 2 * 25 * channels * width + 9 * width * width + 3 * 2 * width

    tap = Tap("block3", 16, 0.0, 24)
    head = UpProjectionHead(tap, (512 // 64, 256 // 64, 128 // 64), 2, seed=0)
    count = sum(int(tf.size(variable)) for variable in head.trainable_variables)
    assert count == block(24, 8) + block(8, 4) + block(4, 2) + 9 * 2 + 1
    kernels, biases = kernel_and_bias_variables(head)
    assert (len(kernels), len(biases)) == (10, 3 * 6 + 1)


def test_predictions_begin_at_the_initial_value():
    tap = Tap("block3", 16, 0.0, 24)
    head = UpProjectionHead(tap, (8, 4, 4), 2, initial_value=2.7, seed=0)
    features = {"block3": tf.random.stateless_normal([2, 2, 2, 24], [0, 1])}
    inputs = {"image": tf.zeros([2, 32, 32, 3])}
    predicted = head(features, inputs, {"block3": tap}, training=True)["map"].numpy()
    np.testing.assert_allclose(predicted, 2.7, atol=0.5)
    assert predicted.std() > 0


def test_more_blocks_than_the_stride_allows_are_refused():
    with pytest.raises(ValueError, match="5 blocks divide a stride by 32: that of block3 is 16"):
        UpProjectionHead(Tap("block3", 16, 0.0, 8), (4,) * 5, 2, seed=0)
