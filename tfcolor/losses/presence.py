"""The loss of predicting which classes an image shows."""

import tensorflow as tf


def presence_cross_entropy(presence: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of each class being present.

    Args:
      presence: int [..., K], 1 for present and 0 for absent; anything else (-1
        or 255, "difficult") costs nothing.
      logits: float32 [..., K].

    Returns:
      float32 [..., K] in nats, `softplus(-|z|) + (1[z > 0] - y) z`, 0 for
      difficult.

    Example:
      >>> loss = presence_cross_entropy([1, 0, 255], [2.0, -1.0, 0.5])
      >>> [round(float(value), 4) for value in loss]
      [0.1269, 0.3133, 0.0]
    """
    presence = tf.convert_to_tensor(presence)
    is_known = (presence == 0) | (presence == 1)
    labels = tf.cast(presence == 1, tf.float32)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.where(is_known, loss, 0.0)
