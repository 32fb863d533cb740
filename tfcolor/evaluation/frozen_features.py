"""Features of a trained backbone, one vector per image."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.examples import LabelledImage, in_batches
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.layers.map_reduction import adaptive_pool

TOP = "top"
POOLINGS = ("average", "max")


@dataclasses.dataclass(frozen=True)
class FeatureOptions:
    """What describes an image."""

    taps: tuple[str, ...] = option(
        (), "taps that describe an image, joined; empty takes the backbone's top"
    )
    pooling: str = option("average", "what is taken of each cell of a map", choices=POOLINGS)
    grid: int = option(1, "cells along each side into which a map is pooled", minimum=1)
    size: int = option(
        0, "side of the images that the backbone sees, pixels; 0 is the backbone's", minimum=0
    )
    batch_size: int = option(32, "images that the network sees at a time", minimum=1)


class FrozenFeatures:
    """Describes images by what a backbone computes, as after training.

    Args:
      trained: a network of any task.
      taps: the taps to pool and to join; none takes the top of the backbone's
        canonical mode.
      size: side of the square cut from the middle of each image, in pixels; 0
        is the backbone's canonical size, the only one for its top.
      batch_size: images that the network sees at a time.
      pooling: what is taken of each cell of a map, one of `POOLINGS`.
      grid: cells along each side into which a map is pooled; 1 is the whole map.

    Raises:
      UsageError: if the backbone has no such tap, or its top another size.
    """

    def __init__(
        self,
        trained: TrainedNetwork,
        taps: Sequence[str] = (),
        size: int = 0,
        batch_size: int = 32,
        *,
        pooling: str = "average",
        grid: int = 1,
    ) -> None:
        backbone = trained.network.backbone
        for name in taps:
            lookup(backbone.tap_channels, name, "tap")
        if not taps and size not in (0, backbone.canonical_size):
            raise UsageError(
                f"size={size}: the backbone's top is of images of {backbone.canonical_size}"
                " pixels; name taps for images of another size"
            )
        self.names = tuple(taps) or (TOP,)
        self._trained, self._batch_size = trained, batch_size
        self._pooling, self._grid = pooling, grid
        self._is_convolutional = bool(taps)
        self._size = size or backbone.canonical_size
        self._graph: Callable[[tf.Tensor], tf.Tensor] = tf.function(
            self._compute, reduce_retracing=True, autograph=False
        )
        # Ten times as fast as one operation after the other.
        self._cut: Callable[[np.ndarray], tf.Tensor] = tf.function(
            lambda image: center_view(image, self._size, self._size),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )

    @classmethod
    def of(cls, trained: TrainedNetwork, options: FeatureOptions) -> "FrozenFeatures":
        """Returns the features of a network that options name.

        Args:
          trained: a network of any task.
          options: taps, views and pooling.

        Returns:
          What describes images.
        """
        return cls(
            trained,
            options.taps,
            options.size,
            options.batch_size,
            pooling=options.pooling,
            grid=options.grid,
        )

    def describe(self, images: Iterable[LabelledImage]) -> dict[int, tuple[np.ndarray, Any]]:
        """Computes the features of images.

        Args:
          images: with what is known about them.

        Returns:
          Features float32 [D] and the truth, as of the image, by position.
        """
        found = {}
        for batch in in_batches(images, self._batch_size):
            views = [self._view(example.image) for example in batch]
            features = self._graph(self._trained.inputs(tf.stack(views))).numpy()
            for example, row in zip(batch, features, strict=True):
                found[example.position] = row, example.truth
        return found

    def _view(self, image: np.ndarray) -> tf.Tensor:
        """Returns what the backbone sees, float32 [S, S, 3], of uint8 [H, W, 3]."""
        return self._cut(image)

    def _compute(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, D] of images float32 [B, S, S, C]."""
        backbone = self._trained.network.backbone
        maps = backbone(images, training=False, convolutional=self._is_convolutional)
        parts = [tf.cast(maps[name], tf.float32) for name in self.names]
        return tf.concat([self._pool(one) for one in parts], axis=-1)

    def _pool(self, features: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, D] of a map float32 [B, H, W, C], or of [B, D]."""
        if features.shape.rank == 2:
            return features
        cells = adaptive_pool(features, self._grid, self._pooling)
        return tf.reshape(cells, [-1, tf.TensorShape(cells.shape[1:]).num_elements()])


def joined(described: Collection[tuple[np.ndarray, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the features of several images as one array.

    Args:
      described: features float32 [D] and truth of each of N images.

    Returns:
      (features, truths): float32 [N, D] and int [N] or [N, K].
    """
    return np.stack([row for row, _ in described]), np.array([truth for _, truth in described])
