"""Patches of photographs around activations, and how alike their colors are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.color.spaces import rgb_to_hue_chroma
from tfcolor.core.taps import map_size

SMALLEST_PATCH_PX, LARGEST_PATCH_PX = 32, 160
"""Below a patch shows nothing to the eye, above it hides where the feature looks."""
NUM_NOISE_IMAGES = 2
OUTSIDE = 225
"""Brightness of what lies beyond the photograph."""


class Patch(NamedTuple):
    """A square part of a photograph.

    Attributes:
      pixels: uint8 [P, P, 3], light gray beyond the photograph.
      is_inside: bool [P, P], whether a pixel belongs to the photograph.
    """

    pixels: np.ndarray
    is_inside: np.ndarray


def cut_patch(image: np.ndarray, center: tuple[float, float], size: int) -> Patch:
    """Cuts a square around a place.

    Args:
      image: uint8 [H, W, 3].
      center: (row, column) in pixels; (0, 0) is the center of the top-left one.
      size: P, the side of the square in pixels.

    Returns:
      The patch, whose middle is nearest to the place; of two, the latter.

    Example:
      >>> image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1).repeat(3, axis=2)
      >>> cut_patch(image, (1.0, 1.0), 1).pixels.tolist()
      [[[4, 4, 4]]]
    """
    pixels = np.full((size, size, 3), OUTSIDE, np.uint8)
    is_inside = np.zeros((size, size), bool)
    spans = []
    for axis in (0, 1):
        start = int(np.floor(center[axis] - (size - 1) / 2 + 0.5))
        low, high = max(start, 0), min(start + size, image.shape[axis])
        high = max(high, low)
        spans.append((slice(low, high), slice(low - start, high - start)))
    (rows, to_rows), (columns, to_columns) = spans
    pixels[to_rows, to_columns] = image[rows, columns]
    is_inside[to_rows, to_columns] = True
    return Patch(pixels, is_inside)


def color_consistency(patches: Sequence[Patch]) -> dict[str, float]:
    """Measures how alike the colors of several patches are.

    The color of a patch is the mean of `chroma * exp(2 pi i hue)` over its
    pixels inside the photograph.

    Args:
      patches: of one feature.

    Returns:
      `hue_variance`, the circular variance of the patches' hues, weighted by
      the chroma of their colors: 0 if all have one hue, 1 if hues cancel; NaN if
      all are gray. `color_spread`, the root mean square distance of the colors
      from their mean, which is small for patches that agree on gray as well.
      `mean_chroma`, of their colors. All lie in [0, 1]; NaN without a patch.
    """
    if not patches:
        return dict.fromkeys(("hue_variance", "color_spread", "mean_chroma"), float("nan"))
    colors = np.array([_patch_color(patch) for patch in patches])
    total = np.abs(colors).sum()
    mean = colors.mean()
    return {
        "hue_variance": float(1 - np.abs(colors.sum()) / total) if total > 0 else float("nan"),
        "color_spread": float(np.sqrt(np.mean(np.abs(colors - mean) ** 2))),
        "mean_chroma": float(np.abs(colors).mean()),
    }


def readable_patch_size(backbone: Backbone, name: str) -> int:
    """Returns a patch size that shows what a tap's cell sees.

    The receptive field is measured as the extent of the gradient of a cell in
    the middle with respect to images of noise, and clipped to what can be read.

    Args:
      backbone: with its weights.
      name: of the tap.

    Returns:
      Pixels, in [`SMALLEST_PATCH_PX`, `LARGEST_PATCH_PX`].
    """
    side = LARGEST_PATCH_PX + 2 * backbone.taps(1, 1)[name].stride
    shape = [NUM_NOISE_IMAGES, side, side, backbone.input_channels]
    noise = tf.random.stateless_uniform(shape, seed=[0, 0])
    with tf.GradientTape() as tape:
        tape.watch(noise)
        features = backbone(noise, training=False, convolutional=True)[name]
        height, width = map_size(features)
        cell = tf.reduce_sum(features[:, height // 2, width // 2])
    gradient = np.abs(tape.gradient(cell, noise).numpy()).sum(axis=(0, 3))
    extents = [
        np.ptp(np.flatnonzero(gradient.any(axis=axis))) + 1 for axis in (0, 1) if gradient.any()
    ]
    return int(np.clip(max(extents, default=LARGEST_PATCH_PX), SMALLEST_PATCH_PX, LARGEST_PATCH_PX))


def _patch_color(patch: Patch) -> complex:
    """Returns the mean of chroma times the direction of the hue, 0 for no pixel."""
    inside = patch.pixels[patch.is_inside].astype(np.float32) / 255
    if not len(inside):
        return 0j
    hue, chroma = (values.numpy().astype(np.float64) for values in rgb_to_hue_chroma(inside))
    return complex(np.mean(chroma * np.exp(2j * np.pi * hue)))
