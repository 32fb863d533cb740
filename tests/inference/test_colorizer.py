import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import quantize_rgb
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions


def _gray(*shape, seed=0):
    """Returns smooth random lightness with some noise, float32 [*shape, 1]."""
    random_numbers = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    waves = np.sin(rows / 7 + columns / 11 + random_numbers.uniform(0, 6, (*shape[:-2], 1, 1)))
    noise = random_numbers.uniform(-0.1, 0.1, shape)
    return np.clip(0.5 + 0.4 * waves + noise, 0, 1).astype(np.float32)[..., None]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (37, 53), (64, 20), (100, 101)])
def test_output_keeps_size_and_lightness(tiny_colorizer, size):
    gray = _gray(1, *size)
    outputs = tiny_colorizer.colorize(gray)
    assert outputs["rgb"].shape == (1, *size, 3)
    assert outputs["uncertainty"].shape == (1, *size)
    pixels = quantize_rgb(outputs["rgb"]).numpy().astype(np.float64)
    error = np.abs(pixels.mean(axis=-1, keepdims=True) - 255 * gray.astype(np.float64))
    assert error.max() <= 1 / 6 + 1e-4  # float32; half a step would be 0.5
    for output in outputs.values():
        assert np.all((output >= 0) & (output <= 1))


def test_lightness_of_8_bit_gray_is_kept_exactly(tiny_colorizer):
    levels = np.random.default_rng(0).integers(0, 256, (1, 40, 31, 1))
    outputs = tiny_colorizer.colorize((levels / 255).astype(np.float32))
    pixels = quantize_rgb(outputs["rgb"]).numpy().astype(int)
    np.testing.assert_array_equal(pixels.sum(axis=-1, keepdims=True), 3 * levels)


def test_photographs_become_colorful(tiny_colorizer):
    rgb = tiny_colorizer.colorize(_gray(1, 50, 40))["rgb"].numpy()
    assert np.mean(rgb.max(axis=-1) - rgb.min(axis=-1)) > 0.02


@pytest.fixture(scope="module", params=["centered", "zero"])
def aligned(request, tiny_colorizer, build_tiny_network):
    """A colorizer, and the center of its grid's first cell."""
    if request.param == "centered":
        return tiny_colorizer, 1.5
    network = build_tiny_network(seed=1, tap_alignment="zero")
    return Colorizer(network, HueChroma(8), DecodingOptions(), SizeOptions()), 0.0


@pytest.mark.parametrize("size", [(32, 32), (37, 53), (5, 66)])
def test_dense_histograms_equal_the_sparse_head(aligned, size):
    colorizer, first = aligned
    gray = _gray(2, *size)
    dense = colorizer.histograms(gray)
    rows, columns = (-(-side // 4) for side in size)
    centers = np.stack(np.mgrid[:rows, :columns], axis=-1).reshape(-1, 2) * 4.0 + first
    locations = np.tile(centers.astype(np.float32), (2, 1, 1))
    sparse = colorizer.network({"image": gray, "locations": locations}, training=False)
    for name, probs in dense.items():
        assert probs.shape == (2, rows, columns, 8)
        expected = tf.nn.log_softmax(sparse[f"{name}_logits"])
        actual = tf.reshape(tf.math.log(probs), expected.shape)
        # float32 through 16 layers.
        np.testing.assert_allclose(actual, expected, atol=2e-4)
        assert np.ptp(expected, axis=1).max() > 0.1


def test_histograms_sum_to_one(tiny_colorizer):
    for probs in tiny_colorizer.histograms(_gray(1, 29, 41)).values():
        np.testing.assert_allclose(np.sum(probs, axis=-1), 1.0, atol=1e-5)
        assert np.all(probs >= 0)


def test_a_batch_equals_its_photographs_one_by_one(tiny_colorizer):
    gray = _gray(2, 35, 50)
    for method in (tiny_colorizer.colorize, tiny_colorizer.histograms):
        both = method(gray)
        for index in range(2):
            single = method(gray[index : index + 1])
            for name, value in single.items():
                np.testing.assert_allclose(both[name][index], value[0], atol=1e-5)


@pytest.fixture
def certain(tiny_colorizer):
    """A colorizer whose predictions the test may set."""
    network = tiny_colorizer.network
    kept = [(variable, variable.numpy()) for variable in network.head.trainable_variables]
    yield tiny_colorizer
    for variable, value in kept:
        variable.assign(value)


@pytest.mark.parametrize(("hue_bin", "chroma_bin"), [(0, 1), (3, 2), (7, 1)])
def test_a_certain_prediction_becomes_its_color(certain, hue_bin, chroma_bin):
    for name, place in (("hue", hue_bin), ("chroma", chroma_bin)):
        layer = certain.network.head.histograms[name]
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.one_hot(place, 8) * 40.0)
    outputs = certain.colorize(np.full((1, 20, 33, 1), 0.5, np.float32))
    for color in outputs["rgb"].numpy()[0, ::9, ::8].reshape(-1, 3).astype(float):
        # The bins' centers.
        assert colorsys.rgb_to_hsv(*color)[0] == pytest.approx((hue_bin + 0.5) / 8, abs=1e-4)
        assert np.ptp(color) == pytest.approx((chroma_bin + 0.5) / 8, abs=1e-4)
    np.testing.assert_allclose(outputs["uncertainty"], 0.0, atol=1e-4)
