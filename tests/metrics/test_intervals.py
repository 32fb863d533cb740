import numpy as np
import pytest
import scipy.stats

from tfcolor.metrics.intervals import (
    Interval,
    bootstrap_interval,
    control_intervals,
    draw_means,
    pooled_quantile,
)


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


def test_one_sample_is_compared_as_by_student():
    sample, control = [3.0, 4.5, 4.0, 5.5], [1.0, 2.5, 2.0]
    found = control_intervals({"one": sample, "b": control}, {"one": "b"})["one"]
    student = scipy.stats.ttest_ind(sample, control).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((student.low, student.high))
    assert found.mean == pytest.approx(np.mean(sample) - np.mean(control)) and found.is_positive


def test_intervals_hold_together_at_least_as_often_as_they_promise():
    # Of samples with the same mean, no interval may leave out 0 in 95 of 100.
    # Bonferroni takes them for independent, though they share their control.
    draws = np.random.default_rng(0).normal(size=(4000, 6, 3))
    half = np.array([pooled_quantile(list(one), 5, 0.95) for one in draws]) * np.sqrt(2 / 3)
    means = draws.mean(axis=2)
    share = np.mean(np.abs(means[:, 1:] - means[:, :1]).max(axis=1) < half)
    assert 0.945 < share < 0.98


def test_intervals_are_about_those_of_dunnett():
    values = np.random.default_rng(1).normal(size=(6, 30))
    found = control_intervals(dict(zip("xabcde", values, strict=True)), dict.fromkeys("abcde", "x"))
    dunnett = scipy.stats.dunnett(*values[1:], control=values[0], random_state=0)
    exact = dunnett.confidence_interval(0.95)
    width, exact_width = found["a"].high - found["a"].low, exact.high[0] - exact.low[0]
    assert found["c"].mean == pytest.approx((exact.low[2] + exact.high[2]) / 2)
    assert exact_width < width < 1.05 * exact_width


def test_columns_are_samples_of_their_own():
    values = np.random.default_rng(2).normal(loc=[0, 10, 20, 30], size=(3, 4))
    assert pooled_quantile([values], 2, 0.9) == pytest.approx(
        pooled_quantile(list(values.T), 2, 0.9)
    )


def test_an_interval_knows_on_which_side_of_zero_it_lies():
    assert Interval(1.0, 0.5, 1.5).is_positive and not Interval(1.0, 0.5, 1.5).is_negative
    assert Interval(-1.0, -1.5, -0.5).is_negative and not Interval(-1.0, -1.5, 0.5).is_negative


def test_nothing_compared_has_no_intervals():
    assert not control_intervals({"a": [2.0]}, {})


@pytest.mark.parametrize(
    ("samples", "control", "message"),
    [
        ({"a": []}, [1.0, 2.0], "without numbers: expected at least one"),
        ({"a": [1.0]}, [2.0], "2 samples of one number: expected two in one of them"),
    ],
)
def test_too_few_numbers_are_rejected(samples, control, message):
    with pytest.raises(ValueError, match=message):
        control_intervals(samples | {"b": control}, {"a": "b"})


def test_a_bad_level_of_several_intervals_is_rejected():
    with pytest.raises(ValueError, match=r"level 1\.0: expected between 0 and 1"):
        control_intervals({"a": [1.0], "b": [1.0, 2.0]}, {"a": "b"}, level=1.0)


def test_drawn_means_are_those_of_student():
    samples = [np.array([[1.0, 5.0], [1.5, 5.2], [2.0, 5.4]]), np.array([[3.0, 7.0], [4.0, 7.5]])]
    drawn = draw_means(samples, num_draws=20_000, seed=3)
    assert [one.shape for one in drawn] == [(20_000, 2)] * 2
    half = pooled_quantile(samples, 1, 0.5)
    for sample, draws in zip(samples, drawn, strict=True):
        ends = half / np.sqrt(len(sample))
        found = np.quantile(draws, [0.25, 0.5, 0.75], axis=0) - sample.mean(axis=0)
        expected = np.multiply.outer([-1, 0, 1], [ends, ends])
        np.testing.assert_allclose(found, expected, atol=0.02)
    # One deviation for all: where one mean is far off, others are more often too.
    squares = [np.square(one - one.mean(axis=0))[:, 0] for one in drawn]
    assert np.corrcoef(*squares)[0, 1] > 0.1
    np.testing.assert_array_equal(draw_means(samples, 5)[0], draw_means(samples, 5)[0])
    with pytest.raises(ValueError, match="expected two in one of them"):
        draw_means([np.ones([1, 2])])
