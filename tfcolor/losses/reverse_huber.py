"""The reverse Huber loss: absolute for small errors, squared for large ones."""

import tensorflow as tf

FRACTION = 0.2
"""Of the largest error of a batch: where the loss becomes quadratic."""


def reverse_huber_threshold(errors: tf.Tensor, is_valid: tf.Tensor) -> tf.Tensor:
    """Returns where the loss of a batch becomes quadratic.

    Args:
      errors: float32 [...], those of the whole batch.
      is_valid: bool [...], which of them count.

    Returns:
      float32 [], a fifth of the largest absolute error that counts; 0 if none
      does. No gradient flows through it.
    """
    largest = tf.reduce_max(tf.where(is_valid, tf.abs(errors), 0.0))
    # The maximum of no error at all is the lowest number there is.
    return tf.stop_gradient(FRACTION * tf.maximum(largest, 0.0))


def reverse_huber(errors: tf.Tensor, is_valid: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Returns the reverse Huber loss of each error.

    For an error e and a threshold c it is `|e|` up to c, and
    `(e^2 + c^2) / (2 c)` beyond; value and slope are continuous at c.

    Args:
      errors: float32 [...].
      is_valid: bool [...], which of them count.
      threshold: float32 [], c; with 0 all errors are taken absolutely.

    Returns:
      float32 [...], 0 where an error does not count, whatever it is.

    Example:
      >>> errors = tf.constant([0.1, -0.5, 2.0])
      >>> reverse_huber(errors, errors == errors, tf.constant(0.4)).numpy().round(4)
      array([0.1   , 0.5125, 5.2   ], dtype=float32)

    References:
      Laina, Rupprecht, Belagiannis, Tombari, Navab. Deeper Depth Prediction with
      Fully Convolutional Residual Networks. 3DV 2016, equation 1.
    """
    # Masked first: a gradient through an unknown depth would be NaN.
    sizes = tf.abs(tf.where(is_valid, errors, 0.0))
    is_small = (sizes <= threshold) | (threshold <= 0)
    safe = tf.where(threshold > 0, threshold, 1.0)
    return tf.where(is_small, sizes, (sizes**2 + safe**2) / (2 * safe))
