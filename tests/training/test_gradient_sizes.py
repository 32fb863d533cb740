import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.gradient_sizes import GradientSizes, mean_size

GRADIENTS = [tf.constant([[0.1, -0.3], [0.0, 0.2]]), tf.constant([0.05, -0.15])]


def _observe(sizes, factor, *, is_frozen=False, task=0):
    """Shows a gradient of this mean size; returns what it would be divided by."""
    gradients = [factor * tf.ones([2, 3]), -factor * tf.ones([4])]
    return float(sizes.observe(task, gradients, tf.constant(is_frozen)))


def test_the_mean_is_over_all_numbers():
    assert float(mean_size(GRADIENTS)) == pytest.approx(0.8 / 6)


def test_a_gradient_is_divided_by_its_own_size_before_the_freeze():
    sizes = GradientSizes(num_tasks=2)
    for factor in (0.5, 2.0, 1e-3):
        assert _observe(sizes, factor) == pytest.approx(factor)


def test_afterwards_by_the_average_that_weighs_old_steps_less():
    sizes = GradientSizes(num_tasks=2)
    seen = [0.5, 2.0, 1.0]
    for factor in seen:
        _observe(sizes, factor)
        _observe(sizes, 10 * factor, task=1)
    weights = 0.99 ** np.arange(3)[::-1]
    expected = np.sum(weights * seen) / np.sum(weights)
    assert _observe(sizes, 7.0, is_frozen=True) == pytest.approx(expected, rel=1e-5)
    assert _observe(sizes, 9.0, is_frozen=True) == pytest.approx(expected, rel=1e-5)
    assert _observe(sizes, 1.0, is_frozen=True, task=1) == pytest.approx(10 * expected, rel=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_leaves_no_trace_and_passes_as_it_is(bad):
    sizes = GradientSizes(num_tasks=1)
    _observe(sizes, 0.5)
    assert not np.isfinite(_observe(sizes, bad))
    assert not np.isfinite(_observe(sizes, bad, is_frozen=True))
    assert _observe(sizes, 3.0, is_frozen=True) == pytest.approx(0.5, rel=1e-5)


def test_a_gradient_of_zero_is_divided_by_something():
    assert _observe(GradientSizes(num_tasks=1), 0.0) == pytest.approx(1e-12)


def test_a_task_that_freezes_unseen_has_its_own_size():
    assert _observe(GradientSizes(num_tasks=1), 4.0, is_frozen=True) == pytest.approx(4.0)
