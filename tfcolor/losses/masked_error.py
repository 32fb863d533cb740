"""Errors of pixels that do not all count the same."""

import tensorflow as tf


def masked_squared_error(
    targets: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Returns the weighted squared error of images, averaged over all pixels.

    The weights are not normalized: pixels of weight 0 count in the average.

    Args:
      targets: float32 [B, H, W, C].
      predictions: float32 [B, H, W, C].
      weights: float32 [B, H, W, 1], not negative.

    Returns:
      float32 [B].

    Example:
      >>> halves = tf.constant([[[[1.0], [0.0]]]])
      >>> masked_squared_error(tf.ones([1, 1, 2, 3]), tf.zeros([1, 1, 2, 3]), halves).numpy()
      array([0.5], dtype=float32)

    References:
      Pathak et al. Context Encoders: Feature Learning by Inpainting. CVPR 2016,
      equation 1.
    """
    errors = weights * tf.math.squared_difference(targets, predictions)
    return tf.reduce_mean(errors, axis=[1, 2, 3])
