import numpy as np
import pytest

from tfcolor.analysis.correlation import PairedMoments


def fill(first, second, sizes):
    moments = PairedMoments(first.shape[1])
    start = 0
    for size in sizes:
        moments.update(first[start : start + size], second[start : start + size])
        start += size
    return moments


def reference(first, second):
    return [np.corrcoef(one, two)[0, 1] for one, two in zip(first.T, second.T, strict=True)]


def test_correlation_is_that_of_numpy_however_samples_arrive():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(60, 5))
    second = first * [1, -2, 0.5, 0, 3] + generator.normal(size=(60, 5))
    for sizes in ([60], [1] * 60, [7, 0, 33, 20]):
        moments = fill(first, second, sizes)
        np.testing.assert_allclose(moments.correlation(), reference(first, second), atol=1e-13)
        assert moments.num_samples == 60


def test_large_mean_costs_no_digits():
    generator = np.random.default_rng(1)
    first = generator.normal(size=(40, 3))
    second = first + generator.normal(size=(40, 3))
    expected = reference(first, second)
    moved = fill(first + 1e7, second - 3e7, [13, 27]).correlation()
    np.testing.assert_allclose(moved, expected, atol=1e-7)  # 1e7 itself takes half the digits


def test_scale_and_shift_change_nothing():
    generator = np.random.default_rng(2)
    first = generator.normal(size=(30, 4))
    np.testing.assert_allclose(fill(first, 5 * first - 2, [10, 20]).correlation(), 1, atol=1e-14)
    np.testing.assert_allclose(fill(first, -first, [10, 20]).correlation(), -1, atol=1e-14)


def test_constant_feature_is_dead_even_where_rounding_gives_it_a_variance():
    first = np.random.default_rng(3).normal(size=(9, 3))
    second = first.copy()
    first[:, 0] = 0.1
    second[:, 2] = 0.7
    moments = fill(first, second, [2, 7])
    assert moments.is_dead.tolist() == [[True, False, False], [False, False, True]]
    assert np.isnan(moments.correlation()).tolist() == [True, False, True]


def test_without_samples_everything_is_dead():
    moments = PairedMoments(2)
    moments.update(np.zeros([0, 2]), np.zeros([0, 2]))
    assert moments.is_dead.all()
    assert np.isnan(moments.correlation()).all()


def test_float32_activations_are_summed_in_float64():
    values = np.random.default_rng(4).uniform(100, 101, (5000, 2)).astype(np.float32)
    other = values + np.random.default_rng(5).uniform(0, 1, (5000, 2)).astype(np.float32)
    moments = fill(values, other, [2500, 2500])
    wide = reference(values.astype(np.float64), other.astype(np.float64))
    assert moments.correlation() == pytest.approx(wide, abs=1e-12)
