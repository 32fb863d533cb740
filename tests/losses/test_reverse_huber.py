import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.reverse_huber import reverse_huber, reverse_huber_threshold


def _reference(error, threshold):
    """The loss of one error as it is written in the paper."""
    size = abs(error)
    return size if size <= threshold else (error**2 + threshold**2) / (2 * threshold)


def _losses(errors, is_valid=None):
    errors = tf.constant(errors, tf.float32)
    is_valid = tf.ones_like(errors, tf.bool) if is_valid is None else tf.constant(is_valid)
    threshold = reverse_huber_threshold(errors, is_valid)
    return float(threshold), reverse_huber(errors, is_valid, threshold).numpy()


@pytest.mark.parametrize(
    ("errors", "threshold", "losses"),
    [
        ([0.1, -0.5, 2.0], 0.4, [0.1, 0.5125, 5.2]),
        ([0.0, 0.2, 0.4, 1.0], 0.2, [0, 0.2, 0.5, 2.6]),
        ([0.1, 0.1, 0.1], 0.02, [0.26] * 3),
    ],
)
def test_golden_values(errors, threshold, losses):
    # Specification of the pretext tasks, golden 14.
    found, values = _losses(errors)
    assert found == pytest.approx(threshold, rel=1e-6)
    np.testing.assert_allclose(values, losses, rtol=1e-5, atol=1e-7)


def test_agrees_with_the_paper_on_maps_with_holes():
    random_numbers = np.random.default_rng(0)
    errors = random_numbers.normal(0, 2, (3, 5, 7))
    is_valid = random_numbers.random((3, 5, 7)) < 0.8
    errors[~is_valid] = 50
    errors[0, 0, 0], is_valid[0, 0, 0] = np.nan, False
    threshold, values = _losses(errors, is_valid)
    assert threshold == pytest.approx(0.2 * np.abs(errors[is_valid]).max(), rel=1e-6)
    expected = [_reference(one, threshold) for one in errors[is_valid]]
    np.testing.assert_allclose(values[is_valid], expected, rtol=1e-5)
    assert not values[~is_valid].any()


def test_value_and_slope_are_continuous_at_the_threshold():
    threshold = tf.constant(0.3, tf.float64)
    errors = tf.constant([0.3 - 1e-9, 0.3, 0.3 + 1e-9, -0.3 - 1e-9], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(errors)
        values = reverse_huber_in_float64(errors, threshold)
    np.testing.assert_allclose(values, 0.3, atol=1e-8)
    np.testing.assert_allclose(tape.gradient(values, errors), [1, 1, 1, -1], atol=1e-8)


def reverse_huber_in_float64(errors, threshold):
    return reverse_huber(errors, tf.ones_like(errors, tf.bool), threshold)


def test_gradient_agrees_with_a_numerical_one_for_a_constant_threshold():
    threshold = tf.constant(0.4, tf.float64)
    errors = np.array([[0.1, -0.39, 0.41], [-0.5, 2.0, -3.0]])
    (analytic,), (numerical,) = tf.test.compute_gradient(
        lambda one: reverse_huber_in_float64(one, threshold), [tf.constant(errors)]
    )
    np.testing.assert_allclose(analytic, numerical, atol=1e-6)
    expected = np.where(np.abs(errors) <= 0.4, np.sign(errors), errors / 0.4)
    np.testing.assert_allclose(np.diag(analytic), expected.ravel(), atol=1e-9)


def test_no_gradient_flows_through_the_threshold_or_unknown_errors():
    errors = tf.constant([1.0, 0.5, np.nan])
    is_valid = tf.constant([True, True, False])
    with tf.GradientTape() as tape:
        tape.watch(errors)
        threshold = reverse_huber_threshold(errors, is_valid)
        loss = tf.reduce_sum(reverse_huber(errors, is_valid, threshold))
    np.testing.assert_allclose(tape.gradient(loss, errors), [5, 2.5, 0], rtol=1e-6)


@pytest.mark.parametrize("is_valid", [[True, True], [False, False]])
def test_a_threshold_of_zero_is_guarded(is_valid):
    errors = tf.zeros([2]) if all(is_valid) else tf.constant([3.0, np.inf])
    with tf.GradientTape() as tape:
        tape.watch(errors)
        threshold = reverse_huber_threshold(errors, tf.constant(is_valid))
        loss = reverse_huber(errors, tf.constant(is_valid), threshold)
    assert float(threshold) == 0
    np.testing.assert_array_equal(loss, [0, 0])
    np.testing.assert_array_equal(tape.gradient(loss, errors), [0, 0])


def test_nothing_is_no_error():
    threshold, values = _losses(np.zeros([0, 3]))
    assert (threshold, values.shape) == (0, (0, 3))
