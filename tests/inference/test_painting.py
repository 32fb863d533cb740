import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.taps import Tap
from tfcolor.inference.painting import Painter, SizeOptions, network_size


def _painter(min_side=1, max_side=500, space=None):
    return Painter(space or HueChroma(8), SizeOptions(min_side, max_side), Tap("grid", 4, 1.5))


def _predictions(space, shape, seed=0):
    random_numbers = np.random.default_rng(seed)
    return {
        output.name: random_numbers.dirichlet(np.full(output.size, 0.2), shape).astype(np.float32)
        for output in space.outputs
    }


@pytest.mark.parametrize("name", OUTPUT_SPACES)
@pytest.mark.parametrize("size", [(9, 14), (31, 20)])
def test_lightness_is_kept_in_every_space(name, size):
    space = OUTPUT_SPACES[name]()
    gray = np.random.default_rng(1).uniform(0, 1, (2, *size, 1)).astype(np.float32)
    painter = _painter(16, 24, space)
    seen = painter.shrink(gray).shape[1:3]
    predictions = _predictions(space, (2, -(-seen[0] // 4), -(-seen[1] // 4)))
    outputs = painter.paint(tf.constant(gray), predictions, DecodingOptions())
    np.testing.assert_allclose(outputs["rgb"].numpy().mean(-1, keepdims=True), gray, atol=2e-6)
    assert np.ptp(outputs["rgb"].numpy(), axis=-1).max() > 0.01
    assert np.all((outputs["uncertainty"] >= 0) & (outputs["uncertainty"] <= 1))


@pytest.mark.parametrize("sampling", ["pixelwise", "once"])
@pytest.mark.parametrize("name", [name for name in OUTPUT_SPACES if name != "lab_values"])
def test_samples_depend_on_the_seed_alone(name, sampling):
    space = OUTPUT_SPACES[name]()
    gray = np.full((2, 12, 16, 1), 0.5, np.float32)
    predictions = _predictions(space, (2, 3, 4))
    decoding = DecodingOptions(sampling=sampling, use_fading=False)

    def paint(seeds):
        seeds = tf.constant(seeds)
        return _painter(space=space).paint(gray, predictions, decoding, seeds=seeds)["rgb"].numpy()

    first = paint([3, 4])
    np.testing.assert_array_equal(first, paint([3, 4]))
    np.testing.assert_array_equal(first[1], paint([9, 4])[1])
    assert np.abs(first[0] - paint([9, 4])[0]).max() > 0.01


def test_a_bias_turns_the_colors():
    gray = np.full((1, 8, 8, 1), 0.5, np.float32)
    predictions = {
        "hue": np.full((1, 2, 2, 8), 1 / 8),
        "chroma": np.eye(8)[[3] * 4].reshape(1, 2, 2, 8),
    }
    predictions = {name: tf.constant(value, tf.float32) for name, value in predictions.items()}
    for angle in (0.1, 0.4, 0.85):
        decoding = DecodingOptions(bias_strength=3.0, bias_angle=angle)
        rgb = _painter().paint(gray, predictions, decoding)["rgb"].numpy()[0, 4, 4]
        assert colorsys.rgb_to_hsv(*map(float, rgb))[0] == pytest.approx(angle, abs=0.02)
    extra = {"hue": 10.0 * np.eye(8, dtype=np.float32)[2]}
    rgb = _painter().paint(gray, predictions, DecodingOptions(), bias=extra)["rgb"].numpy()[0, 4, 4]
    assert colorsys.rgb_to_hsv(*map(float, rgb))[0] == pytest.approx(2.5 / 8, abs=0.01)


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((300, 400), (256, 500), (300, 400)),
        ((512, 1024), (256, 500), (250, 500)),
        ((128, 100), (256, 500), (328, 256)),
        ((1, 1), (256, 500), (256, 256)),
        ((3, 200), (256, 500), (8, 500)),
        ((1, 10_000), (256, 500), (1, 500)),
        ((10_000, 10_000), (600, 500), (500, 500)),
    ],
)
def test_network_size_is_limited(size, limits, expected):
    assert tuple(network_size(tf.constant(size), SizeOptions(*limits)).numpy()) == expected


def test_shrink_keeps_what_needs_no_change():
    gray = np.random.default_rng(0).uniform(0, 1, (2, 30, 40, 1)).astype(np.float32)
    np.testing.assert_allclose(_painter(1, 500).shrink(gray), gray, atol=1e-6)


def test_shrink_averages_and_stays_in_range():
    black_and_white = np.float32(np.indices((64, 64)).sum(axis=0) % 2)[None, ..., None]
    small = _painter(1, 16).shrink(black_and_white).numpy()
    assert small.shape == (1, 16, 16, 1)
    np.testing.assert_allclose(small[0, 2:-2, 2:-2], 0.5, atol=0.05)
    edge = np.float32(np.arange(64) > 31)[None, None, :, None] * np.ones([1, 64, 1, 1], np.float32)
    large = _painter(150, 500).shrink(edge).numpy()
    assert large.min() == 0 and large.max() == 1


def test_histograms_are_interpolated_between_the_centers_of_the_grid():
    probs = np.random.default_rng(0).uniform(0, 1, (1, 3, 1, 2)).astype(np.float32)
    probs = np.repeat(probs, 2, axis=2)
    enlarged = _painter().enlarge({"hue": probs}, (11, 7))["hue"].numpy()
    assert enlarged.shape == (1, 11, 7, 2)
    for place in range(2):
        expected = np.interp(np.arange(11), [1.5, 5.5, 9.5], probs[0, :, 0, place])
        for column in range(7):
            np.testing.assert_allclose(enlarged[0, :, column, place], expected, rtol=1e-5)


@pytest.mark.parametrize("name", OUTPUT_SPACES)
def test_a_temperature_per_image_overrides_that_of_the_options(name):
    space = OUTPUT_SPACES[name]()
    gray = np.full((3, 12, 16, 1), 0.5, np.float32)
    predictions = _predictions(space, (3, 3, 4))
    painter = _painter(space=space)
    options = DecodingOptions(temperature=0.5)
    temperatures = tf.constant([0.0, 0.5, 2.0])
    mixed = painter.paint(gray, predictions, options, temperatures=temperatures)["rgb"].numpy()
    own = painter.paint(gray, predictions, options)["rgb"].numpy()
    flat = painter.paint(gray, predictions, DecodingOptions(temperature=2.0))["rgb"].numpy()
    np.testing.assert_array_equal(mixed[:2], own[:2])
    np.testing.assert_array_equal(mixed[2], flat[2])


def test_a_known_size_that_needs_no_change_is_not_resized():
    painter = _painter(8, 24)
    shrink = tf.function(painter.shrink)
    for size, is_resized in (((12, 20), False), ((12, 48), True)):
        traced = shrink.get_concrete_function(tf.TensorSpec([1, *size, 1]))
        resizes = [
            node for node in traced.graph.get_operations() if node.type == "ScaleAndTranslate"
        ]
        assert bool(resizes) == is_resized
        gray = np.random.default_rng(0).uniform(0, 1, (1, *size, 1)).astype(np.float32)
        np.testing.assert_allclose(traced(tf.constant(gray)), painter.shrink(gray), atol=1e-6)
