"""Turns images by any angle."""

import math
import warnings
from types import ModuleType

import numpy as np
import tensorflow as tf

_FILL_MODES = {"nearest": "nearest", "zero": "constant"}


def rotate_images(
    images: np.ndarray | tf.Tensor,
    degrees: float | np.ndarray | tf.Tensor,
    *,
    fill: str = "nearest",
) -> tf.Tensor:
    """Turns each image counter-clockwise about its center.

    The result is bilinear and keeps the size. Multiples of 90 degrees of square
    images are exact.

    Args:
      images: float32 [B, H, W, C].
      degrees: float [B], an angle for each image, or one for all; as seen on
        the screen.
      fill: what lies beyond the border: the "nearest" pixel, or "zero".

    Returns:
      float32 [B, H, W, C].

    Raises:
      ValueError: if `fill` is something else.

    Example:
      >>> ramp = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> rotate_images(ramp, 90.0)[0, :, :, 0].numpy()
      array([[1., 3.],
             [0., 2.]], dtype=float32)
    """
    if fill not in _FILL_MODES:
        raise ValueError(f"fill={fill!r}: expected one of {', '.join(_FILL_MODES)}")
    images = tf.convert_to_tensor(images, tf.float32)
    if 0 in images.shape.as_list():
        return images
    transforms = _projections(tf.cast(degrees, tf.float64), tf.shape(images))
    transform = _import_addons().image.transform
    return transform(images, transforms, interpolation="bilinear", fill_mode=_FILL_MODES[fill])


def _projections(degrees: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns float32 [B, 8]: from output to input (x, y), row by row."""
    radians = tf.broadcast_to(degrees * (math.pi / 180), shape[:1])
    # Rounding makes multiples of 90 degrees exact.
    cosine, sine = (tf.round(1e12 * part(radians)) / 1e12 for part in (tf.cos, tf.sin))
    y, x = tf.unstack(tf.cast(shape[1:3] - 1, tf.float64) / 2)
    zero = tf.zeros_like(cosine)
    first = [cosine, -sine, x - cosine * x + sine * y]
    second = [sine, cosine, y - sine * x - cosine * y]
    return tf.cast(tf.stack([*first, *second, zero, zero], axis=1), tf.float32)


def _import_addons() -> ModuleType:
    """Imports TensorFlow Addons where it is needed, without its farewell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import tensorflow_addons as tfa
    return tfa
