import numpy as np
import pytest
import scipy.stats

from tfcolor.metrics.intervals import bootstrap_interval


def test_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).gamma(3.0, size=400)
    expected = scipy.stats.norm.interval(0.9, values.mean(), values.std() / 20)
    # 2000 resamples estimate each end to about 5 % of the interval's length.
    tolerance = 0.05 * (expected[1] - expected[0])
    np.testing.assert_allclose(bootstrap_interval(values, level=0.9), expected, atol=tolerance)


def test_interval_of_few_values_is_that_of_scipy():
    values = np.array([20.0, 21.0, 22.5, 30.0, 31.0])
    found = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=1
    ).confidence_interval
    # Random ends, of means that lie between 20 and 31.
    np.testing.assert_allclose(bootstrap_interval(values), found, atol=0.3)


def test_interval_of_one_or_equal_values_is_that_value():
    assert bootstrap_interval([24.5]) == (24.5, 24.5)
    assert bootstrap_interval([3.0] * 6) == (3.0, 3.0)


def test_interval_follows_shift_and_scale():
    values = np.random.default_rng(1).normal(size=12)
    low, high = bootstrap_interval(values)
    np.testing.assert_allclose(bootstrap_interval(2 * values + 5), (2 * low + 5, 2 * high + 5))


def test_higher_level_is_wider():
    values = np.random.default_rng(2).normal(size=12)
    (low, high), (lower, higher) = (bootstrap_interval(values, level=x) for x in (0.5, 0.99))
    assert lower < low < values.mean() < high < higher


def test_interval_is_seeded():
    values = np.random.default_rng(3).normal(size=12)
    assert bootstrap_interval(values, seed=4) == bootstrap_interval(values, seed=4)
    assert bootstrap_interval(values, seed=4) != bootstrap_interval(values, seed=5)


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [[1.0, 2.0]]])
def test_bad_values_are_rejected(values):
    with pytest.raises(ValueError, match="expected a vector of finite numbers, at least one"):
        bootstrap_interval(values)


@pytest.mark.parametrize("options", [{"level": 0.0}, {"level": 1.0}, {"resamples": 0}])
def test_bad_options_are_rejected(options):
    with pytest.raises(ValueError, match="expected between 0 and 1, and at least 1"):
        bootstrap_interval([1.0, 2.0], **options)
