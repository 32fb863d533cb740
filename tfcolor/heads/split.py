"""Color predicted from one half of a network's channels, lightness from the other."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.layers.hypercolumn import HypercolumnProjection

NAME = "split_head"


class SplitHead(tf.keras.Model):
    """Two linear layers on hypercolumns, each on its half of all channels.

    The first half of every map, which is to see lightness, predicts the color;
    the second half, which is to see color, predicts the lightness.

    Args:
      taps: the taps to read by name; each has an even number of channels.
      color_size: numbers that stand for a color.
      lightness_size: numbers that stand for a lightness.
      seed: the initial kernels derive from it.

    References:
      Zhang, Isola, Efros. Split-Brain Autoencoders. CVPR 2017.
    """

    def __init__(
        self, taps: Mapping[str, Tap], color_size: int, lightness_size: int, *, seed: int
    ) -> None:
        super().__init__(name=NAME, autocast=False)
        self.halves = {name: tap.channels // 2 for name, tap in taps.items()}
        self.color, self.lightness = (
            HypercolumnProjection(self.halves, size, derive_seed(seed, f"{NAME}/{name}"), name)
            for name, size in (("color", color_size), ("lightness", lightness_size))
        )

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts color and lightness at given locations.

        Args:
          features: float [B, H, W, C] maps by tap name.
          inputs: `locations`, float32 [B, L, 2], (row, column) in input pixels.
          taps: geometry of each map.
          training: not read.

        Returns:
          `color` and `lightness`, float32 [B, L, size].
        """
        del training
        locations = inputs["locations"]
        first = {name: features[name][..., :half] for name, half in self.halves.items()}
        second = {name: features[name][..., half:] for name, half in self.halves.items()}
        return {
            "color": tf.cast(self.color.sparse(first, locations, taps), tf.float32),
            "lightness": tf.cast(self.lightness.sparse(second, locations, taps), tf.float32),
        }
