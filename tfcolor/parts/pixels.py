"""Patches of pixels as features: equal in contrast, whitened if that is wanted."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.mixtures.whitening import standardize_patches, zca_matrix
from tfcolor.parts.coding import window_sums

PATCHES_PER_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class PixelOptions:
    """How patches of pixels become features."""

    min_std: float = option(
        0.01,
        "a patch whose pixels in [0, 1] deviate less is background, as one with few edges is",
        minimum=0.0,
        maximum=0.5,
    )
    regularizer: float = option(
        10 / 255, "added to a patch's variance before its pixels are divided by", minimum=1e-9
    )
    whiten: bool = option(False, "whether the correlations of pixels are removed (ZCA)")
    whitening_regularizer: float = option(
        0.1, "added to the variance along each principal direction", minimum=1e-9
    )


def unit_images(images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns images in [0, 1].

    Args:
      images: uint8 [N, H, W, C], or float32 in [0, 1].

    Returns:
      float32 [N, H, W, C] in [0, 1].
    """
    images = tf.convert_to_tensor(images)
    return tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images


def patch_deviations(images: np.ndarray | tf.Tensor, size: int) -> tf.Tensor:
    """Returns how much the pixels of each patch deviate from their mean.

    Args:
      images: uint8 [N, H, W, C], or float32 in [0, 1].
      size: S, side of a patch.

    Returns:
      float64 [N, H-S+1, W-S+1], standard deviations in [0, 0.5].

    Example:
      >>> patch_deviations(np.array([[0, 1], [1, 0]], np.float32)[None, ..., None], 2).numpy()
      array([[[0.5]]])
    """
    # float64, for the difference of squares.
    pixels = tf.cast(unit_images(images), tf.float64)
    count = tf.cast(size * size * tf.shape(pixels)[3], tf.float64)
    means = window_sums(pixels, size) / count
    squares = window_sums(tf.square(pixels), size) / count
    return tf.sqrt(tf.maximum(squares - tf.square(means), 0))


def prepare_patches(
    patches: tf.Tensor, options: PixelOptions, whitening: np.ndarray | None
) -> tf.Tensor:
    """Returns the features of patches.

    Args:
      patches: float32 [..., D], pixels in [0, 1].
      options: the regularizer of their contrast.
      whitening: float32 [D, D] of `learn_whitening`; None to leave it out.

    Returns:
      float32 [..., D].
    """
    features = standardize_patches(patches, regularizer=options.regularizer)
    return features if whitening is None else tf.tensordot(features, whitening, 1)


def learn_whitening(pixels: np.ndarray, options: PixelOptions) -> np.ndarray | None:
    """Returns what whitens patches.

    Args:
      pixels: uint8 [N, P, S, S, C]. The first block counts, which stands for all,
        as blocks start at random rotations.
      options: whether to whiten, and how.

    Returns:
      float32 [S S C, S S C]; None if nothing is whitened.

    Raises:
      UserError: if there are no patches.
    """
    if not options.whiten:
        return None
    if not len(pixels):
        raise UserError("there are no patches to whiten: expected images of more contrast")
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # LAPACK's rounding depends on the number of threads
        return zca_matrix(
            patch_features(pixels[:, :1], options, None)[:, 0],
            regularizer=options.whitening_regularizer,
        )


def patch_features(
    pixels: np.ndarray, options: PixelOptions, whitening: np.ndarray | None
) -> np.ndarray:
    """Returns the features of many patches in all transformations.

    Args:
      pixels: uint8 [N, P, S, S, C].
      options: the regularizer of their contrast.
      whitening: float32 [D, D] of `learn_whitening`; None to leave it out.

    Returns:
      float32 [N, P, D], D = S S C, flattened as (row, column, channel).
    """
    flat = pixels.reshape(*pixels.shape[:2], -1)
    features = np.empty(flat.shape, np.float32)
    for first in range(0, len(flat), PATCHES_PER_CHUNK):
        chunk = slice(first, first + PATCHES_PER_CHUNK)
        features[chunk] = prepare_patches(unit_images(flat[chunk]), options, whitening)
    return features
