import numpy as np
import pytest
import tensorflow as tf

from tfcolor.heads.generator import ImageGenerator, cut_middle, num_halvings
from tfcolor.models.network import kernel_and_bias_variables


def test_the_published_sizes():
    generator = ImageGenerator(100, 3, 64, side=64, seed=0)
    assert generator.spread.side == 4
    kernels, biases = kernel_and_bias_variables(generator)
    # Dense: [in, out]; transposed convolutions: [k, k, out, in].
    assert [tuple(kernel.shape) for kernel in kernels] == [
        (100, 4 * 4 * 512),
        *((4, 4, out, given) for given, out in ((512, 256), (256, 128), (128, 64), (64, 3))),
    ]
    assert len(biases) == len(kernels)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (13, 3), (33, 3), (227, 1)])
def test_images_of_any_side_are_made_from_codes(side, channels):
    generator = ImageGenerator(5, channels, 1, side=side, seed=0)
    images = generator(np.random.default_rng(0).normal(size=(2, 5)), training=True).numpy()
    assert images.shape == (2, side, side, channels)
    assert images.dtype == np.float32
    assert 0 < images.min() < images.max() < 1
    assert abs(images.mean() - 0.5) < 0.1  # gray at first


def test_maps_become_images_by_doublings():
    generator = ImageGenerator(7, 3, 2, side=30, num_doublings=3, seed=0)
    maps = tf.random.stateless_normal([2, 4, 4, 7], [1, 2])
    images = generator(maps)
    assert images.shape == [2, 30, 30, 3]
    assert [kernel.shape[2] for kernel in kernel_and_bias_variables(generator)[0]] == [4, 2, 3]
    # The top left cell changes the top left corner, and nothing far from it.
    other = generator(tf.tensor_scatter_nd_add(maps, [[0, 0, 0, 0]], [9.0]))
    changed = np.any(images != other, axis=(0, 3))
    assert changed[:8, :8].any()
    assert not changed[20:].any()
    assert not changed[:, 20:].any()


def test_agrees_with_numpy():
    generator = ImageGenerator(3, 2, 2, side=8, seed=4)
    codes = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    (spread, last), _ = kernel_and_bias_variables(generator)
    generator.spread.bias.assign([0.3, -0.2])
    stage = generator.stages[0]
    stage.mapping.bias.assign([0.5, -0.4])
    maps = (codes @ spread.numpy()).reshape(2, 4, 4, 2) + np.array([0.3, -0.2])
    maps = np.maximum(maps / np.sqrt(1 + 1e-5), 0)
    # Every cell adds its kernel to 4x4 pixels; the border pixels are cut off.
    pixels = np.zeros([2, 10, 10, 2])
    for row in range(4):
        for column in range(4):
            patch = np.einsum("bc,ijoc->bijo", maps[:, row, column], last.numpy())
            pixels[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += patch
    pixels = pixels[:, 1:-1, 1:-1] + [0.5, -0.4]
    expected = 1 / (1 + np.exp(-2 * pixels))
    np.testing.assert_allclose(generator(codes), expected, rtol=1e-5)


def test_one_seed_gives_the_same_network():
    kernels = [
        kernel_and_bias_variables(ImageGenerator(3, 1, 1, side=16, seed=seed))[0]
        for seed in (1, 1, 2)
    ]
    for first, same, other in zip(*kernels, strict=True):
        np.testing.assert_array_equal(first, same)
        assert np.all(first.numpy() != other.numpy())


def test_halvings_end_at_four_to_eight_cells():
    for side in range(8, 300):
        cells = side / 2 ** num_halvings(side)
        assert 4 <= cells < 8
    with pytest.raises(ValueError, match="side=7: expected at least 8"):
        num_halvings(7)


def test_the_middle_is_cut_out():
    images = np.arange(2 * 5 * 6).reshape(2, 5, 6, 1)
    np.testing.assert_array_equal(cut_middle(tf.constant(images), 2), images[:, 1:3, 2:4])
    np.testing.assert_array_equal(cut_middle(tf.constant(images), 5), images[:, :, :5])
