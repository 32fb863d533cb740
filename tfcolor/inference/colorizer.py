"""Gray photographs in, colored photographs out."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions, decode_hue_chroma
from tfcolor.color.lightness import fit_gamut
from tfcolor.color.spaces import hue_chroma_to_difference
from tfcolor.core.options import option
from tfcolor.core.taps import PIXELS, Scalar, Tap, map_size
from tfcolor.models.network import Network
from tfcolor.ops.dense_sampling import resize_features

GRID_STRIDE = 4
GRAY = tf.TensorSpec([None, None, None, 1], tf.float32, name="gray")


@dataclasses.dataclass(frozen=True)
class SizeOptions:
    """The size at which the network looks at a photograph.

    References:
      The authors' release colorizes with the longer side at 500 pixels.
    """

    min_side: int = option(256, "enlarge photographs whose shorter side is below, px", minimum=1)
    max_side: int = option(500, "shrink photographs whose longer side is above, px", minimum=1)


class Colorizer(tf.Module):
    """Colors gray photographs of any size with a trained network.

    The network sees the photograph at a size between two limits and predicts
    histograms on a grid of a quarter of that size. These are enlarged and
    decoded; the color differences are enlarged to the photograph's own size
    and added to its own lightness, which they leave as it was.

    Args:
      network: backbone and histogram head, trained.
      decoding: from histograms to color.
      size: limits of the network's input.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, section 3.3.
    """

    def __init__(self, network: Network, decoding: DecodingOptions, size: SizeOptions) -> None:
        super().__init__(name="colorizer")
        self.network = network
        self.size = size
        self._decoding = decoding
        is_centered = network.backbone.options.tap_alignment == "centered"
        self.grid = Tap("grid", GRID_STRIDE, (GRID_STRIDE - 1) / 2 if is_centered else 0.0)

    @tf.function(input_signature=[GRAY], autograph=False)
    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors a batch of photographs of one size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          `rgb` float32 [B, H, W, 3] in [0, 1], whose mean over the channels is
          `gray`; `uncertainty` float32 [B, H, W] in [0, 1].
        """
        size = tf.shape(gray)[1:3]
        small = shrink(gray, self.size)
        probs = upsample_histograms(self.histograms(small), self.grid, map_size(small))
        hue, chroma, uncertainty = decode_hue_chroma(probs["hue"], probs["chroma"], self._decoding)
        difference = hue_chroma_to_difference(hue, chroma)
        maps = tf.concat([difference, uncertainty[..., None]], axis=-1)
        maps = tf.image.resize(maps, size, antialias=True)
        rgb = fit_gamut(gray, _centered(maps[..., :3]))
        return {"rgb": rgb, "uncertainty": tf.clip_by_value(maps[..., 3], 0.0, 1.0)}

    @tf.function(input_signature=[GRAY], autograph=False)
    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts the histograms of a batch at the photographs' own size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          `hue` and `chroma`, float32 [B, h, w, K] with h = ceil(H / 4): each
          cell holds two distributions over K uniform bins of [0, 1].
        """
        return {name: tf.nn.softmax(value) for name, value in self._dense_logits(gray).items()}

    def _dense_logits(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns logits [B, h, w, K] on the grid, by histogram."""
        backbone = self.network.backbone
        size = map_size(gray)
        logits, _ = self.network.head.dense(
            backbone(tf.repeat(gray, backbone.input_channels, axis=-1)),
            backbone.taps(*size),
            size,
            grid_stride=self.grid.stride,
            alignment=backbone.options.tap_alignment,
        )
        return {name.removesuffix("_logits"): value for name, value in logits.items()}


def shrink(images: tf.Tensor, options: SizeOptions) -> tf.Tensor:
    """Resizes images to the size at which the network looks at them.

    Args:
      images: float32 [B, H, W, C] in [0, 1].
      options: the limits.

    Returns:
      float32 [B, h, w, C] in [0, 1]; see `network_size`.
    """
    size = network_size(tf.shape(images)[1:3], options)
    return tf.clip_by_value(tf.image.resize(images, size, antialias=True), 0.0, 1.0)


def upsample_histograms(
    histograms: Mapping[str, tf.Tensor], grid: Tap, size: tuple[Scalar, Scalar]
) -> dict[str, tf.Tensor]:
    """Interpolates histograms from the grid to every pixel.

    Args:
      histograms: float32 [B, h, w, K] by name, on the grid.
      grid: where the grid's cells lie.
      size: (height, width) of the image in pixels.

    Returns:
      float32 [B, H, W, K] by name.
    """
    return {name: resize_features(value, grid, PIXELS, size) for name, value in histograms.items()}


def network_size(size: tf.Tensor, options: SizeOptions) -> tf.Tensor:
    """Returns the size at which the network looks at a photograph.

    The shorter side is enlarged to `min_side`; then the longer one is shrunk to
    `max_side`, which wins where both cannot hold.

    Args:
      size: int32 [2], height and width in pixels.
      options: the limits.

    Returns:
      int32 [2], at least 1.

    Example:
      >>> network_size(tf.constant([512, 1024]), SizeOptions()).numpy().tolist()
      [250, 500]
    """
    sides = tf.cast(size, tf.float32)
    scale = tf.maximum(1.0, options.min_side / tf.reduce_min(sides))
    scale = tf.minimum(scale, options.max_side / tf.reduce_max(sides))
    return tf.maximum(tf.cast(tf.round(sides * scale), tf.int32), 1)


def _centered(difference: tf.Tensor) -> tf.Tensor:
    """Removes what rounding left of the mean of [..., 3] color differences."""
    return difference - tf.reduce_mean(difference, axis=-1, keepdims=True)
