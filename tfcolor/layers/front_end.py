"""What a base network computes from images before its first layer."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lab

SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
COLOR_RANGE = 110.0
"""Largest size of a and b in sRGB, rounded up."""


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """A fixed function of images, before the first layer.

    Args:
      channels: of what it gives; 0 for those of the images.
      num_columns: groups of channels that no layer above may mix.
      needs_color: whether it takes images in color only.
      compute: from float32 [B, H, W, C] in [0, 1] to float32
        [B, H, W, channels], about 0; None for images minus their mean.
    """

    channels: int = 0
    num_columns: int = 1
    needs_color: bool = False
    compute: Callable[[tf.Tensor], tf.Tensor] | None = None


def sobel_gradients(images: tf.Tensor) -> tf.Tensor:
    """Returns the gradients of the mean over channels, which hide the color.

    Args:
      images: float32 [B, H, W, C] in [0, 1].

    Returns:
      float32 [B, H, W, 2], horizontal and vertical, in [-4, 4]; the border is
      repeated beyond itself.

    References:
      Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning
      of Visual Features. ECCV 2018.

    Example:
      >>> ramp = tf.reshape(tf.range(3.0) / 10, [1, 1, 3, 1])
      >>> print(sobel_gradients(ramp)[0, 0, 1].numpy().round(3))
      [-0.8  0. ]
    """
    gray = tf.reduce_mean(images, axis=-1, keepdims=True)
    padded = tf.pad(gray, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    horizontal = tf.constant(SOBEL)
    kernel = tf.stack([horizontal, tf.transpose(horizontal)], axis=-1)[:, :, tf.newaxis]
    return tf.nn.conv2d(padded, kernel, 1, "VALID")


def split_lab(images: tf.Tensor) -> tf.Tensor:
    """Returns lightness and color as two groups of two channels.

    Args:
      images: float32 [B, H, W, 3] in [0, 1], sRGB.

    Returns:
      float32 [B, H, W, 4]: L / 100 - 1/2, 0, a / 110, b / 110.

    References:
      Zhang, Isola, Efros. Split-Brain Autoencoders. CVPR 2017.
    """
    lightness, color = tf.split(rgb_to_lab(images), [1, 2], axis=-1)
    centered = lightness / 100 - 0.5
    return tf.concat([centered, tf.zeros_like(centered), color / COLOR_RANGE], axis=-1)


FRONT_ENDS = {
    "none": FrontEnd(),
    "sobel": FrontEnd(channels=2, compute=sobel_gradients),
    "split_lab": FrontEnd(channels=4, num_columns=2, needs_color=True, compute=split_lab),
}
"""Front ends by name."""
