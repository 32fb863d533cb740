"""Divergence between target histograms and predicted logits."""

import tensorflow as tf


def histogram_divergence(target_probs: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the Kullback-Leibler divergence of the targets to the prediction.

    Computed through the log-softmax, never the logarithm of a probability, with
    0 log 0 = 0. The gradient with respect to the logits is `softmax(logits) - y`.

    Args:
      target_probs: float [..., K], histograms y that sum to 1.
      logits: float [..., K], unnormalized log-probabilities, finite. Types
        narrower than float32 are widened first.

    Returns:
      float32 [...] (float64 for float64 logits), in nats, not negative up to
      rounding.

    Example:
      >>> histogram_divergence([0.0, 1.0], [0.0, 0.0]).numpy().item()
      0.693147...

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, equation 4.
    """
    logits = tf.convert_to_tensor(logits)
    logits = logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)
    target_probs = tf.cast(target_probs, logits.dtype)
    log_ratios = tf.math.xlogy(target_probs, target_probs)
    log_ratios -= target_probs * tf.nn.log_softmax(logits, axis=-1)
    return tf.reduce_sum(log_ratios, axis=-1)
