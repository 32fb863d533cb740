"""Gray photographs in, colored photographs out."""

import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.base import OutputSpace
from tfcolor.core.taps import Tap, map_size
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.models.network import Network

GRID_STRIDE = 4
GRAY = tf.TensorSpec([None, None, None, 1], tf.float32, name="gray")


class Colorizer(tf.Module):
    """Colors gray photographs of any size with a trained network.

    Args:
      network: backbone and histogram head, trained.
      space: what the head predicts.
      decoding: from histograms to color.
      size: limits of the network's input.

    Attributes:
      decoding: as given.
      painter: turns what `histograms` gives into colors; knows the output
        space, the limits of the network's input and its grid.
    """

    def __init__(
        self, network: Network, space: OutputSpace, decoding: DecodingOptions, size: SizeOptions
    ) -> None:
        super().__init__(name="colorizer")
        self.network = network
        self.decoding = decoding
        is_centered = network.backbone.options.tap_alignment == "centered"
        grid = Tap("grid", GRID_STRIDE, (GRID_STRIDE - 1) / 2 if is_centered else 0.0)
        self.painter = Painter(space, size, grid)

    @tf.function(input_signature=[GRAY], autograph=False)
    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors a batch of photographs of one size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          `rgb` float32 [B, H, W, 3] in [0, 1], whose mean over the channels is
          `gray`; `uncertainty` float32 [B, H, W] in [0, 1].
        """
        return self.painter.paint(gray, self.histograms(self.painter.shrink(gray)), self.decoding)

    @tf.function(input_signature=[GRAY], autograph=False)
    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts the histograms of a batch at the photographs' own size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          For every output of the space ("hue", "chroma"), float32 [B, h, w, K]
          with h = ceil(H / 4): each cell holds a distribution over K bins, or
          the K values of a regression.
        """
        return self._histograms(self._hidden(gray))

    @tf.function(input_signature=[GRAY], autograph=False)
    def describe(self, gray: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Predicts histograms together with the features they come from.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          (predictions, features): what `histograms` gives, and float32
          [B, h, w, D], the head's hidden layer on the same grid: which cells
          look alike to the network.
        """
        hidden = self._hidden(gray)
        return self._histograms(hidden), tf.cast(hidden, tf.float32)

    def _histograms(self, hidden: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns distributions [B, h, w, K] by output from [B, h, w, D] features."""
        outputs = {
            name.removesuffix("_logits"): value
            for name, value in self.network.head.logits(hidden).items()
        }
        return {
            name: tf.nn.softmax(value) if name in self.painter.space.histograms else value
            for name, value in outputs.items()
        }

    def _hidden(self, gray: tf.Tensor) -> tf.Tensor:
        """Returns the head's hidden layer [B, h, w, D] on the grid."""
        backbone = self.network.backbone
        size = map_size(gray)
        hidden, _ = self.network.head.dense_hidden(
            self.network.read(tf.repeat(gray, backbone.input_channels, axis=-1)),
            backbone.taps(*size),
            size,
            grid_stride=GRID_STRIDE,
            alignment=backbone.options.tap_alignment,
        )
        return hidden
