"""Losses of telling classes apart: what logits cost where one class is right."""

from collections.abc import Callable, Mapping

import tensorflow as tf

ClassificationLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From labels, int32 [B] in [0, K), and logits, float32 [B, K], to float32 [B]."""


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of the true class.

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K].

    Returns:
      float32 [B] in nats; ln K for equal logits.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def squared_error(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared distance of the logits to 1 (true) and 0 (others).

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K].

    Returns:
      float32 [B].
    """
    return tf.reduce_mean(tf.square(_one_hot(labels, logits) - logits), axis=-1)


def absolute_error(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute distance of the logits to 1 (true) and 0 (others).

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K].

    Returns:
      float32 [B].
    """
    return tf.reduce_mean(tf.abs(_one_hot(labels, logits) - logits), axis=-1)


def independent_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean cross-entropy of each class being the true one or not.

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K], each of the probability of its class alone.

    Returns:
      float32 [B] in nats; ln 2 for logits of 0.
    """
    one_hot = _one_hot(labels, logits)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=one_hot, logits=logits)
    return tf.reduce_mean(losses, axis=-1)


def independent_hinge(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean of what logits lack to 1 (true class) and exceed -1 (others).

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K].

    Returns:
      float32 [B]; 1 for logits of 0.
    """
    signs = 2 * _one_hot(labels, logits) - 1
    return tf.reduce_mean(tf.nn.relu(1 - signs * logits), axis=-1)


def hinge(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns what the true class lacks to a lead of 1 over all other ones.

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K], with K at least 2.

    Returns:
      float32 [B]; 1 for equal logits.

    References:
      Crammer, Singer. On the Algorithmic Implementation of Multiclass
      Kernel-based Vector Machines. JMLR 2001.
    """
    is_true = tf.cast(_one_hot(labels, logits), tf.bool)
    best_other = tf.reduce_max(tf.where(is_true, float("-inf"), logits), axis=-1)
    return tf.nn.relu(1 + best_other - tf.gather(logits, labels, batch_dims=1))


def balanced_squared_error(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared distance to 1 and 0, the true class K times as dear.

    Args:
      labels: int32 [B] in [0, K).
      logits: float32 [B, K].

    Returns:
      float32 [B].
    """
    one_hot = _one_hot(labels, logits)
    weights = 1 + (logits.shape[-1] - 1) * one_hot
    return tf.reduce_mean(weights * tf.square(one_hot - logits), axis=-1)


CLASSIFICATION_LOSSES: Mapping[str, ClassificationLoss] = {
    "kl": cross_entropy,
    "l2": squared_error,
    "l1": absolute_error,
    "multilabel": independent_cross_entropy,
    "multihinge": independent_hinge,
    "hinge": hinge,
    "l2b": balanced_squared_error,
}
"""The losses by the names that flags give them."""


def _one_hot(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns 1 for the true class and 0 for the others, of the shape of the logits."""
    return tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
