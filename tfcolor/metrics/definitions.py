"""Measures of one image's quality, as pure functions; one number per image."""

import math

import tensorflow as tf

PSNR_CAP_DB = 100.0
"""The signal-to-noise ratio of identical images, which would be infinite.

An 8-bit image that differs in one channel of one pixel stays below it up to
50,000 pixels.
"""

SSIM_WINDOW_PX = 11
"""The side of the Gaussian window (sigma 1.5) of the structural similarity."""


def peak_signal_to_noise(target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
    """Returns the peak signal-to-noise ratio of each image, for a peak of 1.

    Args:
      target_rgb: float32 [B, H, W, 3], the true colors in [0, 1].
      predicted_rgb: float32 [B, H, W, 3], the predicted colors in [0, 1].

    Returns:
      float32 [B], decibels, at most `PSNR_CAP_DB`.
    """
    error = tf.reduce_mean(tf.math.squared_difference(target_rgb, predicted_rgb), axis=[1, 2, 3])
    floor = tf.constant(10.0 ** (-PSNR_CAP_DB / 10), error.dtype)
    return -10 / math.log(10) * tf.math.log(tf.maximum(error, floor))


def structural_similarity(target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
    """Returns the mean structural similarity of each image.

    The window is a Gaussian of `SSIM_WINDOW_PX` pixels. An image with a shorter
    side is first enlarged by the smallest whole factor at which the window fits,
    by repeating its pixels.

    Args:
      target_rgb: float32 [B, H, W, 3], the true colors in [0, 1].
      predicted_rgb: float32 [B, H, W, 3], the predicted colors in [0, 1].

    Returns:
      float32 [B], in [-1, 1], 1 for identical images.

    References:
      Wang et al. Image Quality Assessment: From Error Visibility to Structural
      Similarity. TIP 2004.
    """
    shortest = tf.reduce_min(tf.shape(target_rgb)[1:3])
    factor = tf.maximum(-(-SSIM_WINDOW_PX // shortest), 1)
    enlarged = [
        tf.repeat(tf.repeat(image, factor, axis=1), factor, axis=2)
        for image in (target_rgb, predicted_rgb)
    ]
    return tf.image.ssim(*enlarged, max_val=1.0, filter_size=SSIM_WINDOW_PX)


def colorfulness(rgb: tf.Tensor) -> tf.Tensor:
    """Returns how colorful each image looks, on the scale of 8-bit values.

    Args:
      rgb: float32 [B, H, W, 3], in [0, 1].

    Returns:
      float32 [B], 0 for gray, about 33 for moderately and 109 for extremely
      colorful images.

    References:
      Hasler, Süsstrunk. Measuring Colourfulness in Natural Images. SPIE 2003.
    """
    red, green, blue = tf.unstack(255 * tf.convert_to_tensor(rgb), num=3, axis=-1)
    opponents = tf.stack([red - green, (red + green) / 2 - blue], axis=-1)
    mean, variance = tf.nn.moments(opponents, axes=[1, 2])
    return tf.norm(tf.sqrt(variance), axis=-1) + 0.3 * tf.norm(mean, axis=-1)
