import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.masked_error import masked_squared_error


def test_the_published_weights_of_a_ring():
    weights = np.full([1, 8, 8, 1], 10.0, np.float32)
    weights[:, 1:-1, 1:-1] = 1
    images = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    (loss,) = masked_squared_error(images, images + 0.1, weights)
    assert float(loss) == pytest.approx(0.049375, rel=1e-5)


def test_agrees_with_numpy_and_its_gradient_stays_under_the_mask():
    random_numbers = np.random.default_rng(1)
    targets, predictions = random_numbers.normal(size=(2, 2, 4, 5, 3))
    weights = random_numbers.integers(0, 3, size=(2, 4, 5, 1)).astype(float)
    predictions = tf.constant(predictions)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        losses = masked_squared_error(targets, predictions, weights)
    expected = np.mean(weights * (targets - predictions.numpy()) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(losses, expected)
    gradient = tape.gradient(losses, predictions).numpy()
    step = 1e-4
    for place in ((0, 1, 2, 0), (1, 3, 4, 2)):
        moved = [predictions.numpy().copy() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        both = [masked_squared_error(targets, one, weights)[place[0]] for one in moved]
        assert gradient[place] == pytest.approx(float(both[0] - both[1]) / (2 * step), abs=1e-9)
    np.testing.assert_array_equal(gradient != 0, np.broadcast_to(weights > 0, gradient.shape))
