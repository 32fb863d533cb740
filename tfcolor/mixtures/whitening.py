"""Patches of equal contrast whose pixels do not correlate."""

import numpy as np
import tensorflow as tf


def standardize_patches(patches: tf.Tensor, *, regularizer: float = 10 / 255) -> tf.Tensor:
    """Returns patches of mean 0 and, except for flat ones, variance near 1.

    Args:
      patches: float32 [..., D] in [0, 1].
      regularizer: added to the variance.

    Returns:
      float32 [..., D]; zeros for a constant patch, if `regularizer` is not 0.
    """
    mean, variance = tf.nn.moments(patches, axes=[-1], keepdims=True)
    return (patches - mean) * tf.math.rsqrt(variance + regularizer)


def zca_matrix(patches: np.ndarray, *, regularizer: float = 0.1) -> np.ndarray:
    """Returns the symmetric matrix that whitens patches.

    Args:
      patches: float [N, D], standardized; their mean is not removed.
      regularizer: added to the variance along each principal direction.

    Returns:
      float32 [D, D]; `patches @ matrix` are white.

    Raises:
      ValueError: if there are no patches.
    """
    if not len(patches):
        raise ValueError("0 patches: expected at least 1 to whiten")
    patches = np.asarray(patches, np.float64)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    scales = 1 / np.sqrt(np.maximum(values, 0) + regularizer)
    return ((vectors * scales) @ vectors.T).astype(np.float32)
