import colorsys
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.base import TargetOptions
from tfcolor.color.outputs.hue_chroma import HueChroma


def _random_probs(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.4), shape[:-1])


def _reference_quantile(probs, level):
    below = 0.0
    for k, mass in enumerate(probs):
        if below + mass >= level:
            return (k + (level - below) / mass) / len(probs)
        below += mass
    raise ArithmeticError


def _difference(hue, chroma):
    """The color of this hue and chroma, less its mean, by the standard library."""
    base = np.array([colorsys.hsv_to_rgb(value, 1.0, 1.0) for value in hue.ravel()])
    base = base.reshape(*hue.shape, 3)
    return chroma[..., None] * (base - base.mean(axis=-1, keepdims=True))


@pytest.mark.parametrize("chroma", ["median", "mode", "expectation", "q75"])
@pytest.mark.parametrize("hue", ["expectation", "mode"])
@pytest.mark.parametrize("use_fading", [False, True])
def test_decoding_combines_the_chosen_statistics(chroma, hue, use_fading):
    probs = {"hue": _random_probs(2, 3, 5, 8), "chroma": _random_probs(2, 3, 5, 8, seed=1)}
    options = DecodingOptions(chroma=chroma, hue=hue, use_fading=use_fading, fading_eta=0.1)
    difference, uncertainty = HueChroma(8).decode(probs, options)

    z = probs["hue"] @ np.exp(2j * np.pi * (np.arange(8) + 0.5) / 8) / 8
    mean_hue = np.angle(z) / (2 * np.pi) % 1
    expected_hue = (probs["hue"].argmax(-1) + 0.5) / 8 if hue == "mode" else mean_hue
    expected_chroma = {
        "median": np.apply_along_axis(_reference_quantile, -1, probs["chroma"], 0.5),
        "q75": np.apply_along_axis(_reference_quantile, -1, probs["chroma"], 0.75),
        "mode": (probs["chroma"].argmax(-1) + 0.5) / 8,
        "expectation": probs["chroma"] @ ((np.arange(8) + 0.5) / 8),
    }[chroma]
    expected = scipy.stats.entropy(probs["hue"], axis=-1) / math.log(8) * expected_chroma
    np.testing.assert_allclose(uncertainty, expected, atol=1e-12)
    if use_fading:
        expected_chroma = expected_chroma * np.minimum(np.abs(z) / 0.1, 1)
    np.testing.assert_allclose(difference, _difference(expected_hue, expected_chroma), atol=1e-12)


def test_decoding_works_with_unknown_sizes():
    space, spec = HueChroma(8), tf.TensorSpec([None, None, None, 8])
    graph = tf.function(
        lambda hue, chroma: space.decode({"hue": hue, "chroma": chroma}, DecodingOptions()),
        [spec, spec],
    )
    hue = tf.constant(_random_probs(2, 3, 5, 8), tf.float32)
    chroma = tf.constant(_random_probs(2, 3, 5, 8, seed=1), tf.float32)
    eager = space.decode({"hue": hue, "chroma": chroma}, DecodingOptions())
    for first, second in zip(graph(hue, chroma), eager, strict=True):
        assert first.dtype == tf.float32
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_golden_bins_and_weights():
    # Specification, chapter 2, golden numbers 1.
    colors = [((0.8, 0.2, 0.4), 30, 19), ((0.1, 0.5, 0.3), 13, 12), ((0.0, 0.0, 1.0), 21, 31)]
    rgb = tf.constant([[color for color, _, _ in colors]], tf.float64)
    labels = HueChroma().labels(rgb)
    assert labels["hue"].numpy().tolist() == [[hue for _, hue, _ in colors]]
    assert labels["chroma"].numpy().tolist() == [[chroma for _, _, chroma in colors]]


def test_gray_pixels_have_no_hue():
    rgb = tf.constant([[[0.5, 0.5, 0.5], [0.5, 0.5, 0.6]]])
    np.testing.assert_array_equal(HueChroma().label_weights(rgb)["hue"], [[0, 1]])
    locations = tf.constant([[0.0, 0.0], [0.0, 1.0]])
    targets = HueChroma().make_targets(rgb, locations, TargetOptions(1, 5.0))
    np.testing.assert_allclose(targets["hue_weight"], [0, 0.5], atol=1e-6)


def test_hue_counts_as_much_as_there_is_chroma():
    rgb = tf.constant([[0.2, 0.2, 0.2], [0.9, 0.5, 0.1]])
    weights = HueChroma().target_weights(rgb)
    np.testing.assert_allclose(weights["hue"], [0, 0.8], atol=1e-6)
    np.testing.assert_array_equal(weights["chroma"], [1, 1])


def test_bias_is_a_cosine_around_the_circle():
    bias = HueChroma(8).rotated_bias(0.3, 2.0)
    assert set(bias) == {"hue"}
    expected = 2 * np.cos(2 * np.pi * ((np.arange(8) + 0.5) / 8 - 0.3))
    np.testing.assert_allclose(bias["hue"], expected, rtol=1e-5)
