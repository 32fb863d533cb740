"""CIE a and b: as two values, or as two histograms."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.color.decoding import (
    AB_DECODERS,
    DecodingOptions,
    normalized_entropy,
    quantile,
)
from tfcolor.color.outputs.base import Output, OutputSpace, TargetOptions
from tfcolor.color.spaces import lab_to_rgb, rgb_to_lab, rgb_to_lightness

NUM_BINS = 32
AB_SCALE = 25.0
"""Standard deviation of a and of b in photographs, after Larsson et al."""
FULL_SATURATION = 128.0
"""Distance from gray in the ab plane that counts as full chroma."""


class LabSpace(OutputSpace):
    """What all spaces over a and b share: the way from (a, b) to RGB."""

    def to_difference(self, coordinates: tf.Tensor, gray: tf.Tensor) -> tf.Tensor:
        """Colors gray pixels with their own L* and the given a and b.

        Args:
          coordinates: float32 [..., 2], a and b.
          gray: float32 [..., 1], lightness in [0, 1].

        Returns:
          float32 [..., 3], RGB minus its own mean; may leave the gamut.
        """
        lightness = rgb_to_lab(tf.repeat(gray, 3, axis=-1))[..., :1]
        rgb = lab_to_rgb(tf.concat([lightness, coordinates], axis=-1), is_clipped=False)
        return rgb - rgb_to_lightness(rgb)


class LabValues(LabSpace):
    """Two real numbers, learned by the squared error: no histogram.

    The network predicts a and b in units of `AB_SCALE`.

    Args:
      num_bins: accepted for uniformity and not used.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, equation 3.
    """

    def __init__(self, num_bins: int = 0) -> None:
        del num_bins
        super().__init__("lab_values", (Output("ab", 2, is_histogram=False),), 0)

    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns nothing: float [..., 3] RGB falls in no bins."""
        del rgb
        return {}

    def make_targets(
        self, rgb: tf.Tensor, locations: tf.Tensor, options: TargetOptions
    ) -> dict[str, tf.Tensor]:
        """Returns a and b of the pixels themselves; there is no window.

        Args:
          rgb: float32 [H, W, 3], RGB in [0, 1].
          locations: float32 [L, 2], whole pixels as (row, column).
          options: not used.

        Returns:
          `ab`, float32 [L, 2], in units of `AB_SCALE`; `ab_weight`, float32 [L],
          all 1.
        """
        del options
        colors = tf.gather_nd(rgb, tf.cast(locations, tf.int32))
        targets = rgb_to_lab(colors)[..., 1:] / AB_SCALE
        return {"ab": targets, "ab_weight": tf.ones_like(locations[:, 0])}

    def decode(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        seeds: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a and b in their own unit, with no uncertainty.

        Args:
          predictions: `ab`, float32 [B, H, W, 2].
          options: not used.
          seeds: not used.

        Returns:
          (ab, uncertainty): float32 [B, H, W, 2] and float32 [B, H, W], all 0.
        """
        del options, seeds
        values = AB_SCALE * predictions["ab"]
        return values, tf.zeros_like(values[..., 0])

    def rotated_bias(self, angle: float, strength: float) -> dict[str, np.ndarray]:
        """Returns no float32 [K] biases: without a histogram there is nothing to bias."""
        del angle, strength
        return {}


class LabMarginals(LabSpace):
    """A histogram of a and one of b, over quantiles of a normal distribution.

    Args:
      num_bins: K, bins of each; 0 takes 32.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, section 3.2.
    """

    def __init__(self, num_bins: int = 0) -> None:
        num_bins = num_bins or NUM_BINS
        super().__init__("lab_marginals", (Output("a", num_bins), Output("b", num_bins)), num_bins)
        self._grid = BinGrid.gaussian_quantile(num_bins, AB_SCALE)

    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the bins of float [..., 3] RGB as `a` and `b`, int32 [...]."""
        _, a, b = tf.unstack(rgb_to_lab(rgb), num=3, axis=-1)
        return {"a": self._grid.labels(a), "b": self._grid.labels(b)}

    def decode(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        seeds: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a and b, and their mean entropy times their distance from gray.

        Args:
          predictions: `a` and `b`, float32 [B, H, W, K], with K static.
          options: statistic, sampling.
          seeds: int32 [B], or None for `options.seed`.

        Returns:
          (ab, uncertainty): float32 [B, H, W, 2] and float32 [B, H, W] in [0, 1].
        """
        values, entropies = [], []
        for index, name in enumerate(("a", "b")):
            probs = predictions[name]
            if options.sampling != "none":
                levels = self._levels(probs, options, seeds, index)
                value = quantile(probs, self._grid, levels, is_interpolated=False)
            else:
                value = AB_DECODERS[options.lab](probs, self._grid)
            values.append(value)
            entropies.append(normalized_entropy(probs))
        coordinates = tf.stack(values, axis=-1)
        return coordinates, tf.add_n(entropies) / 2 * saturation(coordinates)

    def rotated_bias(self, angle: float, strength: float) -> dict[str, np.ndarray]:
        """Returns biases that grow linearly along an axis of the ab plane.

        Args:
          angle: direction of the favored color from gray, in turns from +a to +b.
          strength: bias of the outermost bin along that direction, in nats.

        Returns:
          `a` and `b`, float32 [K].
        """
        centers = np.asarray(self._grid.centers) / self._grid.centers[-1]
        turn = 2 * math.pi * angle
        return {
            "a": np.asarray(strength * math.cos(turn) * centers, np.float32),
            "b": np.asarray(strength * math.sin(turn) * centers, np.float32),
        }


def saturation(ab: tf.Tensor) -> tf.Tensor:
    """Returns how far colors are from gray.

    Args:
      ab: float [..., 2], a and b.

    Returns:
      float [...], in [0, 1]; 1 from a distance of `FULL_SATURATION` on.
    """
    return tf.minimum(tf.norm(ab, axis=-1) / FULL_SATURATION, 1.0)
