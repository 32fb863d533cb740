import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.regression import squared_distance


def test_it_agrees_with_numpy_and_its_gradient_is_twice_the_difference():
    random_numbers = np.random.default_rng(0)
    targets, predictions = random_numbers.normal(0, 1, (2, 3, 5, 2))
    with tf.GradientTape() as tape:
        tensor = tf.constant(predictions)
        tape.watch(tensor)
        actual = squared_distance(targets, tensor)
    np.testing.assert_allclose(actual, ((targets - predictions) ** 2).sum(-1))
    np.testing.assert_allclose(tape.gradient(actual, tensor), 2 * (predictions - targets))


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_narrow_types_are_widened(dtype):
    distance = squared_distance(tf.constant([1.0, 300.0]), tf.constant([0.0, 0.0], dtype))
    assert distance.dtype == tf.float32
    assert float(distance) == 90_001
