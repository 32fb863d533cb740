import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from tfcolor.color.transfer import (
    QuantileTransfer,
    apply_bias,
    chi_square,
    fit_bias,
    match_quantiles,
    match_to_histogram,
    transfer_energy,
)

GOLDEN_PROBS = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]])
GOLDEN_TARGET = np.array([0.3, 0.3, 0.4])


def _problem(num_rows, num_bins, seed=0):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(num_bins, 0.7), num_rows)
    return probs, generator.dirichlet(np.full(num_bins, 2.0))


def _reference_energy(bias, probs, target, weight):
    """Equation 2.6, as it is printed."""
    posteriors = probs * np.exp(bias)
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    divergences = scipy.stats.entropy(posteriors, probs, axis=1)
    mean = posteriors.mean(axis=0)
    return divergences.mean() + weight * sum(
        (q - t) ** 2 / (q + t) / 2 for q, t in zip(mean, target, strict=True)
    )


def test_chi_square_of_golden():
    distance = chi_square([0.25] * 4, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(distance, 0.05450105, atol=1e-8)


def test_chi_square_ignores_bins_that_are_empty_in_both():
    first, second = np.array([[0.5, 0, 0.5], [1, 0, 0]]), np.array([[0.5, 0, 0.5], [0, 0, 1]])
    np.testing.assert_allclose(chi_square(first, second), [0, 1])
    np.testing.assert_allclose(chi_square(second, first), [0, 1])


def test_energy_of_golden():
    energy, _ = transfer_energy(np.zeros(3), GOLDEN_PROBS, GOLDEN_TARGET, 10)
    np.testing.assert_allclose(energy, 0.50256410, atol=1e-8)


def test_bias_of_golden():
    bias = fit_bias(GOLDEN_PROBS, GOLDEN_TARGET)
    np.testing.assert_allclose(bias, [-0.46695795, -0.12596185, 0.59291980], atol=1e-8)
    energy, _ = transfer_energy(bias, GOLDEN_PROBS, GOLDEN_TARGET, 10)
    np.testing.assert_allclose(energy, 0.10103961, atol=1e-8)
    posteriors = [[0.55123693, 0.22149452, 0.22726854], [0.11305955, 0.39750260, 0.48943786]]
    np.testing.assert_allclose(apply_bias(GOLDEN_PROBS, bias), posteriors, atol=1e-8)


@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_energy_is_the_equation(weight):
    probs, target = _problem(6, 5)
    bias = np.random.default_rng(3).normal(size=5)
    energy, _ = transfer_energy(bias, probs, target, weight)
    np.testing.assert_allclose(energy, _reference_energy(bias, probs, target, weight))


@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_gradient_is_the_numerical_one(weight):
    probs, target = _problem(6, 5)
    bias = np.random.default_rng(4).normal(size=5)
    _, gradient = transfer_energy(bias, probs, target, weight)
    numerical = scipy.optimize.approx_fprime(bias, _reference_energy, 1e-7, probs, target, weight)
    # One-sided differences are good to the step.
    np.testing.assert_allclose(gradient, numerical, atol=2e-5)
    np.testing.assert_allclose(gradient.sum(), 0, atol=1e-12)


def test_energy_ignores_a_constant_in_the_bias():
    probs, target = _problem(4, 6)
    bias = np.random.default_rng(5).normal(size=6)
    energy, gradient = transfer_energy(bias, probs, target, 10)
    shifted_energy, shifted_gradient = transfer_energy(bias + 7.5, probs, target, 10)
    np.testing.assert_allclose(shifted_energy, energy)
    np.testing.assert_allclose(shifted_gradient, gradient, atol=1e-12)


def test_energy_is_finite_for_extreme_biases_and_empty_bins():
    probs = np.array([[1.0, 0, 0, 0], [0, 0.5, 0.5, 0]])
    for bias in ([800.0, -800, 0, 0], [0.0, 0, 0, 900]):
        energy, gradient = transfer_energy(bias, probs, [0.5, 0.5, 0, 0], 10)
        assert np.isfinite(energy)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("num_rows", "num_bins", "weight"), [(40, 6, 10.0), (7, 9, 0.5)])
