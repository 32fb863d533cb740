"""One histogram over colors of the ab plane: a grid of bins, or 313 points."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.color.decoding import DecodingOptions, normalized_entropy, quantile_bin
from tfcolor.color.gamut import GAMUT_POINTS, is_gray, nearest_point, soft_encode
from tfcolor.color.outputs.base import Output, TargetOptions
from tfcolor.color.outputs.lab import AB_SCALE, LabSpace, saturation
from tfcolor.color.spaces import rgb_to_lab
from tfcolor.core.errors import UsageError

NUM_BINS = 16
GAMUT_TEMPERATURE = 0.38
"""The annealed mean's temperature that Zhang et al. chose between mean and mode."""


class AbHistogram(LabSpace):
    """One histogram `ab` whose bins stand for points of the ab plane.

    Colors rather than histograms are enlarged to the pixels: for the expectation
    at temperature 1 that is the same, and it takes a hundredth of the memory.

    Args:
      name: its key in `OUTPUT_SPACES`.
      points: float [K, 2], a and b of each bin.
      num_bins: bins of each axis, 0 where they form no grid.
      temperature: its own sharpening of the histograms before decoding.
    """

    def __init__(
        self, name: str, points: np.ndarray, num_bins: int = 0, temperature: float = 1.0
    ) -> None:
        outputs = (Output("ab", len(points)),)
        super().__init__(name, outputs, num_bins, temperature, decodes_on_grid=True)
        self.points = np.asarray(points, np.float32)

    def decode(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        seeds: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a and b, and the entropy times their distance from gray.

        Args:
          predictions: `ab`, float32 [B, H, W, K], with K static.
          options: statistic, sampling.
          seeds: int32 [B], or None for `options.seed`.

        Returns:
          (ab, uncertainty): float32 [B, H, W, 2] and float32 [B, H, W] in [0, 1].

        Raises:
          UsageError: if the median is asked for, which a plane does not have.
        """
        probs = predictions["ab"]
        points = tf.constant(self.points)
        if options.sampling != "none":
            bins = quantile_bin(probs, self._levels(probs, options, seeds, 0))
            coordinates = tf.gather(points, bins)
        elif options.lab == "expectation":
            coordinates = tf.tensordot(probs, points, axes=1)
        elif options.lab == "mode":
            coordinates = tf.gather(points, tf.argmax(probs, axis=-1))
        else:
            raise UsageError(
                f"--decoding_lab={options.lab}: expected expectation or mode for {self.name}, "
                "whose histogram spans the plane"
            )
        return coordinates, normalized_entropy(probs) * saturation(coordinates)

    def rotated_bias(self, angle: float, strength: float) -> dict[str, np.ndarray]:
        """Returns `strength cos(angle_k - angle)` for every bin but gray, float32 [K].

        Args:
          angle: direction of the favored color from gray, in turns from +a to +b.
          strength: bias of colors in that direction, in nats.

        Returns:
          `ab`, 0 for the bin of gray.
        """
        turn = 2 * math.pi * angle
        along = self.points @ np.array([math.cos(turn), math.sin(turn)], np.float32)
        distance = np.linalg.norm(self.points, axis=-1)
        return {"ab": np.asarray(strength * along / np.maximum(distance, 1e-6), np.float32)}


class LabJoint(AbHistogram):
    """A grid of quantile bins over a and b; bin `K i_a + i_b`.

    Args:
      num_bins: K, bins of each axis; 0 takes 16.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, section 3.2.
    """

    def __init__(self, num_bins: int = 0) -> None:
        self._grid = BinGrid.gaussian_quantile(num_bins or NUM_BINS, AB_SCALE)
        centers = np.asarray(self._grid.centers)
        points = np.stack(np.meshgrid(centers, centers, indexing="ij"), axis=-1)
        super().__init__("lab_joint", points.reshape(-1, 2), self._grid.num_bins)

    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the bin of float [..., 3] RGB as `ab`, int32 [...]."""
        _, a, b = tf.unstack(rgb_to_lab(rgb), num=3, axis=-1)
        return {"ab": self.num_bins * self._grid.labels(a) + self._grid.labels(b)}


class LabGamut(AbHistogram):
    """The 313 points of a grid of step 10 that sRGB colors can reach.

    Targets spread a pixel's color over its ten nearest points, and rare colors
    may weigh more. The histogram is decoded by the annealed mean.

    Args:
      num_bins: accepted for uniformity and not used.

    References:
      Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, section 2.
    """

    def __init__(self, num_bins: int = 0) -> None:
        del num_bins
        super().__init__("lab_gamut", np.asarray(GAMUT_POINTS), 0, GAMUT_TEMPERATURE)

    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the nearest point of float [..., 3] RGB as `ab`, int32 [...]."""
        return {"ab": nearest_point(rgb_to_lab(rgb)[..., 1:])}

    def make_targets(
        self, rgb: tf.Tensor, locations: tf.Tensor, options: TargetOptions
    ) -> dict[str, tf.Tensor]:
        """Returns soft encodings of the pixels themselves; there is no window.

        Args:
          rgb: float32 [H, W, 3], RGB in [0, 1].
          locations: float32 [L, 2], whole pixels as (row, column).
          options: weight of each point.

        Returns:
          `ab`, float32 [L, 313]; `ab_weight`, float32 [L]: the weight of the
          nearest point, or 0 everywhere in a gray photograph.
        """
        ab = rgb_to_lab(rgb)[..., 1:]
        colors = tf.gather_nd(ab, tf.cast(locations, tf.int32))
        weights = tf.ones_like(locations[:, 0])
        if options.class_weights is not None:
            weights = tf.gather(tf.constant(options.class_weights), nearest_point(colors))
        is_colored = tf.cast(~is_gray(ab), weights.dtype)
        return {"ab": soft_encode(colors), "ab_weight": weights * is_colored}
