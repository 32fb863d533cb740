"""LARS: layers that each move by a share of the size of their weights."""

import tensorflow as tf


def trust_ratio(variable: tf.Tensor, gradient: tf.Tensor, coefficient: float) -> tf.Tensor:
    """Returns what LARS multiplies the rate of a kernel by.

    Momentum gradient descent on the multiplied gradient is LARS with classic
    momentum, in which a velocity has passed learning rates in it. Biases and the
    scales of batch norms keep their rate.

    Args:
      variable: float [...], a kernel w.
      gradient: float [...], its gradient g with weight decay.
      coefficient: the trust coefficient.

    Returns:
      float [], `coefficient * |w| / |g|`; 1 where one of them is zero.

    Example:
      >>> kernel, gradient = tf.constant([3.0, 4.0]), tf.constant([1.3, 0.4])
      >>> print(f"{trust_ratio(kernel, gradient, 0.001):.6f}")
      0.003676

    References:
      You, Gitman, Ginsburg. Large Batch Training of Convolutional Networks. 2017.
    """
    weight_norm, gradient_norm = tf.norm(variable), tf.norm(gradient)
    is_known = (weight_norm > 0) & (gradient_norm > 0)
    ratio = tf.math.divide_no_nan(coefficient * weight_norm, gradient_norm)
    return tf.where(is_known, ratio, tf.ones_like(ratio))