def test_bias_is_where_other_minimizations_end(num_rows, num_bins, weight):
    probs, target = _problem(num_rows, num_bins)
    bias = fit_bias(probs, target, weight=weight)
    least = _reference_energy(bias, probs, target, weight)
    np.testing.assert_allclose(bias.mean(), 0, atol=1e-15)
    for seed in range(3):
        found = scipy.optimize.minimize(
            _reference_energy,
            np.random.default_rng(seed).normal(size=num_bins),
            (probs, target, weight),
            method="BFGS",
            jac="3-point",
            options={"gtol": 1e-9},
        )
        np.testing.assert_allclose(least, found.fun, atol=1e-12)
        np.testing.assert_allclose(bias, found.x - found.x.mean(), atol=1e-6)


@pytest.mark.parametrize("empty_in", ["probs", "target", "both"])
def test_bias_solves_problems_with_empty_bins(empty_in):
    probs, target = _problem(50, 5)
    if empty_in != "target":
        probs[:, 2] = 0
        probs /= probs.sum(axis=1, keepdims=True)
    if empty_in != "probs":
        target[2] = 0
        target /= target.sum()
    bias = fit_bias(probs, target)
    energy, gradient = transfer_energy(bias, probs, target, 10)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)
    assert energy < transfer_energy(np.zeros(5), probs, target, 10)[0]


def test_bias_is_zero_where_nothing_is_to_gain():
    probs, target = _problem(20, 5)
    np.testing.assert_array_equal(fit_bias(probs, target, weight=0), np.zeros(5))
    np.testing.assert_allclose(fit_bias(probs, probs.mean(axis=0)), 0, atol=1e-9)


def test_a_larger_weight_comes_closer_to_the_target():
    probs, target = _problem(20, 5)
    distances = [
        chi_square(apply_bias(probs, fit_bias(probs, target, weight=weight)).mean(axis=0), target)
        for weight in (0, 1, 10, 1000)
    ]
    assert (np.diff(distances) < 0).all()
    # At the minimum the divergence, below 2 nats, bounds 1000 times the distance.
    assert distances[-1] < 2e-3


