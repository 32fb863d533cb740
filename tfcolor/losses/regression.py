"""Distance between target and predicted coordinates."""

import tensorflow as tf


def squared_distance(targets: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    """Returns the squared Euclidean distance of each prediction to its target.

    Args:
      targets: float [..., D].
      predictions: float [..., D]. Types narrower than float32 are widened first.

    Returns:
      float32 [...] (float64 for float64 predictions), not negative.

    Example:
      >>> squared_distance([1.0, 2.0], [4.0, 6.0]).numpy().item()
      25.0

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, equation 3.
    """
    predictions = tf.convert_to_tensor(predictions)
    if predictions.dtype != tf.float64:
        predictions = tf.cast(predictions, tf.float32)
    difference = tf.cast(targets, predictions.dtype) - predictions
    return tf.reduce_sum(tf.square(difference), axis=-1)
