"""Rotated copies of images: what a parts layer learns its orientations from."""

import numpy as np
import tensorflow as tf

from tfcolor.data.rotation import rotate_images


def pad_to_square(images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Pads images with zeros to a square, centered.

    Args:
      images: [N, H, W, C] of any number type.

    Returns:
      [N, S, S, C] of the same type, S the longer side. Where the difference of
      the sides is odd, the odd row or column is the last one.
    """
    images = tf.convert_to_tensor(images)
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    side = tf.maximum(height, width)
    missing = tf.stack([side - height, side - width])
    before = missing // 2
    paddings = tf.stack([before, missing - before], axis=1)
    return tf.pad(images, tf.pad(paddings, [[1, 1], [0, 0]]))


def complete_images(
    images: np.ndarray | tf.Tensor, num_rotations: int, num_polarities: int = 1
) -> tf.Tensor:
    """Returns every image in every rotation and polarity.

    Args:
      images: uint8 [N, H, W, C], or float32 [N, H, W, C] in [0, 1].
      num_rotations: R, rotations per circle.
      num_polarities: T; with 2, the images of inverted intensity follow.

    Returns:
      float32 [N, P, S, S, C] in [0, 1], P = R T and S the longer side. Block
      R t + r is turned counter-clockwise by 360 r / R degrees, and is one minus
      the image where t is 1.

    Raises:
      ValueError: if `num_polarities` is neither 1 nor 2.

    Example:
      >>> image = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1) / 4
      >>> (complete_images(image, 4)[0, 1, :, :, 0] * 4).numpy()
      array([[2., 4.],
             [1., 3.]], dtype=float32)
    """
    if num_polarities not in (1, 2):
        raise ValueError(f"num_polarities={num_polarities}: expected 1 or 2")
    images = pad_to_square(images)
    if images.dtype == tf.uint8:
        images = tf.cast(images, tf.float32) / 255
    count, side, _, channels = images.shape
    angles = 360.0 * np.arange(num_rotations) / num_rotations
    turned = rotate_images(tf.repeat(images, num_rotations, axis=0), np.tile(angles, count))
    turned = tf.reshape(turned, [count, num_rotations, side, side, channels])
    return turned if num_polarities == 1 else tf.concat([turned, 1 - turned], axis=1)
