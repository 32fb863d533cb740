"""A colorizer with the signatures that serving needs."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.inference.colorizer import Colorizer
from tfcolor.savedmodel.encoded_images import decode_gray, encode_png

ENCODED = tf.TensorSpec([], tf.string)


class ServedColorizer(tf.Module):
    """What a SavedModel holds: one method per public signature.

    One photograph of a batch of encoded ones that cannot be colored gets an
    empty string and leaves the others as they are; see `colorizer_signatures`.

    Args:
      colorizer: the trained colorizer.
      metadata: JSON, which `describe` answers.
      metadata_path: a file of it, to ship as an asset.
      max_pixels: encoded photographs with more are not decoded.
    """

    def __init__(
        self, colorizer: Colorizer, metadata: str, metadata_path: str, max_pixels: int
    ) -> None:
        super().__init__(name="served_colorizer")
        # Hidden from tracking, or Keras would trace its models' calls for training
        # too, which need seeds. Of the network only the weights are saved.
        self._weights = list(colorizer.variables)
        self._colorizer = lambda: colorizer
        self._metadata = metadata
        self._max_pixels = max_pixels
        self.metadata = tf.saved_model.Asset(metadata_path)

    @tf.function(autograph=False)
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors encoded photographs of any sizes.

        Args:
          image_bytes: string [B], JPEG, PNG, BMP or GIF.

        Returns:
          `image_bytes` string [B], PNG of the same size each, or empty.
        """
        colored = tf.map_fn(self._color, image_bytes, fn_output_signature=ENCODED)
        return {"image_bytes": colored}

    @tf.function(autograph=False)
    def sample(
        self, image_bytes: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Colors encoded photographs with colors drawn from the histograms.

        Args:
          image_bytes: string [B], JPEG, PNG, BMP or GIF.
          seed: int32 [B], of the draws, as `--decoding_seed` of `colorize`.
          temperature: float32 [B], sharpens the histograms below 1 and flattens
            them above; 0 takes that of the export.

        Returns:
          `image_bytes` string [B], PNG of the same size each, or empty, also
          where the temperature is negative or no number.
        """
        is_accepted = tf.math.is_finite(temperature) & (temperature >= 0)
        drawn = tf.map_fn(
            lambda example: self._draw(*example),
            (tf.where(is_accepted, image_bytes, b""), seed, temperature),
            fn_output_signature=ENCODED,
        )
        return {"image_bytes": drawn}

    @tf.function(autograph=False)
    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors float32 [B, H, W, 1] in [0, 1], as `Colorizer.colorize`."""
        return self._colorizer().colorize(gray)

    @tf.function(autograph=False)
    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts histograms of float32 [B, H, W, 1], as `Colorizer.histograms`."""
        return self._colorizer().histograms(gray)

    @tf.function(autograph=False)
    def features(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the backbone's feature maps at the images' own size.

        Args:
          rgb: float32 [B, H, W, 3] in [0, 1]; a network for gray photographs
            takes the mean of the channels.

        Returns:
          float32 [B, h, w, C] by tap name.
        """
        network = self._colorizer().network
        is_gray = network.backbone.input_channels == 1
        maps = network.features(rgb_to_lightness(rgb) if is_gray else rgb)
        return {name: tf.cast(maps[name], tf.float32) for name in network.backbone.tap_channels}

    @tf.function(autograph=False)
    def describe(self, name: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers every element of string [B] with `metadata`, JSON, string [B]."""
        return {"metadata": tf.fill(tf.shape(name), self._metadata)}

    def _color(self, encoded: tf.Tensor) -> tf.Tensor:
        """Colors one encoded photograph, string [] to string []."""
        return self._paint(encoded, lambda gray: self._colorizer().colorize(gray)["rgb"])

    def _draw(self, encoded: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """Colors one string [] with colors drawn by a seed, int32 []; see `sample`."""
        colorizer = self._colorizer()
        sampling = colorizer.decoding.sampling
        decoding = dataclasses.replace(
            colorizer.decoding, sampling="once" if sampling == "none" else sampling
        )

        def draw(gray: tf.Tensor) -> tf.Tensor:
            """Draws float32 [1, H, W, 3] colors for float32 [1, H, W, 1]."""
            painter = colorizer.painter
            predictions = colorizer.histograms(painter.shrink(gray))
            settings = {"seeds": seed[None], "temperatures": temperature[None]}
            return painter.paint(gray, predictions, decoding, **settings)["rgb"]

        return self._paint(encoded, draw)

    def _paint(self, encoded: tf.Tensor, color: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Applies `color` to what string [] decodes to; empty if it does not."""
        gray = decode_gray(encoded, self._max_pixels)
        return tf.cond(
            tf.size(gray) > 0,
            lambda: encode_png(color(gray[None])[0]),
            lambda: tf.constant(b""),
        )
