"""A network of parts: oriented edges, a mixture of patches, pooled codes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.options import option
from tfcolor.core.taps import Scalar, Tap
from tfcolor.parts.coding import code_parts, part_kernel
from tfcolor.parts.edges import EdgeOptions, num_edge_channels, oriented_edges
from tfcolor.parts.learning import Parts
from tfcolor.parts.pooling import PoolOptions, num_cells, pool_start, pooled_map


@dataclasses.dataclass(frozen=True)
class CodingOptions:
    """Where a patch is given to a part."""

    min_edges: int = option(2, "a patch with fewer edges is background", minimum=0)
    outer_frame: int = option(
        1, "pixels at the patch's border whose edges are not counted for that", minimum=0
    )


class PartsNetwork(tf.Module):
    """Turns images into maps of edges, parts and pooled parts.

    It computes on images of 8 bits, as it was fitted. Codes are the index of the
    most likely part, or -1 for background. Nothing in it is trained by gradients.

    Args:
      parts: the mixture's parameters.
      edges: how edges are found.
      coding: which patches are background.
      pooling: how codes are pooled.
      canonical_size: side of the images it was fitted to, pixels.
      input_channels: 1 for gray, 3 for RGB.

    References:
      Larsson. Dissertation, section 1.2.
    """

    def __init__(
        self,
        parts: Parts,
        edges: EdgeOptions,
        coding: CodingOptions,
        pooling: PoolOptions,
        *,
        canonical_size: int,
        input_channels: int = 1,
    ) -> None:
        super().__init__(name="parts")
        self.canonical_size, self.input_channels = canonical_size, input_channels
        self.layout, self.patch_size = parts.layout, parts.size
        self._edges, self._coding, self._pooling = edges, coding, pooling
        kernel = part_kernel(parts.log_odds, parts.size)
        self._kernel = tf.Variable(kernel, trainable=False, name="kernel")
        self._bias = tf.Variable(np.reshape(parts.offsets, -1), trainable=False, name="bias")

    def detect_edges(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Returns the edges of images.

        Args:
          images: uint8 [N, H, W, C], or float32 in [0, 1].

        Returns:
          uint8 [N, H, W, 8 C], 0 or 1.
        """
        return oriented_edges(images, self._edges)

    def code(self, images: np.ndarray | tf.Tensor, *, for_pooling: bool = False) -> tf.Tensor:
        """Returns the most likely part of every patch.

        Args:
          images: uint8 [N, H, W, C], or float32 in [0, 1].
          for_pooling: leaves out, as -1, what the pooling throws away.

        Returns:
          int32 [N, H - S + 1, W - S + 1] in [-1, F).
        """
        return code_parts(
            self.detect_edges(images),
            self._kernel,
            self._bias,
            min_edges=self._coding.min_edges,
            frame=self._coding.outer_frame,
            kept=self._pooling if for_pooling else None,
        )

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map for an image of this size.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name: `edges`, `parts` and `pooled`.
        """
        channels = self.tap_channels
        middle = (self.patch_size - 1) / 2
        options = self._pooling
        starts = [pool_start(size - self.patch_size + 1, options) for size in (height, width)]
        floats = [tf.cast(one, tf.float32) if tf.is_tensor(one) else one for one in starts]
        offsets = tuple(start + (options.window - 1) / 2 + middle for start in floats)
        return {
            "edges": Tap("edges", 1, 0.0, channels["edges"]),
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
        edges = num_edge_channels(self._edges, self.input_channels)
        return {"edges": edges, "parts": num_features, "pooled": num_features}

    @property
    def top_features(self) -> int:
        """Features of the canonical mode's top."""
        cells = num_cells(self.canonical_size - self.patch_size + 1, self._pooling)
        return cells * cells * self.layout.num_features

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
          float32 maps by tap name, 0 or 1, `parts` with one channel per part;
          and `top`, the map `pooled`, or its numbers [B, D] if not convolutional.
        """
        del training, unread
        images = tf.cast(tf.round(images * 255), tf.uint8)
        codes = self.code(images, for_pooling=not convolutional)
        pooled = tf.cast(pooled_map(codes, self.layout, self._pooling), tf.float32)
        if not convolutional:
            return {"top": tf.reshape(pooled, [-1, self.top_features])}
        parts = tf.one_hot(codes, self.layout.num_features)
        edges = tf.cast(self.detect_edges(images), tf.float32)
        return {"edges": edges, "parts": parts, "pooled": pooled, "top": pooled}
