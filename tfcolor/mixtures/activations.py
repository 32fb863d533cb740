"""How strongly components answer: codes from log densities or distances."""

import math

import tensorflow as tf

LOG_FLOOR = math.log(0.0005)
"""Smallest log posterior of a soft code."""


def euclidean_distances(features: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
    """Returns the distance of features from every center.

    Args:
      features: float32 [..., D].
      centers: float32 [K, D].

    Returns:
      float32 [..., K], at least 0.

    Example:
      >>> euclidean_distances(tf.constant([[3.0, 4.0]]), tf.zeros([1, 2])).numpy().item()
      5.0
    """
    # About the mean center, where the difference of large squares is smallest.
    origin = tf.reduce_mean(centers, axis=0)
    features, centers = features - origin, centers - origin
    products = tf.tensordot(features, centers, [[-1], [-1]])
    squares = tf.reduce_sum(tf.square(features), axis=-1, keepdims=True)
    squares += tf.reduce_sum(tf.square(centers), axis=-1) - 2 * products
    return tf.sqrt(tf.maximum(squares, 0.0))


def hard_codes(scores: tf.Tensor) -> tf.Tensor:
    """Returns the index of the component that answers most.

    Args:
      scores: float32 [..., K], log densities or negative distances.

    Returns:
      int32 [...], in [0, K - 1].
    """
    return tf.argmax(scores, axis=-1, output_type=tf.int32)


def relative_activations(scores: tf.Tensor) -> tf.Tensor:
    """Returns by how much each component answers more than the average one.

    Of log densities this is eq. 1.3 of the thesis; of negative distances the
    "triangle" activation of k-means.

    Args:
      scores: float32 [..., K], log densities or negative distances.

    Returns:
      float32 [..., K], at least 0.

    Example:
      >>> relative_activations(tf.constant([-3.0, -1.0, -2.0, -10.0])).numpy().tolist()
      [1.0, 3.0, 2.0, 0.0]

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, eq. 1.3. Coates, Lee, Ng. An Analysis of
      Single-Layer Networks in Unsupervised Feature Learning. AISTATS 2011.
    """
    return tf.nn.relu(scores - tf.reduce_mean(scores, axis=-1, keepdims=True))


def soft_activations(log_probs: tf.Tensor) -> tf.Tensor:
    """Returns log posteriors that stay above a floor.

    Args:
      log_probs: float32 [..., K], log densities of the components, with their
        log weights added where these count; of k-means, minus half the squared
        distances.

    Returns:
      float32 [..., K], in [ln 0.0005, 0].
    """
    return tf.maximum(tf.nn.log_softmax(log_probs), LOG_FLOOR)
