"""From predicted histograms to a colored photograph of any size."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import fit_gamut
from tfcolor.color.outputs.base import OutputSpace
from tfcolor.core.options import option
from tfcolor.core.taps import PIXELS, Scalar, Tap, map_size
from tfcolor.ops.dense_sampling import resize_features


@dataclasses.dataclass(frozen=True)
class SizeOptions:
    """The size at which the network looks at a photograph.

    References:
      The authors' release colorizes with the longer side at 500 pixels.
    """

    min_side: int = option(256, "enlarge photographs whose shorter side is below, px", minimum=1)
    max_side: int = option(500, "shrink photographs whose longer side is above, px", minimum=1)


@dataclasses.dataclass(frozen=True)
class Painter:
    """Paints gray photographs with the colors of predicted histograms.

    The histograms are those of a photograph at a size between two limits, on a
    grid of a quarter of that size. They are enlarged and decoded; the colors are
    enlarged to the photograph's own size and laid over its own lightness, which
    they leave as it was.

    Args:
      space: what the network predicts.
      size: limits of the network's input.
      grid: where the cells of the histograms lie.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, section 3.3.
    """

    space: OutputSpace
    size: SizeOptions
    grid: Tap

    def shrink(self, images: tf.Tensor) -> tf.Tensor:
        """Resizes images to the size at which the network looks at them.

        Args:
          images: float32 [B, H, W, C] in [0, 1].

        Returns:
          float32 [B, h, w, C] in [0, 1]; see `network_size`.
        """
        size = network_size(tf.stack(map_size(images)), self.size)
        return tf.clip_by_value(_resize(images, size), 0.0, 1.0)

    def enlarge(
        self, predictions: Mapping[str, tf.Tensor], size: tuple[Scalar, Scalar]
    ) -> dict[str, tf.Tensor]:
        """Interpolates predictions from the grid to every pixel.

        Args:
          predictions: float32 [B, h, w, K] by name, on the grid.
          size: (height, width) of the image that the network saw, in pixels.

        Returns:
          float32 [B, H, W, K] by name.
        """
        return {
            name: resize_features(value, self.grid, PIXELS, size)
            for name, value in predictions.items()
        }

    def paint(
        self,
        gray: tf.Tensor,
        predictions: Mapping[str, tf.Tensor],
        decoding: DecodingOptions,
        *,
        seeds: tf.Tensor | None = None,
        temperatures: tf.Tensor | None = None,
        bias: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Colors a batch of photographs of one size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].
          predictions: float32 [B, h, w, K] by name, of `shrink(gray)`.
          decoding: from histograms to color.
          seeds: int32 [B], where colors are drawn; None takes `decoding.seed`.
          temperatures: float32 [B], 0 for that of `decoding`; None takes this
            for all.
          bias: float [K] by name, added to the log-probabilities.

        Returns:
          `rgb` float32 [B, H, W, 3] in [0, 1], whose mean over the channels is
          `gray`; `uncertainty` float32 [B, H, W] in [0, 1].
        """
        size = tf.stack(map_size(gray))
        posteriors = self.space.posteriors(predictions, decoding, bias, temperatures)
        maps = self.decode(posteriors, decoding, size, seeds)
        return self._lay(gray, _resize(maps, size))

    def decode(
        self,
        posteriors: Mapping[str, tf.Tensor],
        decoding: DecodingOptions,
        size: tf.Tensor,
        seeds: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Turns histograms into maps of color at the size that the network saw.

        Args:
          posteriors: float32 [B, h, w, K] by name, from `space.posteriors`.
          decoding: from histograms to color.
          size: int32 [2], height and width of the photographs in pixels.
          seeds: int32 [B], where colors are drawn; None takes `decoding.seed`.

        Returns:
          float32 [B, H', W', C + 1]: coordinates of the space, which do not depend
          on lightness, and the uncertainty.
        """
        seen = tf.unstack(network_size(size, self.size), num=2)
        if not self.space.decodes_on_grid:
            posteriors = self.enlarge(posteriors, (seen[0], seen[1]))
        coordinates, uncertainty = self.space.decode(posteriors, decoding, seeds)
        maps = tf.concat([coordinates, uncertainty[..., None]], axis=-1)
        if self.space.decodes_on_grid:
            maps = self.enlarge({"maps": maps}, (seen[0], seen[1]))["maps"]
        return maps

    def paint_rows(
        self, gray: tf.Tensor, maps: tf.Tensor, height: Scalar, top: Scalar
    ) -> dict[str, tf.Tensor]:
        """Colors some rows of photographs, as `paint` would color them all.

        Args:
          gray: float32 [B, R, W, 1], lightness of the rows in [0, 1].
          maps: float32 [B, H', W', C + 1], from `decode`.
          height: rows of the photographs.
          top: the first of the rows.

        Returns:
          `rgb` float32 [B, R, W, 3] and `uncertainty` float32 [B, R, W].
        """
        rows, width = map_size(gray)
        return self._lay(gray, _resize_rows(maps, (height, width), top, rows))

    def _lay(self, gray: tf.Tensor, maps: tf.Tensor) -> dict[str, tf.Tensor]:
        """Lays maps of color [B, H, W, C + 1] over a lightness [B, H, W, 1]."""
        rgb = fit_gamut(gray, self.space.to_difference(maps[..., :-1], gray))
        return {"rgb": rgb, "uncertainty": tf.clip_by_value(maps[..., -1], 0.0, 1.0)}


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
    known = tf.get_static_value(size)
    if known is not None and not tf.executing_eagerly():
        with tf.init_scope():  # a constant, so that resizing to the same size is left out
            known = network_size(tf.constant(known), options).numpy()
        return tf.constant(known)
    sides = tf.cast(size, tf.float32)
    scale = tf.maximum(1.0, options.min_side / tf.reduce_min(sides))
    scale = tf.minimum(scale, options.max_side / tf.reduce_max(sides))
    return tf.maximum(tf.cast(tf.round(sides * scale), tf.int32), 1)


def _resize(images: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resizes [B, H, W, C] to int32 [2]; leaves it as it is where that is its size."""
    known = tf.get_static_value(size)
    if known is not None and list(known) == tf.TensorShape(images.shape)[1:3].as_list():
        return images  # which resizing gives too, by an op that TensorFlow Lite lacks
    return tf.image.resize(images, size, antialias=True)


def _resize_rows(
    images: tf.Tensor, size: tuple[Scalar, Scalar], top: Scalar, rows: Scalar
) -> tf.Tensor:
    """Returns `rows` rows from `top` on of [B, H, W, C] resized to (height, width).

    As `tf.image.resize` gives them. Where that enlarges, a row has the same bits
    whichever rows are asked for with it.
    """
    cells = map_size(images)[0]
    scale = tf.cast(tf.stack(size), tf.float32) / tf.cast(tf.stack(map_size(images)), tf.float32)

    def enlarge() -> tf.Tensor:
        enlarged = _interpolate_rows(images, size[0], top, rows)
        return _translate(enlarged, tf.stack([1.0, scale[1]]), 0, (rows, size[1]))

    def shrink() -> tf.Tensor:
        return _translate(images, scale, top, (rows, size[1]))

    return tf.cond(tf.convert_to_tensor(size[0]) >= cells, enlarge, shrink)


def _interpolate_rows(images: tf.Tensor, height: Scalar, top: Scalar, rows: Scalar) -> tf.Tensor:
    """Returns rows of [B, H, W, C] enlarged to `height` rows, [B, rows, W, C]."""
    cells = map_size(images)[0]
    scale = tf.cast(height, tf.float64) / tf.cast(cells, tf.float64)
    # float32 would round these differently for every `top`.
    positions = (tf.cast(tf.range(rows) + top, tf.float64) + 0.5) / scale - 0.5
    positions = tf.clip_by_value(positions, 0, tf.cast(cells - 1, tf.float64))
    low = tf.cast(positions, tf.int32)
    fraction = tf.cast(positions - tf.cast(low, tf.float64), tf.float32)[:, None, None]
    before = tf.gather(images, low, axis=1)
    after = tf.gather(images, tf.minimum(low + 1, cells - 1), axis=1)
    return before + fraction * (after - before)


def _translate(
    images: tf.Tensor, scale: tf.Tensor, top: Scalar, size: tuple[Scalar, Scalar]
) -> tf.Tensor:
    """Returns the part from row `top` on of [B, H, W, C] that is resized by (rows, columns)."""
    # The op behind `tf.image.resize`, which can also shift.
    return tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=tf.stack(size),
        scale=scale,
        translation=tf.cast(tf.stack([-top, 0]), tf.float32),
        kernel_type="triangle",
        antialias=True,
    )
