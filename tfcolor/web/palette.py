"""Likely colors of one pixel, from its predicted histograms."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from scipy.cluster.vq import kmeans2

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import fit_gamut, quantize_rgb
from tfcolor.color.outputs.base import OutputSpace

NUM_DRAWS = 384
NEAR = 0.05
"""Colors closer than this, in RGB from 0 to 1, are shown as one."""


@dataclasses.dataclass(frozen=True)
class LikelyColor:
    """A color and how likely one near it is.

    Args:
      rgb: "#rrggbb".
      share: of the draws that are nearest to it, in (0, 1].
    """

    rgb: str
    share: float


def likely_colors(
    space: OutputSpace,
    decoding: DecodingOptions,
    histograms: Mapping[str, np.ndarray],
    lightness: float,
    num_colors: int = 8,
) -> list[LikelyColor]:
    """Returns a few colors that stand for what is predicted at one pixel.

    Colors are drawn from the histograms and grouped; the same ones each time.

    Args:
      space: what the network predicts.
      decoding: from histograms to color.
      histograms: float32 [K] by name.
      lightness: of the pixel, in [0, 1], which all the colors have.
      num_colors: at most so many.

    Returns:
      Different colors, the likeliest first; none for a regression.

    References:
      Zhang et al. Real-Time User-Guided Image Colorization with Learned Deep
      Priors. SIGGRAPH 2017, section 3.4 (suggested palette).
    """
    if not space.histograms:
        return []
    tiled = {
        name: tf.tile(
            tf.reshape(tf.constant(values, tf.float32), [1, 1, 1, -1]), [1, 1, NUM_DRAWS, 1]
        )
        for name, values in histograms.items()
    }
    # Fading grays colors of which one is unsure; here each of them is a choice.
    drawn = dataclasses.replace(decoding, sampling="pixelwise", seed=0, use_fading=False)
    posteriors = space.posteriors(tiled, drawn)
    coordinates, _ = space.decode(posteriors, drawn)
    gray = tf.fill([1, 1, NUM_DRAWS, 1], np.float32(lightness))
    rgb = fit_gamut(gray, space.to_difference(coordinates, gray))[0, 0]
    centers, counts = _group(rgb.numpy().astype(np.float64), num_colors)
    colors = quantize_rgb(tf.constant(centers, tf.float32)).numpy()
    return [
        LikelyColor("#" + bytes(color.tolist()).hex(), float(count / NUM_DRAWS))
        for color, count in zip(colors, counts, strict=True)
    ]


def _group(rgb: np.ndarray, num_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns different centers, float [G, 3], of colors [N, 3], and their counts."""
    first = [rgb[0]]
    for _ in range(num_groups - 1):  # start from colors as far apart as there are
        distances = np.min([np.sum((rgb - center) ** 2, axis=-1) for center in first], axis=0)
        if distances.max() < NEAR**2:
            break
        first.append(rgb[distances.argmax()])
    centers, labels = kmeans2(rgb, np.array(first), iter=10, minit="matrix", missing="warn")
    counts = np.bincount(labels, minlength=len(centers))
    order = [group for group in np.argsort(-counts, kind="stable") if counts[group]]
    kept: list[int] = []
    for group in order:
        if all(np.linalg.norm(centers[group] - centers[other]) > NEAR for other in kept):
            kept.append(int(group))
    return centers[kept], counts[kept]
