"""Losses of a detector: what sampled boxes show, and where."""

import tensorflow as tf


def smooth_absolute(truth: tf.Tensor, predicted: tf.Tensor, corner: float) -> tf.Tensor:
    """Returns the smooth absolute error of boxes, summed over the four numbers.

    `d^2 / (2 corner)` for a difference of at most the corner, `d - corner / 2` beyond:
    Huber's function over its corner.

    Args:
      truth: float [..., 4].
      predicted: float [..., 4].
      corner: where the parabola becomes a line, above 0; 1 / 9 for anchors and 1 for
        regions, as published.

    Returns:
      float [...].

    References:
      Girshick. Fast R-CNN. ICCV 2015, equation 3.
    """
    return 4 * tf.keras.losses.huber(truth, predicted, delta=corner) / corner


def sampled_mean(values: tf.Tensor, is_summed: tf.Tensor, is_sampled: tf.Tensor) -> tf.Tensor:
    """Returns the sum of some values over the number of those sampled.

    Args:
      values: float32 [B, N]; need not be finite where they are not summed.
      is_summed: bool [B, N].
      is_sampled: bool [B, N].

    Returns:
      float32 [B], 0 where nothing is sampled.
    """
    total = tf.reduce_sum(tf.where(is_summed, values, 0.0), axis=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(is_sampled, tf.float32), axis=1))