def test_sub_sampling_is_seeded_and_close():
    probs, target = _problem(3000, 4)
    full = fit_bias(probs, target)
    first, same, other = (
        fit_bias(probs, target, max_samples=1000, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    # A sample of 1000 estimates each mean probability to about 0.01.
    np.testing.assert_allclose(first, full, atol=0.15)


def test_sub_sampling_takes_rows_once():
    probs, target = _problem(30, 4)
    bias = fit_bias(probs, target, max_samples=29, seed=0)
    biases = [fit_bias(np.delete(probs, row, axis=0), target) for row in range(30)]
    assert min(abs(bias - left_out).max() for left_out in biases) < 1e-9


@pytest.mark.parametrize(
    ("probs", "target", "weight", "message"),
    [
        (GOLDEN_PROBS, [0.5, 0.5], 10, r"probs \(2, 3\): expected \[N, 2\]"),
        (GOLDEN_PROBS[0], GOLDEN_TARGET, 10, r"probs \(3,\): expected \[N, 3\]"),
        (GOLDEN_PROBS[:0], GOLDEN_TARGET, 10, r"probs \(0, 3\): expected"),
        (GOLDEN_PROBS * np.nan, GOLDEN_TARGET, 10, "probs from nan .* expected histograms"),
        (
            GOLDEN_PROBS * 2,
            GOLDEN_TARGET,
            10,
            r"with sums (2\.0|1\.99).* to 2\.0: expected histograms",
        ),
        ([[-0.5, 1, 0.5]], GOLDEN_TARGET, 10, r"probs from -0\.5 .* not negative"),
        (GOLDEN_PROBS, [0.3, 0.3, 0.3], 10, r"target from 0\.3 with sum 0\.8999"),
        (GOLDEN_PROBS, [-0.5, 1, 0.5], 10, r"target from -0\.5 .* not negative"),
        (GOLDEN_PROBS, [0.3, 0.3, np.nan], 10, "target .* with 1 values not finite"),
        (GOLDEN_PROBS, GOLDEN_TARGET, -1, "weight -1: expected a finite number, not negative"),
        (GOLDEN_PROBS, GOLDEN_TARGET, np.nan, "weight nan"),
    ],
)
def test_bad_problems_are_rejected(probs, target, weight, message):
    with pytest.raises(ValueError, match=message):
        fit_bias(probs, target, weight=weight)
    with pytest.raises(ValueError, match=message):
        transfer_energy(np.zeros(3), probs, target, weight)


def test_quantiles_of_equally_many_values_are_exchanged_by_rank():
    generator = np.random.default_rng(0)
    source, target = generator.normal(size=50), generator.gamma(2.0, size=50)
    matched = match_quantiles(source, target)
    np.testing.assert_allclose(np.sort(matched), np.sort(target))
    np.testing.assert_array_equal(np.argsort(matched), np.argsort(source))


def test_quantiles_of_unequally_many_values_reproduce_the_distribution():
    generator = np.random.default_rng(1)
    source, target = generator.normal(size=3000), generator.gamma(2.0, size=1000)
    matched = match_quantiles(source, target)
    # The steps of the two empirical distributions are 1 / 3000 and 1 / 1000.
    assert scipy.stats.ks_2samp(matched, target).statistic < 1.5e-3
    assert (np.diff(matched[np.argsort(source)]) >= 0).all()


def test_quantile_matching_is_the_identity_on_the_source_itself():
    values = np.random.default_rng(2).integers(0, 9, 40) / 7
    np.testing.assert_array_equal(match_quantiles(values, values), values)
    np.testing.assert_array_equal(match_quantiles(values, np.sort(values)), values)


def test_equal_values_stay_equal():
    matched = match_quantiles([1.0, 1.0, 0.0, 1.0], [0.0, 2.0, 4.0, 9.0])
    np.testing.assert_array_equal(matched, [4, 4, 0, 4])
    np.testing.assert_array_equal(match_quantiles(np.ones(5), np.arange(3)), np.ones(5))


def test_quantiles_of_one_target_value_are_constant():
    np.testing.assert_array_equal(match_quantiles([3.0, 1.0], [0.25]), [0.25, 0.25])


def test_matching_to_a_histogram_reproduces_its_masses_and_medians():
    edges, mass = np.array([-1, 0, 0.5, 2, 3]), np.array([0.1, 0.0, 0.6, 0.3])
    source = np.random.default_rng(3).normal(size=1000)
    matched = match_to_histogram(source, edges, mass)
    counts, _ = np.histogram(matched, edges)
    np.testing.assert_array_equal(counts, [100, 0, 600, 300])
    assert (np.diff(matched[np.argsort(source)]) >= 0).all()
    np.testing.assert_allclose(np.median(matched[(matched > 0.5) & (matched < 2)]), 1.25)


def test_histogram_of_samples_gives_what_the_samples_give_to_half_a_bin():
    generator = np.random.default_rng(4)
    source, target = generator.normal(size=500), generator.beta(2, 3, size=20_000)
    mass, edges = np.histogram(target, 50, (0, 1))
    by_bins = match_to_histogram(source, edges, mass / mass.sum())
    np.testing.assert_allclose(by_bins, match_quantiles(source, target), atol=0.5 / 50)


@pytest.mark.parametrize(
    ("edges", "mass", "message"),
    [
        ([0, 1], [0.5, 0.5], "for 2 bins: expected 3 increasing numbers"),
        ([0, 1, 1], [0.5, 0.5], "expected 3 increasing numbers"),
        ([0, 1, np.inf], [0.5, 0.5], "edges .* 1 values not finite"),
        ([0, 1, 2], [0.5, 0.6], "mass from 0.5 with sum 1.1: expected a histogram"),
    ],
)
def test_bad_histograms_are_rejected(edges, mass, message):
    with pytest.raises(ValueError, match=message):
        match_to_histogram([1.0, 2.0], edges, mass)


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [[1.0, 2.0]]])
def test_bad_values_are_rejected(values):
    with pytest.raises(ValueError, match=r"source .* expected a vector of finite numbers"):
        match_quantiles(values, [1.0])
    with pytest.raises(ValueError, match=r"target .* expected a vector of finite numbers"):
        match_quantiles([1.0], values)


