"""Hue and chroma, each as a histogram: the space that the thesis selects."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.color.decoding import (
    CHROMA_DECODERS,
    DecodingOptions,
    chromatic_fading,
    hue_expectation,
    mode,
    normalized_entropy,
    quantile,
)
from tfcolor.color.outputs.base import Output, OutputSpace, TargetOptions
from tfcolor.color.spaces import hue_chroma_to_difference, rgb_to_hue_chroma, rgb_to_lightness

NUM_BINS = 32
GRAY_CHROMA = 1 / 255
"""Up to this chroma a pixel of a photograph has no hue."""


class HueChroma(OutputSpace):
    """Two histograms over equal bins of [0, 1].

    Args:
      num_bins: K, bins of each; 0 takes 32.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, sections 3.2 and 3.3.
    """

    def __init__(self, num_bins: int = 0) -> None:
        num_bins = num_bins or NUM_BINS
        outputs = (Output("hue", num_bins), Output("chroma", num_bins))
        super().__init__("hue_chroma", outputs, num_bins)
        self._hue_grid = BinGrid.uniform(num_bins, is_circular=True)
        self._chroma_grid = BinGrid.uniform(num_bins)

    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the bins of float [..., 3] RGB as `hue` and `chroma`, int32 [...]."""
        hue, chroma = rgb_to_hue_chroma(rgb)
        return {"hue": self._hue_grid.labels(hue), "chroma": self._chroma_grid.labels(chroma)}

    def label_weights(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns 1 for float [..., 3] RGB, but 0 for the hue of gray, float [...]."""
        _, chroma = rgb_to_hue_chroma(rgb)
        return {"hue": tf.cast(chroma > GRAY_CHROMA, rgb.dtype), "chroma": tf.ones_like(chroma)}

    def target_weights(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns 1 for float [..., 3] RGB, but for hue the chroma, float [...]."""
        weights = self.label_weights(rgb)
        return {**weights, "hue": weights["hue"] * rgb_to_hue_chroma(rgb)[1]}

    def make_targets(
        self, rgb: tf.Tensor, locations: tf.Tensor, options: TargetOptions
    ) -> dict[str, tf.Tensor]:
        """Returns histograms of windows; hue weighs as much as its pixel has chroma.

        Args:
          rgb: float32 [H, W, 3], RGB in [0, 1].
          locations: float32 [L, 2], whole pixels as (row, column).
          options: window and weights.

        Returns:
          `hue` and `chroma`, float32 [L, K]; `hue_weight` and `chroma_weight`,
          float32 [L].
        """
        targets = super().make_targets(rgb, locations, options)
        colors = tf.gather_nd(rgb, tf.cast(locations, tf.int32))
        _, chroma = rgb_to_hue_chroma(colors)
        targets["hue_weight"] = options.hue_weight * chroma
        if options.chroma_weighting:
            lightness = rgb_to_lightness(colors)[..., 0]
            targets["chroma_weight"] = tf.minimum(
                1.0, tf.minimum(3.0 * lightness, 3.0 * (1.0 - lightness))
            )
        return targets

    def decode(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        seeds: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns color differences, and hue entropy times chroma.

        The uncertainty takes the chroma before fading, which would hide the most
        uncertain pixels.

        Args:
          predictions: `hue` and `chroma`, float32 [B, H, W, K], with K static.
          options: statistics, fading, sampling.
          seeds: int32 [B], or None for `options.seed`.

        Returns:
          (difference, uncertainty): float32 [B, H, W, 3], RGB minus gray, and
          float32 [B, H, W] in [0, 1].
        """
        hue_probs, chroma_probs = predictions["hue"], predictions["chroma"]
        hue, magnitude = hue_expectation(hue_probs)
        if options.sampling != "none":
            hue_levels = self._levels(hue_probs, options, seeds, 0)
            chroma_levels = self._levels(chroma_probs, options, seeds, 1)
            hue = quantile(hue_probs, self._hue_grid, hue_levels)
            chroma = quantile(chroma_probs, self._chroma_grid, chroma_levels)
        else:
            chroma = CHROMA_DECODERS[options.chroma](chroma_probs, self._chroma_grid)
            if options.hue == "mode":
                hue = mode(hue_probs, self._hue_grid)
        uncertainty = normalized_entropy(hue_probs) * chroma
        if options.use_fading:
            chroma = chromatic_fading(chroma, magnitude, options.fading_eta)
        return hue_chroma_to_difference(hue, chroma), uncertainty

    def to_difference(self, coordinates: tf.Tensor, gray: tf.Tensor) -> tf.Tensor:
        """Returns float32 [..., 3] as given, less what rounding left of its mean."""
        del gray
        return coordinates - rgb_to_lightness(coordinates)

    def rotated_bias(self, angle: float, strength: float) -> dict[str, np.ndarray]:
        """Returns `strength cos(2 pi (h_k - angle))` for the hue bins, float32 [K].

        Args:
          angle: the favored hue, in [0, 1].
          strength: bias of that hue, in nats.

        Returns:
          `hue` alone; chroma has no direction.
        """
        turns = np.asarray(self._hue_grid.centers) - angle
        return {"hue": np.asarray(strength * np.cos(2 * math.pi * turns), np.float32)}
