"""Gray photographs in, colored photographs out."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.lightness import quantize_rgb
from tfcolor.data.images import Photograph
from tfcolor.inference.loading import GrayToColor


@dataclasses.dataclass(frozen=True)
class ColoredPhotograph:
    """A colored photograph beside what it was made from.

    Args:
      gray: float32 [H, W], lightness in [0, 1].
      rgb: uint8 [H, W, 3].
      uncertainty: float32 [H, W] in [0, 1].
      alpha: uint8 [H, W], or None for an opaque photograph.
      icc_profile: the photograph's own, which holds for `rgb` too, or None.
      exif: the photograph's EXIF block, without an orientation, or None.
    """

    gray: np.ndarray
    rgb: np.ndarray
    uncertainty: np.ndarray
    alpha: np.ndarray | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None


def gray_batch(photograph: Photograph) -> np.ndarray:
    """Returns the lightness of a photograph, float32 [1, H, W, 1] in [0, 1]."""
    return photograph.rgb.mean(axis=-1, dtype=np.float32)[None, ..., None]


def assemble(
    photograph: Photograph, gray: tf.Tensor, outputs: Mapping[str, tf.Tensor]
) -> ColoredPhotograph:
    """Returns a photograph with the colors that a colorizer found.

    Args:
      photograph: what was colored; gives alpha and metadata.
      gray: float32 [1, H, W, 1], its lightness in [0, 1].
      outputs: `rgb` float32 [1, H, W, 3] and `uncertainty` float32 [1, H, W].

    Returns:
      The colors in whole steps of 1/255, which keep the lightness to within 1/6
      of a step.
    """
    alpha = photograph.alpha
    return ColoredPhotograph(
        gray=np.asarray(gray)[0, ..., 0],
        rgb=quantize_rgb(outputs["rgb"][0]).numpy(),
        uncertainty=outputs["uncertainty"][0].numpy(),
        alpha=None if alpha is None else np.round(255 * alpha).astype(np.uint8),
        icc_profile=photograph.icc_profile,
        exif=photograph.exif,
    )


def color_photograph(colorizer: GrayToColor, photograph: Photograph) -> ColoredPhotograph:
    """Colors one photograph at its own size.

    Args:
      colorizer: a network or a SavedModel.
      photograph: gray or color; only its lightness is used.

    Returns:
      The colors, whose mean over the channels is the photograph's lightness to
      within 1/6 of a step of 1/255.
    """
    gray = gray_batch(photograph)
    return assemble(photograph, gray, colorizer.colorize(tf.constant(gray)))
