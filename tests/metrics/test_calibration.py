import inspect

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.metrics.calibration import ExpectedCalibrationError


def _predictions(*shape, num_bins=4, seed=0):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(num_bins, 0.6), shape).astype(np.float32)
    labels = generator.integers(0, num_bins, shape).astype(np.int32)
    return labels, probs, generator.random(shape).astype(np.float32)


def _reference_error(labels, probs, weights, num_groups):
    rows = probs.reshape(-1, probs.shape[-1]).astype(np.float64)
    confidence, is_correct = rows.max(axis=1), rows.argmax(axis=1) == labels.ravel()
    weights = weights.ravel().astype(np.float64)
    error = 0.0
    for group in range(num_groups):
        is_inside = (confidence >= group / num_groups) & (confidence < (group + 1) / num_groups)
        if group == num_groups - 1:
            is_inside |= confidence >= 1
        if weights[is_inside].sum() > 0:
            accuracy = np.average(is_correct[is_inside], weights=weights[is_inside])
            mean = np.average(confidence[is_inside], weights=weights[is_inside])
            error += abs(accuracy - mean) * weights[is_inside].sum() / weights.sum()
    return error


@pytest.mark.parametrize("num_groups", [1, 7, 15])
def test_error_is_the_formula_written_out(num_groups):
    labels, probs, weights = _predictions(3, 5, 6)
    metric = ExpectedCalibrationError(num_groups)
    for rows in (slice(0, 1), slice(1, 3)):
        metric.update_state(labels[rows], probs[rows], weights[rows])
    assert metric.result().dtype == tf.float64
    expected = _reference_error(labels, probs, weights, num_groups)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


def test_pixels_weigh_alike_by_default():
    labels, probs, _ = _predictions(4, 5)
    metric = ExpectedCalibrationError()
    metric.update_state(labels, probs)
    expected = _reference_error(labels, probs, np.ones((4, 5)), 15)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


def test_predictions_that_are_right_as_often_as_they_say_have_no_error():
    metric = ExpectedCalibrationError()
    metric.update_state([0, 0, 0, 1], np.repeat([[0.75, 0.25]], 4, axis=0))
    np.testing.assert_allclose(metric.result(), 0, atol=1e-12)


def test_certain_predictions_err_by_how_often_they_are_wrong():
    metric = ExpectedCalibrationError()
    metric.update_state([0, 1, 2, 1, 1], np.eye(3)[[0, 0, 0, 1, 1]])
    np.testing.assert_allclose(metric.result(), 0.4)


def test_reliability_of_two_groups():
    metric = ExpectedCalibrationError(4)
    metric.update_state([0, 1, 0], [[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]], weights=[1.0, 3.0, 4.0])
    confidence, accuracy, share = metric.reliability()
    np.testing.assert_allclose(confidence, [0, 0, (0.6 + 3 * 0.7) / 4, 0.9], rtol=1e-6)
    np.testing.assert_allclose(accuracy, [0, 0, 0.25, 1])
    np.testing.assert_allclose(share, [0, 0, 0.5, 0.5])
    np.testing.assert_allclose(metric.result(), (abs(accuracy - confidence) * share).numpy().sum())


def test_nothing_has_no_error_and_reset_forgets():
    labels, probs, _ = _predictions(4, 5)
    metric = ExpectedCalibrationError()
    assert metric.result() == 0
    metric.update_state(labels, probs)
    assert metric.result() > 0
    metric.reset_state()
    assert metric.result() == 0
    assert not any(np.any(values) for values in metric.reliability())


def test_updates_in_a_graph_of_unknown_size():
    labels, probs, weights = _predictions(3, 5)
    outside, inside = ExpectedCalibrationError(), ExpectedCalibrationError()
    outside.update_state(labels, probs, weights)
    types = [([None, None], tf.int32), ([None, None, 4], tf.float32), ([None, None], tf.float32)]

    @tf.function(input_signature=[tf.TensorSpec(*item) for item in types])
    def update(*arguments):
        inside.update_state(*arguments)

    update(labels, probs, weights)
    np.testing.assert_allclose(inside.result(), outside.result())


def test_constructor_arguments_are_serialized():
    metric = ExpectedCalibrationError(7, name="other")
    config = metric.get_config()
    assert set(inspect.signature(ExpectedCalibrationError).parameters) <= set(config)
    rebuilt = ExpectedCalibrationError.from_config(config)
    assert rebuilt.get_config() == config
    assert [v.shape for v in rebuilt.variables] == [v.shape for v in metric.variables]


def test_number_of_groups_is_checked():
    with pytest.raises(ValueError, match="num_groups 0: expected at least 1"):
        ExpectedCalibrationError(0)
