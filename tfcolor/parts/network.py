"""A network of parts: edges or pixels, a mixture of patches, pooled codes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.taps import Scalar, Tap
from tfcolor.parts.coding import joined_chunks
from tfcolor.parts.part_layer import PartLayer
from tfcolor.parts.pooling import PoolOptions, num_cells, pool_start, pooled_map
from tfcolor.parts.sum_pooling import summed_map

# Activations in memory at a time while they are pooled: 64 MB.
NUMBERS_PER_CHUNK = 2**24


class PartsNetwork(tf.Module):
    """Turns images into maps of parts and pooled parts.

    It computes on images of 8 bits, as it was fitted. Hard codes are the index of
    the most likely part, or -1 for background, and are pooled by OR; other codes
    are a number for each part and are summed. Nothing is trained by gradients.

    Args:
      layer: finds parts.
      pooling: how codes are pooled.
      canonical_size: side of the images it was fitted to, pixels.
      input_channels: 1 for gray, 3 for RGB.

    References:
      Larsson. Dissertation, section 1.2.
    """

    def __init__(
        self,
        layer: PartLayer,
        pooling: PoolOptions,
        *,
        canonical_size: int,
        input_channels: int = 1,
    ) -> None:
        super().__init__(name="parts")
        self.canonical_size, self.input_channels = canonical_size, input_channels
        self.layout, self.patch_size, self.is_hard = layer.layout, layer.patch_size, layer.is_hard
        self._layer, self._pooling, self._border = layer, pooling, layer.border

    def code(self, images: np.ndarray | tf.Tensor, *, for_pooling: bool = False) -> tf.Tensor:
        """Returns what every patch is.

        Args:
          images: uint8 [N, H, W, C], or float32 in [0, 1].
          for_pooling: leaves out, as background, what the pooling throws away.

        Returns:
          int32 [N, H', W'] in [-1, F), the likeliest part; or float32
          [N, H', W', F] if codes are not hard. H' = H - 2 b - S + 1 and W'
          likewise, where edges lose a border of b pixels, else b = 0.
        """
        return self._layer.code(images, self._pooling if for_pooling else None)

    def pool(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Returns the pooled codes; codes are in memory for a few images at a time.

        Args:
          images: uint8 [N, H, W, C], or float32 in [0, 1].

        Returns:
          float32 [N, rows, columns, F], 0 or 1 if codes are hard.
        """
        images = tf.convert_to_tensor(images)
        if self.is_hard:
            return self._pool_codes(self.code(images, for_pooling=True))
        num_features = self.layout.num_features
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        size = tf.maximum(NUMBERS_PER_CHUNK // num_features // (height * width + 1), 1)
        return joined_chunks(
            lambda first: self._pool_codes(
                self.code(images[first : first + size], for_pooling=True)
            ),
            tf.shape(images)[0],
            size,
            tf.TensorSpec([None, None, None, num_features], tf.float32),
        )

    def _pool_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns float32 [N, rows, columns, F] of codes."""
        if self.is_hard:
            return tf.cast(pooled_map(codes, self.layout, self._pooling), tf.float32)
        return summed_map(codes, self._pooling)

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map for an image of this size.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name: `parts` and `pooled`, and `edges` if there are.
        """
        channels = self.tap_channels
        middle = self._border + (self.patch_size - 1) / 2
        options = self._pooling
        starts = [pool_start(self._num_positions(size), options) for size in (height, width)]
        floats = [tf.cast(one, tf.float32) if tf.is_tensor(one) else one for one in starts]
        offsets = tuple(start + (options.window - 1) / 2 + middle for start in floats)
        first = self._layer.first_channels(self.input_channels)
        return {
            **{name: Tap(name, 1, float(self._border), channels[name]) for name in first},
            "parts": Tap("parts", 1, middle, channels["parts"]),
            "pooled": Tap("pooled", options.stride, offsets, channels["pooled"]),
        }

    def canonical_taps(self) -> dict[str, Tap]:
        """Returns the taps at the canonical size, and the pooled features as "top"."""
        size = self.canonical_size
        top = Tap("top", size, (size - 1) / 2, self.top_features)
        return {**self.taps(size, size), top.name: top}

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name."""
        num_features = self.layout.num_features
        first = self._layer.first_channels(self.input_channels)
        return {**first, "parts": num_features, "pooled": num_features}

    @property
    def top_features(self) -> int:
        """Features of the canonical mode's top."""
        cells = num_cells(self._num_positions(self.canonical_size), self._pooling)
        return cells * cells * self.layout.num_features

    def _num_positions(self, size: Scalar) -> Any:
        """Returns how many patches there are along a side of the image."""
        return size - 2 * self._border - self.patch_size + 1

    def __call__(
        self,
        images: tf.Tensor,
        *,
        training: bool = False,
        convolutional: bool = True,
        **unread: Any,
    ) -> Mapping[str, tf.Tensor]:
        """Computes the maps of images.

        Args:
          images: float32 [B, H, W, C] in [0, 1]; rounded to 8 bits.
          training: not read; there is nothing random in the network.
          convolutional: False gives only the top, for images of the canonical
            size.
          **unread: what other networks read (seeds, a visitor).

        Returns:
          float32 maps by tap name, `parts` with one channel per part, 0 or 1 if
          codes are hard; and `top`, the map `pooled`, or its numbers [B, D] if not
          convolutional.
        """
        del training, unread
        images = tf.cast(tf.round(images * 255), tf.uint8)
        if not convolutional:
            return {"top": tf.reshape(self.pool(images), [-1, self.top_features])}
        codes = self.code(images)
        pooled = self._pool_codes(codes)
        parts = tf.one_hot(codes, self.layout.num_features) if self.is_hard else codes
        first = self._layer.first_maps(images)
        maps = {name: tf.cast(values, tf.float32) for name, values in first.items()}
        return {**maps, "parts": parts, "pooled": pooled, "top": pooled}
