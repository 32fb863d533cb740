import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.color import decoding
from tfcolor.color.binning import BinGrid
from tfcolor.color.decoding import DecodingOptions, decode_hue_chroma
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options

GOLDEN = np.array([0.05, 0.4, 0.2, 0.05, 0.05, 0.05, 0.1, 0.1])
GRID = BinGrid.uniform(8)


def _random_probs(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.4), shape[:-1])


def _reference_quantile(probs, level):
    """Interpolates the cumulative histogram, bin by bin."""
    below = 0.0
    for k, mass in enumerate(probs):
        if below + mass >= level:
            return (k + (level - below) / mass) / len(probs)
        below += mass
    raise ArithmeticError


def test_goldens():
    hue, magnitude = decoding.hue_expectation(GOLDEN)
    np.testing.assert_allclose(hue, 0.19532853, atol=1e-8)
    np.testing.assert_allclose(magnitude, 0.05265252, atol=1e-8)
    np.testing.assert_allclose(decoding.chromatic_fading(0.7, magnitude, 0.03), 0.7)
    np.testing.assert_allclose(decoding.median(GOLDEN, GRID), 0.28125)
    np.testing.assert_allclose(decoding.median(GOLDEN, GRID, is_interpolated=False), 0.3125)
    np.testing.assert_allclose(decoding.expectation(GOLDEN, GRID), 0.4)
    np.testing.assert_allclose(decoding.mode(GOLDEN, GRID), 0.1875)
    np.testing.assert_allclose(decoding.entropy(GOLDEN), 1.74806735, atol=1e-8)


def test_fading_golden():
    probs = np.full(32, 0.9 / 32)
    probs[3] += 0.1
    _, magnitude = decoding.hue_expectation(probs)
    np.testing.assert_allclose(magnitude, 0.003125)
    np.testing.assert_allclose(decoding.chromatic_fading(1.0, magnitude, 0.03), 0.10416667, 1e-7)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75, 0.99])
def test_quantile_interpolates_the_cumulative_histogram(level):
    probs = _random_probs(3, 5, 7)
    actual = decoding.quantile(probs, BinGrid.uniform(7), level)
    expected = np.apply_along_axis(_reference_quantile, -1, probs, level)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_quantile_without_interpolation_is_a_center():
    probs = _random_probs(20, 6)
    grid = BinGrid.gaussian_quantile(6)
    actual = decoding.quantile(probs, grid, 0.75, is_interpolated=False)
    bins = (np.cumsum(probs, axis=-1) >= 0.75).argmax(axis=-1)
    np.testing.assert_allclose(actual, np.array(grid.centers)[bins])


def test_quantile_stays_on_the_grid_under_rounding():
    probs = np.zeros((2, 4), np.float32)
    probs[:, 3] = [0.7, 1.0]  # the first row does not reach the level
    np.testing.assert_allclose(decoding.quantile(probs, BinGrid.uniform(4), 0.75), [1.0, 0.9375])


def test_interpolation_needs_finite_edges():
    with pytest.raises(ValueError, match="infinite edges: expected is_interpolated=False"):
        decoding.median(GOLDEN, BinGrid.gaussian_quantile(8))


def test_mode_and_expectation_agree_with_numpy():
    grid = BinGrid.gaussian_quantile(6)
    probs = _random_probs(4, 3, 6)
    centers = np.array(grid.centers)
    np.testing.assert_allclose(decoding.mode(probs, grid), centers[probs.argmax(axis=-1)])
    np.testing.assert_allclose(decoding.expectation(probs, grid), probs @ centers)


def test_hue_expectation_agrees_with_scipy():
    probs = _random_probs(6, 9)
    hue, magnitude = decoding.hue_expectation(probs)
    z = probs @ np.exp(2j * np.pi * (np.arange(9) + 0.5) / 9) / 9
    np.testing.assert_allclose(hue, np.angle(z) / (2 * np.pi) % 1)
    np.testing.assert_allclose(magnitude, np.abs(z))
    counts = np.array([3, 0, 1, 0, 2])
    samples = np.repeat((np.arange(5) + 0.5) / 5, counts)
    hue, _ = decoding.hue_expectation(counts / 6)
    np.testing.assert_allclose(hue, scipy.stats.circmean(samples, high=1.0))


def test_hue_expectation_turns_with_the_histogram():
    probs = _random_probs(5, 8)
    hue, magnitude = decoding.hue_expectation(probs)
    turned_hue, turned_magnitude = decoding.hue_expectation(np.roll(probs, 3, axis=-1))
    np.testing.assert_allclose(turned_hue, (hue.numpy() + 3 / 8) % 1, atol=1e-12)
    np.testing.assert_allclose(turned_magnitude, magnitude)


