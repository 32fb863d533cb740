import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.heads.decoder_stages import (
    ALEXNET,
    DECODERS,
    IMAGE_GAIN,
    VGG16,
    CellSpread,
    DecodingStage,
    Stage,
    choose_stages,
)

SEED = 5


def transposed(maps, kernel, bias, stride):
    """Adds the kernel, [k, k, D, C], times every cell of [B, H, W, C] where it stands."""
    batch, height, width, _ = maps.shape
    size, _, channels, _ = kernel.shape
    shape = batch, (height - 1) * stride + size, (width - 1) * stride + size, channels
    outputs = np.zeros(shape)
    for row in range(height):
        for column in range(width):
            top, left = row * stride, column * stride
            outputs[:, top : top + size, left : left + size] += np.einsum(
                "bc,hwdc->bhwd", maps[:, row, column], kernel
            )
    return outputs + bias


def maps_of(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def stage_layer(stage, in_channels, channels, **options):
    layer = DecodingStage(stage, in_channels, channels, seed=SEED, **options)
    for variable in layer.trainable_variables:
        variable.assign(variable + maps_of(*variable.shape) / 10)
    return layer


@pytest.mark.parametrize(("kernel", "stride", "crop"), [(3, 2, 0), (5, 2, 1), (11, 4, 0)])
def test_transposed_stage_puts_a_kernel_at_every_cell(kernel, stride, crop):
    layer = stage_layer(Stage("a", kernel, stride, crop), 3, 4, is_image=True)
    maps = maps_of(2, 3, 5, 3)
    expected = transposed(maps, layer.mapping.kernel.numpy(), layer.mapping.bias.numpy(), stride)
    expected = expected[:, crop : expected.shape[1] - crop, crop : expected.shape[2] - crop]
    np.testing.assert_allclose(layer(maps, "code"), expected, rtol=1e-4, atol=1e-5)


def test_a_spread_cell_is_a_transposed_convolution_of_it():
    layer = CellSpread(4, 3, seed=SEED)
    cells = maps_of(2, 7)
    layer.build([None, 7])
    layer.bias.assign([1.0, -2.0, 3.0])
    kernel = layer.kernel.numpy().reshape(7, 4, 4, 3).transpose(1, 2, 3, 0)
    expected = transposed(cells[:, None, None], kernel, layer.bias.numpy(), 4)
    np.testing.assert_allclose(layer(cells), expected, rtol=1e-4, atol=1e-5)


def test_convolution_stage_keeps_the_size_and_is_rectified():
    layer = stage_layer(Stage("a", kernel=3), 3, 4)
    maps = maps_of(2, 5, 6, 3)
    padded = np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = np.einsum("bijchw,hwcd->bijd", patches, layer.mapping.kernel.numpy())
    expected = np.maximum(expected + layer.mapping.bias.numpy(), 0)
    np.testing.assert_allclose(layer(maps, "code"), expected, rtol=1e-4, atol=1e-5)


def test_entries_share_the_weights_and_not_the_statistics():
    layer = stage_layer(Stage("a"), 3, 4, entries=("code", "fc6"))
    features = maps_of(6, 3)
    one = layer(features, "code", training=True).numpy()
    np.testing.assert_array_equal(layer(features, "fc6", training=True), one)
    layer(5 * features, "fc6", training=True)
    norms = layer.batch_norms
    assert np.any(norms["code"].moving_variance != norms["fc6"].moving_variance.numpy())
    before = features @ layer.mapping.kernel.numpy() + layer.mapping.bias.numpy()
    normal = (before - before.mean(axis=0)) / np.sqrt(before.var(axis=0) + 1e-5)
    np.testing.assert_allclose(one, np.maximum(normal, 0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("stage", [Stage("a", 3, 2), Stage("a", 4), Stage("a"), Stage("a", 2, 2)])
def test_first_kernels_keep_the_second_moment(stage):
    # After He et al. the variance of what follows a rectified map is its second moment times 2.
    layer = DecodingStage(stage, 64, 32, seed=SEED)
    image = DecodingStage(stage, 64, 32, is_image=True, seed=SEED)
    maps = maps_of(4, 64) if not stage.kernel else maps_of(4, 12, 12, 64)
    outputs = layer.mapping(maps).numpy()
    inner = outputs if not stage.kernel else outputs[:, 3:-3, 3:-3]
    assert inner.var() == pytest.approx(2.0, rel=0.2)
    np.testing.assert_allclose(image.mapping(maps), IMAGE_GAIN * outputs, rtol=1e-3, atol=1e-5)


def test_stages_are_those_of_the_taps():
    def taps(stages):
        return {stage.name: Tap(stage.name, 1, 0.0, 4) for stage in (*stages, Stage("top"))}

    assert choose_stages(taps(ALEXNET)) == ALEXNET
    assert choose_stages(taps(reversed(VGG16))) == VGG16
    with pytest.raises(UsageError, match="with the taps a, top; expected --backbone=alexnet or"):
        choose_stages(taps([Stage("a")]))
    assert list(DECODERS) == ["alexnet", "vgg16"]


def test_image_is_float32_and_linear_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        image = DecodingStage(Stage("x", 3, 2), 3, 1, is_image=True, seed=SEED)
        inner = DecodingStage(Stage("a", 3, 2), 3, 2, entries=("code",), seed=SEED)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    maps = inner(tf.cast(maps_of(2, 3, 3, 3), tf.bfloat16), "code", training=True)
    assert maps.dtype == tf.bfloat16
    pixels = image(tf.cast(maps_of(2, 3, 3, 3), tf.bfloat16), "code").numpy()
    assert pixels.dtype == np.float32 and pixels.min() < 0
