import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.color import decoding
from tfcolor.color.binning import BinGrid
from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UsageError

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


def test_quantile_takes_a_level_per_histogram():
    probs = _random_probs(4, 6)
    levels = np.array([0.1, 0.4, 0.5, 0.9])
    actual = decoding.quantile(probs, BinGrid.uniform(6), levels)
    expected = [_reference_quantile(*pair) for pair in zip(probs, levels, strict=True)]
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_draws_follow_the_histogram():
    probs = np.float32([0.1, 0.0, 0.6, 0.3])
    levels = decoding.draw_levels(tf.constant([200, 100]), "pixelwise", tf.constant([5]), 0)
    bins = decoding.quantile_bin(np.broadcast_to(probs, (1, 200, 100, 4)), levels).numpy()
    shares = np.bincount(bins.ravel(), minlength=4) / bins.size
    # Three standard deviations of a share of 20,000 draws.
    np.testing.assert_allclose(shares, probs, atol=0.011)


def test_draws_depend_on_seed_and_histogram_but_not_on_the_batch():
    size = tf.constant([3, 2])

    def draw(seeds, index=0, sampling="pixelwise"):
        return decoding.draw_levels(size, sampling, tf.constant(seeds), index).numpy()

    both = draw([7, 8])
    np.testing.assert_array_equal(both[1], draw([8])[0])
    assert np.all(both[0] != both[1])
    assert np.all(draw([7]) != draw([7], index=1))
    assert draw([7, 8], sampling="once").shape == (2, 1, 1)


def test_posterior_agrees_with_numpy():
    probs, bias = _random_probs(3, 5), np.linspace(-1, 2, 5)
    powers = (probs * np.exp(bias)) ** (1 / 0.38)
    expected = powers / powers.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(decoding.reshape_posterior(probs, bias, 0.38), expected, atol=1e-12)


def test_posterior_without_bias_and_temperature_is_the_histogram():
    probs = np.float32([0.0, 0.25, 0.75])
    np.testing.assert_array_equal(decoding.reshape_posterior(probs, 0.0, 1.0), probs)
    np.testing.assert_allclose(decoding.reshape_posterior(probs, 0.0, 0.01), [0, 0, 1], atol=1e-6)


def test_defaults_are_the_published_ones():
    assert dataclasses.asdict(DecodingOptions()) == {
        "chroma": "median",
        "hue": "expectation",
        "use_fading": True,
        "fading_eta": 0.03,
        "lab": "expectation",
        "temperature": 0.0,
        "sampling": "none",
        "seed": 0,
        "bias_strength": 0.0,
        "bias_angle": 0.0,
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"chroma": "mean"}, "--decoding_chroma=mean: expected one of median"),
        ({"hue": "median"}, "--decoding_hue=median: expected one of expectation, mode"),
        ({"sampling": "always"}, "--decoding_sampling=always: expected one of none"),
        ({"fading_eta": 0.0}, "--decoding_fading_eta=0.0: expected at least"),
        ({"temperature": float("nan")}, "--decoding_temperature=nan: expected a number"),
    ],
)
def test_unknown_options_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        DecodingOptions(**wrong)


def test_one_temperature_per_image_gives_what_each_gives_alone():
    probs = np.random.default_rng(4).dirichlet(np.ones(5), (3, 2, 4)).astype(np.float32)
    temperatures = [1.0, 0.3, 2.0]
    for bias in (0.0, np.linspace(-1, 1, 5)):
        together = decoding.reshape_posterior(probs, bias, tf.constant(temperatures))
        for row, temperature in enumerate(temperatures):
            alone = decoding.reshape_posterior(probs[row : row + 1], bias, temperature)
            np.testing.assert_array_equal(together[row : row + 1], alone)


@pytest.mark.parametrize("temperature", [1e-30, 1e-44, tf.constant([1e-30])])
def test_posterior_of_almost_no_temperature_is_the_mode(temperature):
    probs = np.float32([[0.2, 0.5, 0.3]])
    np.testing.assert_array_equal(decoding.reshape_posterior(probs, 0.0, temperature), [[0, 1, 0]])