def test_hue_expectation_stays_below_one():
    probs = np.array([[0.5, 0, 0, 0.5], [0.5 - 1e-9, 0, 0, 0.5 + 1e-9]], np.float32)
    hue = decoding.hue_expectation(probs)[0].numpy()
    assert np.all((hue >= 0) & (hue < 1))


def test_fading_never_raises_chroma():
    magnitude = tf.constant([0.0, 0.015, 0.03, 0.3])
    faded = decoding.chromatic_fading(tf.fill([4], 0.5), magnitude, 0.03)
    np.testing.assert_allclose(faded, [0, 0.25, 0.5, 0.5])


def test_entropy_agrees_with_scipy_and_takes_zeros():
    probs = np.concatenate([_random_probs(5, 6), np.eye(6), np.full((1, 6), 1 / 6)])
    expected = scipy.stats.entropy(probs, axis=-1)
    np.testing.assert_allclose(decoding.entropy(probs), expected, atol=1e-12)
    np.testing.assert_allclose(
        decoding.normalized_entropy(probs), expected / math.log(6), atol=1e-12
    )


def test_normalized_entropy_stays_in_its_range():
    shares = decoding.normalized_entropy(np.full((3, 7), 1 / 7, np.float32)).numpy()
    assert np.all(shares <= 1)
    np.testing.assert_allclose(shares, 1, rtol=1e-6)


@pytest.mark.parametrize("chroma", ["median", "mode", "expectation", "q75"])
@pytest.mark.parametrize("hue", ["expectation", "mode"])
@pytest.mark.parametrize("use_fading", [False, True])
def test_decoding_combines_the_chosen_statistics(chroma, hue, use_fading):
    hue_probs, chroma_probs = _random_probs(2, 3, 5, 8), _random_probs(2, 3, 5, 6, seed=1)
    options = DecodingOptions(chroma=chroma, hue=hue, use_fading=use_fading, fading_eta=0.1)
    actual = decode_hue_chroma(hue_probs, chroma_probs, options)

    z = hue_probs @ np.exp(2j * np.pi * (np.arange(8) + 0.5) / 8) / 8
    mean_hue = np.angle(z) / (2 * np.pi) % 1
    expected_hue = (hue_probs.argmax(-1) + 0.5) / 8 if hue == "mode" else mean_hue
    expected_chroma = {
        "median": np.apply_along_axis(_reference_quantile, -1, chroma_probs, 0.5),
        "q75": np.apply_along_axis(_reference_quantile, -1, chroma_probs, 0.75),
        "mode": (chroma_probs.argmax(-1) + 0.5) / 6,
        "expectation": chroma_probs @ ((np.arange(6) + 0.5) / 6),
    }[chroma]
    uncertainty = scipy.stats.entropy(hue_probs, axis=-1) / math.log(8) * expected_chroma
    if use_fading:
        expected_chroma = expected_chroma * np.minimum(np.abs(z) / 0.1, 1)
    for tensor, expected in zip(actual, (expected_hue, expected_chroma, uncertainty), strict=True):
        np.testing.assert_allclose(tensor, expected, atol=1e-12)


def test_defaults_are_the_published_ones():
    assert dataclasses.asdict(DecodingOptions()) == {
        "chroma": "median",
        "hue": "expectation",
        "use_fading": True,
        "fading_eta": 0.03,
    }


def test_decoding_works_with_unknown_sizes():
    spec = tf.TensorSpec([None, None, None, 8])
    graph = tf.function(lambda h, c: decode_hue_chroma(h, c, DecodingOptions()), [spec, spec])
    hue_probs = tf.constant(_random_probs(2, 3, 5, 8), tf.float32)
    chroma_probs = tf.constant(_random_probs(2, 3, 5, 8, seed=1), tf.float32)
    eager = decode_hue_chroma(hue_probs, chroma_probs, DecodingOptions())
    for first, second in zip(graph(hue_probs, chroma_probs), eager, strict=True):
        assert first.dtype == tf.float32
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_unknown_options_are_refused():
    probs = tf.constant(GOLDEN)
    with pytest.raises(ValueError, match=r"chroma 'mean': expected one of .*median"):
        decode_hue_chroma(probs, probs, DecodingOptions(chroma="mean"))
    with pytest.raises(ValueError, match="hue 'median': expected 'expectation' or 'mode'"):
        decode_hue_chroma(probs, probs, DecodingOptions(hue="median"))
    with pytest.raises(UsageError, match=r"--decoding_fading_eta=0.0: expected at least"):
        check_options(DecodingOptions(fading_eta=0.0), "decoding_")
