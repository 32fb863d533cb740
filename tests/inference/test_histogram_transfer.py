import colorsys

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.inference.histogram_transfer import (
    ReferenceMatch,
    energy_bias,
    require_histograms,
    target_histograms,
)
from tfcolor.inference.painting import Painter, SizeOptions


def _painter(space):
    return Painter(space, SizeOptions(1, 1000), Tap("grid", 4, 1.5))


def test_targets_count_colors_and_weigh_hues_by_chroma():
    rgb = np.random.default_rng(0).uniform(0, 1, (1, 9, 14, 3)).astype(np.float32)
    rgb[0, :3] = 0.4
    targets = target_histograms(_painter(HueChroma(5)), tf.constant(rgb))
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    colored = [pixel for pixel in pixels if np.ptp(pixel) > 1 / 255]
    assert len(colored) == 6 * 14
    hues = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in colored]
    mass = np.histogram(hues, 5, (0, 1), weights=[np.ptp(pixel) for pixel in colored])[0]
    np.testing.assert_allclose(targets["hue"], mass / mass.sum(), atol=1e-6)
    chroma = np.ptp(pixels, axis=-1)
    expected = np.histogram(chroma, 5, (0, 1))[0] / len(chroma)
    np.testing.assert_allclose(targets["chroma"], expected, atol=1e-6)


def test_a_gray_photograph_has_no_target_hue():
    targets = target_histograms(_painter(HueChroma(4)), tf.fill([1, 6, 7, 3], 0.3))
    assert set(targets) == {"chroma"}
    np.testing.assert_array_equal(targets["chroma"], [1, 0, 0, 0])


@pytest.mark.parametrize("name", [name for name in OUTPUT_SPACES if name != "lab_values"])
def test_targets_are_histograms_in_every_space(name):
    space = OUTPUT_SPACES[name]()
    rgb = tf.random.stateless_uniform([1, 8, 6, 3], [3, 4])
    targets = target_histograms(_painter(space), rgb)
    assert {key: len(value) for key, value in targets.items()} == space.histograms
    for value in targets.values():
        assert value.sum() == pytest.approx(1)


def test_a_strong_bias_moves_the_mean_histogram_to_the_target():
    random_numbers = np.random.default_rng(1)
    probs = random_numbers.dirichlet(np.ones(6), (1, 7, 9)).astype(np.float32)
    target = random_numbers.dirichlet(np.ones(6))
    bias = energy_bias({"hue": tf.constant(probs), "chroma": probs}, {"hue": target}, 1000.0)
    assert set(bias) == {"hue"}
    moved = scipy.special.softmax(np.log(probs.astype(np.float64)) + bias["hue"], axis=-1)
    np.testing.assert_allclose(moved.reshape(-1, 6).mean(axis=0), target, atol=0.01)
    nothing = energy_bias({"hue": probs}, {"hue": target}, 0.0)["hue"]
    np.testing.assert_allclose(nothing, 0, atol=1e-6)


def test_matching_keeps_lightness_and_takes_the_colors_of_the_reference():
    random_numbers = np.random.default_rng(2)
    gray = random_numbers.uniform(0.3, 0.6, (20, 30, 1)).astype(np.float32)
    reddish = gray * np.float32([1.2, 0.9, 0.9]) + random_numbers.normal(0, 0.01, (20, 30, 3))
    reddish = np.float32(reddish - reddish.mean(-1, keepdims=True) + gray)
    reference = random_numbers.uniform(0.3, 0.6, (15, 11, 1)) * np.float32([0.8, 0.9, 1.3])
    moved = ReferenceMatch(gray, reddish, reference.astype(np.float32))(gray, reddish).numpy()
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved.mean(-1, keepdims=True), gray, atol=1e-6)
    ratios = np.median(moved / gray, axis=(0, 1))
    np.testing.assert_allclose(ratios, [0.8, 0.9, 1.3], atol=0.06)


def test_a_photograph_is_its_own_reference():
    rgb = np.random.default_rng(3).uniform(0.1, 0.9, (8, 9, 3)).astype(np.float32)
    gray = rgb.mean(-1, keepdims=True)
    np.testing.assert_allclose(ReferenceMatch(gray, rgb, rgb)(gray, rgb), rgb, atol=1e-5)


def test_a_regression_has_no_histograms_to_move():
    with pytest.raises(UsageError, match="lab_values, which has no histograms"):
        require_histograms(OUTPUT_SPACES["lab_values"]())
    require_histograms(HueChroma())
