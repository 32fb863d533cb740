import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.detection import sampled_mean, smooth_absolute


@pytest.mark.parametrize("corner", [1.0, 1 / 9])
def test_smooth_absolute_error_follows_the_equation(corner):
    random = np.random.default_rng(0)
    truth, predicted = random.normal(size=(2, 3, 5, 4)).astype(np.float32)
    difference = np.abs(truth - predicted)
    parts = np.where(difference < corner, difference**2 / (2 * corner), difference - corner / 2)
    assert np.any(difference < corner)
    assert np.any(difference > corner)
    loss = smooth_absolute(truth, predicted, corner)
    np.testing.assert_allclose(loss, parts.sum(axis=-1), rtol=1e-5)


def test_gradient_is_bounded_and_numerical():
    predicted = tf.Variable([[0.05, -0.3, 2.0, -50.0]], dtype=tf.float64)
    truth = tf.zeros([1, 4], tf.float64)
    with tf.GradientTape() as tape:
        loss = smooth_absolute(truth, predicted, 1.0)
    np.testing.assert_allclose(tape.gradient(loss, predicted), [[0.05, -0.3, 1, -1]])


def test_mean_is_over_those_sampled():
    values = tf.constant([[1.0, 2.0, np.nan, 8.0], [np.inf, 1.0, 1.0, 1.0]])
    is_summed = tf.constant([[True, True, False, False], [False] * 4])
    is_sampled = tf.constant([[True, True, False, True], [False] * 4])
    np.testing.assert_array_equal(sampled_mean(values, is_summed, is_sampled), [1, 0])
