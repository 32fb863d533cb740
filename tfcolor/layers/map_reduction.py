"""Feature maps made smaller for linear classifiers: the published rules."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

MAX_FEATURES = 9000
"""What "fractional" aims at."""

FRACTION_SEED = 42
"""Fixes the regions of fractional pooling, which else differ from call to call."""


def adaptive_pool(features: tf.Tensor, side: int, kind: str = "max") -> tf.Tensor:
    """Pools a map to a fixed number of cells, whatever its size.

    Cell i covers the rows from `floor(i H / side)` to `ceil((i + 1) H / side)`,
    and columns likewise, so that neighbors share cells where the size is no
    multiple. A map with fewer cells along an axis keeps these.

    Args:
      features: float [B, H, W, C], H and W static.
      side: cells along each axis, positive.
      kind: "max" or "average" of a cell.

    Returns:
      float [B, min(side, H), min(side, W), C], differentiable.

    Example:
      >>> ramp = tf.reshape(tf.range(5.0), [1, 1, 5, 1])
      >>> adaptive_pool(ramp, 3)[0, 0, :, 0].numpy().tolist()
      [1.0, 3.0, 4.0]
    """
    pool = {"max": tf.reduce_max, "average": tf.reduce_mean}[kind]
    for axis in (1, 2):
        length = features.shape[axis]
        count = min(side, length)
        bounds = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
        cells = [
            pool(tf.gather(features, tf.range(start, end), axis=axis), axis=axis)
            for start, end in bounds
        ]
        features = tf.stack(cells, axis=axis)
    return features


def resize_map(features: tf.Tensor, side: int) -> tf.Tensor:
    """Resizes a map bilinearly, without smoothing before.

    Args:
      features: float [B, H, W, C], H and W static.
      side: cells along each axis, positive.

    Returns:
      float32 [B, min(side, H), min(side, W), C].
    """
    height, width = features.shape[1:3]
    return tf.image.resize(features, [min(side, height), min(side, width)], method="bilinear")


def average_windows(features: tf.Tensor, side: int) -> tf.Tensor:
    """Averages windows of a map that do not overlap, as DeepCluster does.

    Windows of 3 and of 6 are padded by half of their side, and the zeros count;
    others are not. A smaller map is one window.

    Args:
      features: float [B, H, W, C], H and W static.
      side: of a window, cells.

    Returns:
      float [B, h, w, C], `h = (H + 2 padding - side) // side + 1`.
    """
    padding = side // 2 if side in (3, 6) else 0
    side = min(side, *(size + 2 * padding for size in features.shape[1:3]))
    edge = [padding, padding]
    padded = tf.pad(features, [[0, 0], edge, edge, [0, 0]])
    return tf.nn.avg_pool2d(padded, side, side, "VALID")


def fractional_pool(features: tf.Tensor, max_features: int = MAX_FEATURES) -> tf.Tensor:
    """Takes the maximum over random regions, so many that about 9,000 features are left.

    A map with fewer features stays as it is. The side of what is left is that of
    the two next to `sqrt(max_features / C)` which comes closer to the number.

    Args:
      features: float [B, H, W, C], H and W static.
      max_features: the number that is aimed at; it may be exceeded.

    Returns:
      float [B, h, w, C].

    References:
      Kolesnikov, Zhai, Beyer. Revisiting Self-Supervised Visual Representation
      Learning. CVPR 2019.
    """
    height, width, channels = features.shape[1:]
    if height * width * channels <= max_features:
        return features
    ideal = int((max_features / channels) ** 0.5)
    sides = (max(ideal, 1), ideal + 1)
    # The larger one of two that are equally near, as published.
    side = min(reversed(sides), key=lambda one: abs(max_features - channels * one**2))
    # A little less, or rounding would lose a cell.
    ratios = [max(size / side - 1e-5, 1.0) for size in (height, width)]
    pooled = tf.nn.fractional_max_pool(features, [1.0, *ratios, 1.0], seed=FRACTION_SEED)
    return pooled[0]


@dataclasses.dataclass(frozen=True)
class ProbeRule:
    """How a published protocol prepares feature maps for a linear layer.

    Args:
      reduce: from a map float [B, H, W, C] and a size to one with fewer cells.
      sizes: what `reduce` gets for each layer, or for all if it is one.
      is_normalized: whether batch norm without scale and shift follows.
    """

    reduce: Callable[[tf.Tensor, int], tf.Tensor]
    sizes: tuple[int, ...]
    is_normalized: bool = False

    def output_size(self, height: int, width: int, channels: int, size: int) -> int:
        """Returns the number of features that are left of a map.

        Args:
          height: rows of the map.
          width: columns of the map.
          channels: of the map.
          size: as of `reduce`.

        Returns:
          The number of features of an example.
        """
        reduced = tf.keras.Input([height, width, channels])
        return int(tf.TensorShape(self.reduce(reduced, size).shape[1:]).num_elements())


PROBE_RULES: Mapping[str, ProbeRule] = {
    "zhang": ProbeRule(resize_map, (10, 6, 5, 5, 6), is_normalized=True),
    "rotnet": ProbeRule(adaptive_pool, (12, 7, 5, 6, 6), is_normalized=True),
    "deepcluster": ProbeRule(average_windows, (6, 4, 3, 3, 2)),
    "revisiting": ProbeRule(fractional_pool, (MAX_FEATURES,)),
    "doersch": ProbeRule(adaptive_pool, (3,)),
}
"""The first three for the five convolutions of AlexNet, in order."""