def _photograph(height, width, seed):
    rgb = np.random.default_rng(seed).beta(1.0, 2.0, (height, width, 3))
    return rgb, rgb.mean(axis=-1, keepdims=True)


def _transfer(gray, rgb, reference, eps):
    return QuantileTransfer(gray, rgb, reference, eps=eps)(gray, rgb)


def test_transferred_image_has_the_relative_colors_of_the_reference():
    (rgb, gray), (reference, reference_gray) = _photograph(6, 8, 0), _photograph(4, 12, 1)
    moved = _transfer(gray, rgb, reference, eps=0.01)
    assert moved.shape == (6, 8, 3)
    assert moved.dtype == np.float64
    for channel in range(3):
        relative = (moved / (gray + 0.01))[..., channel]
        expected = (reference / (reference_gray + 0.01))[..., channel]
        np.testing.assert_allclose(np.sort(relative, axis=None), np.sort(expected, axis=None))
        source = (rgb / (gray + 0.01))[..., channel]
        np.testing.assert_array_equal(np.argsort(relative, None), np.argsort(source, None))


def test_transfer_from_the_image_itself_changes_nothing():
    rgb, gray = _photograph(5, 7, 2)
    rgb[0, :2], gray[0, :2] = 0, 0
    np.testing.assert_allclose(_transfer(gray, rgb, rgb, eps=1e-4), rgb, atol=1e-15)


def test_transfer_ignores_the_arrangement_and_brightness_of_the_reference():
    (rgb, gray), (reference, _) = _photograph(5, 7, 3), _photograph(4, 6, 4)
    moved = _transfer(gray, rgb, reference, eps=0)
    shuffled = 0.5 * reference.reshape(8, 3, 3)[::-1]
    np.testing.assert_allclose(_transfer(gray, rgb, shuffled, eps=0), moved)


@pytest.mark.parametrize(
    ("gray_shape", "rgb_shape", "reference_shape", "message"),
    [
        ((5, 7), (5, 7, 3), (4, 6, 3), r"gray \(5, 7\) and rgb \(5, 7, 3\): expected"),
        ((5, 7, 1), (7, 5, 3), (4, 6, 3), r"expected \[H, W, 1\] and \[H, W, 3\]"),
        ((5, 7, 1), (5, 7, 3), (4, 6), r"reference_rgb \(4, 6\): expected \[I, J, 3\]"),
        ((5, 7, 1), (5, 7, 3), (0, 6, 3), "target of shape .* at least one"),
    ],
)
def test_transfer_rejects_shapes(gray_shape, rgb_shape, reference_shape, message):
    with pytest.raises(ValueError, match=message):
        _transfer(np.ones(gray_shape), np.ones(rgb_shape), np.ones(reference_shape), 1)


def test_transfer_rejects_nan():
    rgb, gray = _photograph(5, 7, 5)
    broken = np.full_like(rgb, np.nan)
    with pytest.raises(ValueError, match=r"source .* not finite"):
        _transfer(gray, broken, rgb, eps=1e-4)
