import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.lightness import fit_gamut, quantize_rgb
from tfcolor.color.spaces import hue_chroma_to_difference, rgb_to_hue_chroma


def _random_colors(count, dtype=np.float64):
    rng = np.random.default_rng(0)
    lightness = rng.random((count, 1))
    lightness[:4, 0] = [0, 1, 0, 1]
    difference = rng.uniform(-1, 1, (count, 3))
    difference -= difference.mean(axis=-1, keepdims=True)
    difference[2:6] = 0
    return lightness.astype(dtype), difference.astype(dtype)


def test_golden():
    difference = hue_chroma_to_difference(tf.constant(0.95, tf.float64), 0.8)
    lightness = tf.constant([0.2], tf.float64)
    np.testing.assert_allclose(
        lightness + difference, [0.65333333, -0.14666667, 0.09333333], atol=1e-8
    )
    rgb = fit_gamut(lightness, difference)
    np.testing.assert_allclose(rgb, [0.46153846, 0, 0.13846154], atol=1e-8)
    np.testing.assert_allclose(
        (rgb - lightness) / difference, [0.57692308, 0.57692308, 0.57692308], atol=1e-8
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chroma_gamut_keeps_lightness_and_hue(dtype):
    lightness, difference = _random_colors(500, dtype)
    rgb = fit_gamut(lightness, difference).numpy()
    eps = np.finfo(dtype).eps
    assert rgb.dtype == dtype
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    np.testing.assert_allclose(rgb.mean(axis=-1, keepdims=True), lightness, atol=2 * eps)
    has_color = np.ptp(rgb, axis=-1) > 0.01
    assert has_color.sum() > 400
    raw_hue, _ = rgb_to_hue_chroma(difference[has_color])
    hue, _ = rgb_to_hue_chroma(rgb[has_color])
    turn = np.abs(hue - raw_hue)
    assert np.minimum(turn, 1 - turn).max() < 200 * eps  # chroma is at least 0.01


def test_chroma_gamut_takes_the_largest_factor():
    lightness, difference = _random_colors(300)
    raw = lightness + difference
    rgb = fit_gamut(lightness, difference).numpy()
    is_inside = np.all((raw >= 0) & (raw <= 1), axis=-1)
    assert 20 < is_inside.sum() < 280
    np.testing.assert_allclose(rgb[is_inside], raw[is_inside], atol=1e-15)
    touches = np.minimum(rgb, 1 - rgb).min(axis=-1)
    np.testing.assert_allclose(touches[~is_inside], 0, atol=1e-15)


def test_clip_gamut_clips():
    lightness, difference = _random_colors(50)
    expected = np.clip(lightness + difference, 0, 1)
    np.testing.assert_array_equal(fit_gamut(lightness, difference, "clip"), expected)


def test_gradients_are_finite_everywhere():
    lightness, difference = (tf.constant(array) for array in _random_colors(30))
    with tf.GradientTape() as tape:
        tape.watch([lightness, difference])
        squares = fit_gamut(lightness, difference) ** 2
    for gradient in tape.gradient(squares, [lightness, difference]):
        assert np.all(np.isfinite(gradient))


def test_gradients_agree_with_numerical_ones():
    lightness, difference = (array[6:14] for array in _random_colors(14))
    actual, numerical = tf.test.compute_gradient(
        fit_gamut, [tf.constant(lightness), tf.constant(difference)], delta=1e-7
    )
    for first, second in zip(actual, numerical, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_unknown_gamut_is_refused():
    with pytest.raises(ValueError, match=r"gamut 'shrink': expected one of \('chroma', 'clip'\)"):
        fit_gamut(tf.zeros([1]), tf.zeros([3]), "shrink")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantized_sum_is_the_rounded_sum(dtype):
    rgb = np.random.default_rng(1).random((40, 50, 3)).astype(dtype)
    quantized = quantize_rgb(rgb)
    assert quantized.dtype == tf.uint8
    sums = quantized.numpy().astype(int).sum(axis=-1)
    exact = 255 * rgb.astype(np.float64).sum(axis=-1)
    # Up to rounding of 255 * rgb the sum is the nearest integer.
    assert np.abs(sums - exact).max() < 0.5 + 1e-4
    assert np.abs(quantized.numpy() - 255.0 * rgb).max() < 1


def test_quantization_moves_the_mean_least():
    rgb = np.random.default_rng(2).random((200, 3))
    best = quantize_rgb(rgb).numpy().astype(float)
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), axis=-1).reshape(8, 3)
    candidates = np.floor(255 * rgb)[:, None] + corners
    sum_errors = np.abs(candidates.sum(-1) - 255 * rgb.sum(-1, keepdims=True))
    distances = np.abs(candidates - 255 * rgb[:, None]).sum(-1)
    is_best = sum_errors <= sum_errors.min(axis=1, keepdims=True) + 1e-9
    nearest = np.where(is_best, distances, np.inf).min(axis=1)
    np.testing.assert_allclose(np.abs(best - 255 * rgb).sum(-1), nearest, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eight_bit_lightness_survives_quantization_exactly(dtype):
    rng = np.random.default_rng(3)
    gray = rng.integers(0, 256, (5000, 1))
    gray[:256, 0] = np.arange(256)
    lightness = (gray / 255).astype(dtype)
    difference = hue_chroma_to_difference(
        rng.random(5000).astype(dtype), rng.random(5000).astype(dtype)
    )
    quantized = quantize_rgb(fit_gamut(lightness, difference)).numpy().astype(int)
    np.testing.assert_array_equal(quantized.sum(axis=-1), 3 * gray[:, 0])


def test_eight_bit_colors_are_kept():
    levels = np.random.default_rng(4).integers(0, 256, (1000, 3))
    np.testing.assert_array_equal(quantize_rgb((levels / 255).astype(np.float32)), levels)
    grays = np.repeat(np.arange(256)[:, None], 3, axis=1)
    np.testing.assert_array_equal(quantize_rgb((grays / 255).astype(np.float32)), grays)


def test_sixteen_bit_lightness_survives_quantization_exactly():
    levels = np.arange(2**16)[:, None]
    difference = hue_chroma_to_difference(
        np.random.default_rng(5).random(2**16, np.float32), np.float32(np.linspace(0, 1, 2**16))
    )
    rgb = fit_gamut(np.float32(levels / 65535), difference)
    quantized = quantize_rgb(rgb, 16)
    assert quantized.dtype == tf.uint16
    np.testing.assert_array_equal(quantized.numpy().astype(int).sum(-1), 3 * levels[:, 0])
    with pytest.raises(ValueError, match="12 bits"):
        quantize_rgb(rgb, 12)


def test_quantization_clips():
    np.testing.assert_array_equal(quantize_rgb([-0.5, 0.0, 2.0]), [0, 0, 255])
    np.testing.assert_array_equal(quantize_rgb([1.0, 1.0, 254.6 / 255]), [255, 255, 255])


def test_lightness_functions_work_in_a_pipeline_of_unknown_size():
    def convert(lightness, difference):
        return quantize_rgb(fit_gamut(lightness, difference))

    lightness, difference = _random_colors(12, np.float32)
    lightness, difference = lightness.reshape(3, 4, 1), difference.reshape(3, 4, 3)
    spec = tf.TensorSpec([None, None, 1]), tf.TensorSpec([None, None, 3])
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(lightness, difference)]), output_signature=spec
    )
    (actual,) = dataset.map(convert)
    np.testing.assert_array_equal(actual, convert(lightness, difference))
