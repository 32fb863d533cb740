"""What hides from a network how patches match by color, contrast or sharpness.

Patches are float32 [T, H, W, C], those of one example, colors in [0, 1]. What
becomes of them may lie outside; what is normalized has a mean of 0.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness

CONTRAST = 50 / 255
"""Deviation of normalized patches as networks see them, of which white is 1.

From the program of Doersch et al., which has 50 of 255.
"""
NOISE = 0.5 / 255
"""Largest absolute value of what stands for dropped colors, of which white is 1."""
LEAST_DEVIATION = 1 / 255
"""Less is the rounding of 8 bits, and is not blown up."""
SMALLEST_SHARE, LARGEST_SHARE = 10 / 96, 95 / 96
"""Of a patch's side, to which it may be pixelated."""

_GREEN_TO_MAGENTA = np.array([[-1.0, 2.0, -1.0]], np.float32)
_PROJECTION = np.eye(3, dtype=np.float32) - _GREEN_TO_MAGENTA.T @ _GREEN_TO_MAGENTA / 6


def change_by_chance(
    change: Callable[[tf.Tensor], tf.Tensor], patches: tf.Tensor, share: float, seed: tf.Tensor
) -> tf.Tensor:
    """Changes all patches of an example, or none.

    Args:
      change: of the patches.
      patches: float32 [T, H, W, C].
      share: of the examples that are changed, in [0, 1].
      seed: int64 [2], of the choice.

    Returns:
      float32 [T, H, W, C].
    """
    return tf.where(tf.random.stateless_uniform([], seed) < share, change(patches), patches)


def to_gray(patches: tf.Tensor) -> tf.Tensor:
    """Takes the colors away.

    Args:
      patches: float32 [T, H, W, 3].

    Returns:
      float32 [T, H, W, 3], the lightness in each channel.
    """
    return tf.repeat(rgb_to_lightness(patches), 3, axis=-1)


def project_colors(patches: tf.Tensor) -> tf.Tensor:
    """Takes away what distinguishes green from magenta, as color fringes do.

    Args:
      patches: float32 [..., 3].

    Returns:
      float32 [..., 3], without the part along (-1, 2, -1).

    Example:
      >>> project_colors(tf.constant([[10.0, 20.0, 60.0]])).numpy().round(3)
      array([[ 5., 30., 55.]], dtype=float32)

    References:
      Doersch, Gupta, Efros. Unsupervised Visual Representation Learning by
      Context Prediction. ICCV 2015, section 3.1.
    """
    return tf.tensordot(patches, tf.constant(_PROJECTION), 1)


def drop_colors(patches: tf.Tensor, seed: tf.Tensor, *, noise: float = NOISE) -> tf.Tensor:
    """Keeps one random channel of each patch, less its mean, among two of noise.

    Args:
      patches: float32 [T, H, W, 3].
      seed: int64 [2], of the channels and the noise.
      noise: largest absolute value of the noise, which is uniform.

    Returns:
      float32 [T, H, W, 3], with a mean of 0.

    References:
      Doersch, Gupta, Efros. ICCV 2015, section 3.1; noise as in their program.
    """
    channel_seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    kept = tf.random.stateless_uniform([patches.shape[0]], channel_seed, maxval=3, dtype=tf.int32)
    is_kept = tf.one_hot(kept, 3, True, False, dtype=tf.bool)[:, tf.newaxis, tf.newaxis]
    others = tf.random.stateless_uniform(patches.shape, noise_seed, -noise, noise)
    return tf.where(is_kept, _centered(patches), others)


def shift_channels(patches: tf.Tensor, max_shift: int, seed: tf.Tensor) -> tf.Tensor:
    """Moves the channels of each patch against each other, and cuts the margin off.

    Args:
      patches: float32 [T, H, W, C].
      max_shift: largest shift s along each axis, pixels.
      seed: int64 [2], of the shifts, which are uniform in [0, s].

    Returns:
      float32 [T, H - s, W - s, C].
    """
    num_patches, height, width, channels = patches.shape
    shifts = tf.random.stateless_uniform(
        [2, num_patches, channels, 1], seed, maxval=max_shift + 1, dtype=tf.int32
    )
    planes = tf.transpose(patches, [0, 3, 1, 2])
    rows = shifts[0] + tf.range(height - max_shift)
    columns = shifts[1] + tf.range(width - max_shift)
    planes = tf.gather(planes, rows, axis=2, batch_dims=2)
    planes = tf.gather(tf.transpose(planes, [0, 1, 3, 2]), columns, axis=2, batch_dims=2)
    return tf.transpose(planes, [0, 3, 2, 1])


def pixelate(patches: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Takes the fine detail out of some patches, by shrinking and enlarging them.

    Args:
      patches: float32 [T, S, S, C].
      share: of the patches that lose detail, in [0, 1].
      seed: int64 [2], of the choice and of the sizes, see `pixelated_side`.

    Returns:
      float32 [T, S, S, C].

    References:
      Doersch, Gupta, Efros. ICCV 2015, section 3.1; sizes as in their program.
    """
    num_patches, size = patches.shape[:2]
    chance, uniform = tf.unstack(tf.random.stateless_uniform([2, num_patches], seed))
    sides = tf.where(chance < share, pixelated_side(uniform, size), size)
    return tf.stack(
        [
            tf.image.resize(tf.image.resize(patch, [side, side], antialias=True), [size, size])
            for patch, side in zip(tf.unstack(patches), tf.unstack(sides), strict=True)
        ]
    )


def pixelated_side(uniform: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the side to which a patch is shrunk, so that its area is uniform.

    Args:
      uniform: float32 [...] in [0, 1].
      size: side of the patch, pixels.

    Returns:
      int32 [...] from 10 / 96 to 95 / 96 of the side, pixels, at least 1.

    Example:
      >>> pixelated_side(tf.constant([0, 0.5, 1]), 96).numpy()
      array([10, 67, 95], dtype=int32)
    """
    smallest, largest = (size * SMALLEST_SHARE) ** 2, (size * LARGEST_SHARE) ** 2
    return tf.maximum(tf.cast(tf.sqrt(smallest + uniform * (largest - smallest)), tf.int32), 1)


def standardize(patches: tf.Tensor) -> tf.Tensor:
    """Gives every channel of every patch the mean 0 and the deviation 1.

    Args:
      patches: float32 [T, H, W, C].

    Returns:
      float32 [T, H, W, C]; a constant channel becomes 0.
    """
    return _divided(_centered(patches), [1, 2])


def normalize_contrast(patches: tf.Tensor) -> tf.Tensor:
    """Gives every channel of every patch the mean 0, and the whole patch the RMS 1.

    Args:
      patches: float32 [T, H, W, C].

    Returns:
      float32 [T, H, W, C]; a constant patch becomes 0.
    """
    return _divided(_centered(patches), [1, 2, 3])


def _centered(patches: tf.Tensor) -> tf.Tensor:
    """Subtracts the mean of each channel of each patch."""
    return patches - tf.reduce_mean(patches, axis=[1, 2], keepdims=True)


def _divided(patches: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Divides centered patches by their RMS over some axes."""
    power = tf.reduce_mean(tf.square(patches), axis=axes, keepdims=True)
    return patches / tf.maximum(tf.sqrt(power), LEAST_DEVIATION)
