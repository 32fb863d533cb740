"""Patches of a photograph, and random distortions of each."""

import math

import tensorflow as tf

from tfcolor.data.augmentation import exemplar_colors, log_uniform

MAX_SHIFT = 0.2
"""Of a copy, along each axis, relative to the patch's side."""
SCALES = (0.7, 1.4)
MAX_DEGREES = 20.0


def rescaled_photograph(image: tf.Tensor, share: tf.Tensor | float, size: int) -> tf.Tensor:
    """Returns a photograph in which patches of a given share have a given size.

    Args:
      image: uint8 [H, W, 3].
      share: side of the patches over the photograph's shorter side, in (0, 1].
      size: S, their side in the result, pixels.

    Returns:
      float32 [h, w, 3] in [0, 1], the shorter side round(S / share).
    """
    extent = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = size / (share * tf.reduce_min(extent))
    scaled = tf.maximum(tf.cast(tf.round(extent * scale), tf.int32), size)
    photograph = tf.image.resize(image, scaled, antialias=True)
    return tf.clip_by_value(photograph / 255.0, 0.0, 1.0)


def uniform_corner(photograph: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Returns where a patch begins that may lie anywhere.

    Args:
      photograph: float32 [h, w, 3].
      seed: int64 [2]; the same seed gives the same corner.
      size: side of the patch, pixels.

    Returns:
      int32 [2], (row, column).
    """
    free = tf.cast(tf.shape(photograph)[:2] - size + 1, tf.float32)
    return tf.cast(tf.random.stateless_uniform([2], seed) * free, tf.int32)


@tf.autograph.experimental.do_not_convert
def distorted_copy(
    photograph: tf.Tensor, corner: tf.Tensor, seed: tf.Tensor, size: int
) -> tf.Tensor:
    """Returns a patch that is moved, scaled, turned and colored at random.

    Moved by up to a fifth of its side along each axis, scaled by a factor in
    [0.7, 1.4], turned by up to 20 degrees; what comes from beyond the border is
    mirrored. Colors as in `exemplar_colors`.

    Args:
      photograph: float32 [h, w, 3] in [0, 1].
      corner: int32 [2], (row, column) where the patch begins.
      seed: int64 [2]; the same seed gives the same copy.
      size: side S of the patch, pixels.

    Returns:
      float32 [S, S, 3] in [0, 1].

    References:
      Dosovitskiy, Springenberg, Riedmiller, Brox. Discriminative Unsupervised
      Feature Learning with Convolutional Neural Networks. NIPS 2014.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    shift = size * tf.random.stateless_uniform([2], seeds[0], -MAX_SHIFT, MAX_SHIFT)
    center = tf.cast(corner, tf.float32) + (size - 1) / 2 + shift
    scale = log_uniform([], seeds[1], *SCALES)
    degrees = tf.random.stateless_uniform([], seeds[2], -MAX_DEGREES, MAX_DEGREES)
    patch = turned_window(photograph, center, size, scale=scale, degrees=degrees)
    return exemplar_colors(patch, seeds[3])


def turned_window(
    photograph: tf.Tensor,
    center: tf.Tensor,
    size: int,
    *,
    scale: tf.Tensor | float,
    degrees: tf.Tensor | float,
) -> tf.Tensor:
    """Cuts a turned square out of a photograph.

    Args:
      photograph: float32 [h, w, 3].
      center: float32 [2], (row, column) of its center in pixels.
      size: side S of the result, pixels.
      scale: pixels of the result per pixel of the photograph.
      degrees: by which what is seen turns counter-clockwise.

    Returns:
      float32 [S, S, 3], bilinear; beyond the border the photograph is mirrored.
    """
    radians = tf.cast(degrees, tf.float32) * (math.pi / 180)
    cosine, sine = tf.cos(radians) / scale, tf.sin(radians) / scale
    middle = (size - 1) / 2
    row, column = tf.unstack(center)
    transform = tf.stack(
        [
            *(cosine, -sine, column - middle * (cosine - sine)),
            *(sine, cosine, row - middle * (sine + cosine)),
            *(0.0, 0.0),
        ]
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=photograph[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )[0]
