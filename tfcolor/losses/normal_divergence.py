"""Divergence of a normal distribution from the standard one."""

import tensorflow as tf


def normal_divergence(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """Returns the Kullback-Leibler divergence of a normal from the standard normal.

    The features are independent: `1/2 sum_d (m^2 + v - 1 - ln v)`.

    Args:
      mean: float32 [..., D], m.
      log_variance: float32 [..., D], ln v.

    Returns:
      float32 [...], in nats, not negative up to rounding.

    Example:
      >>> normal_divergence([2.0, 0.0], [0.0, 0.0]).numpy().item()
      2.0

    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix B.
    """
    mean, log_variance = tf.convert_to_tensor(mean), tf.convert_to_tensor(log_variance)
    terms = tf.square(mean) + tf.exp(log_variance) - 1 - log_variance
    return tf.reduce_sum(terms, axis=-1) / 2
