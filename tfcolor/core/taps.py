"""Geometry of feature maps: the only place that maps pixels to cells."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

Scalar = Any  # a Python number, or a scalar tensor where sizes are not static
ALIGNMENTS = ("centered", "zero")


@dataclasses.dataclass(frozen=True)
class Tap:
    """A named feature map and where its cells lie on the input image.

    Cell (i, j) is centered on input pixel `(stride * i + offset[0],
    stride * j + offset[1])`; pixel (0, 0) is the center of the top-left pixel.

    Args:
      name: the layer that makes the map ("conv3_1").
      stride: input pixels per cell, the same along rows and columns.
      offset: input pixels; the center of cell (0, 0), one number or (row,
        column). Python floats, or scalar tensors where sizes are not static.
      channels: features per cell; 0 for a bare grid.

    Example:
      >>> Tap("conv1", stride=2, offset=0.5, channels=1).offset
      (0.5, 0.5)
    """

    name: str
    stride: int
    offset: Any
    channels: int = 0

    def __post_init__(self) -> None:
        """Spreads a single offset over both axes."""
        if not isinstance(self.offset, tuple):
            object.__setattr__(self, "offset", (self.offset, self.offset))

    def to_cells(self, positions: tf.Tensor, axis: int, size: Scalar) -> tf.Tensor:
        """Maps input-pixel positions along one axis to clamped cell positions.

        Args:
          positions: float32 [...], input pixels along `axis`; any value.
          axis: 0 for rows, 1 for columns.
          size: number of cells along `axis`, at least 1.

        Returns:
          float32 [...], cells, in [0, size - 1].
        """
        cells = (positions - tf.cast(self.offset[axis], tf.float32)) / float(self.stride)
        return tf.clip_by_value(cells, 0.0, tf.cast(size, tf.float32) - 1.0)

    def neighbors(
        self, positions: tf.Tensor, axis: int, size: Scalar
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the two cells around each position and the weight of the second.

        Args:
          positions: float32 [...], input pixels along `axis`; any value.
          axis: 0 for rows, 1 for columns.
          size: number of cells along `axis`, at least 1.

        Returns:
          (low, high, fraction): int32 [...], int32 [...] and float32 [...] in
          [0, 1]; the value is `(1 - fraction) * map[low] + fraction * map[high]`.
          `high` is `min(low + 1, size - 1)`.
        """
        cells = self.to_cells(positions, axis, size)
        low = tf.floor(cells)
        last = tf.cast(size, tf.int32) - 1
        low_index = tf.cast(low, tf.int32)
        return low_index, tf.minimum(low_index + 1, last), cells - low

    def centers(self, axis: int, size: Scalar) -> tf.Tensor:
        """Returns the input pixel on which each cell is centered.

        Args:
          axis: 0 for rows, 1 for columns.
          size: number of cells along `axis`.

        Returns:
          float32 [size], input pixels.
        """
        cells = tf.cast(tf.range(size), tf.float32)
        return cells * float(self.stride) + tf.cast(self.offset[axis], tf.float32)


def map_size(features: tf.Tensor) -> tuple[Scalar, Scalar]:
    """Returns the numbers of rows and columns of a map.

    Args:
      features: [B, H, W, C], any dtype.

    Returns:
      (H, W): Python ints where the shape is static, else int32 scalar tensors.

    Example:
      >>> map_size(tf.zeros([1, 2, 3, 4]))
      (2, 3)
    """
    static = features.shape
    rows, columns = (
        tf.shape(features)[axis] if static[axis] is None else static[axis] for axis in (1, 2)
    )
    return rows, columns


def top_channels(taps: Mapping[str, Tap]) -> int:
    """Returns how many channels the map has that a collapsed top comes from.

    The top of a canonical mode may be a flattened map, channels last: feature f
    belongs to channel f % C.

    Args:
      taps: what a backbone's `canonical_taps` gives: the top is the last one,
        the map it comes from the one before.

    Returns:
      C; all features of a top that is no flattened map.

    Example:
      >>> top_channels({"conv4b": Tap("conv4b", 8, 3.5, 192), "top": Tap("top", 32, 15.5, 3072)})
      192
    """
    *below, top = taps.values()
    if top.name != "top" or not below or top.channels % below[-1].channels:
        return top.channels
    return below[-1].channels


PIXELS = Tap("pixels", stride=1, offset=0.0)
"""The input image itself, as a grid."""


@dataclasses.dataclass(frozen=True)
class Window:
    """The sliding window of one convolution or pool.

    Args:
      kernel: cells along each side.
      stride: cells between two positions.
      padding: "SAME" as TensorFlow pads (the odd cell at the end), "VALID", or
        the number of cells put before and after.
    """

    kernel: int
    stride: int = 1
    padding: str | int = "SAME"

    def output_size(self, size: Scalar) -> Scalar:
        """Returns the number of positions on `size` cells (int or int tensor)."""
        if self.padding == "SAME":
            return (size + self.stride - 1) // self.stride  # ONNX truncates a negative quotient
        padding = 0 if self.padding == "VALID" else 2 * int(self.padding)
        return (size + padding - self.kernel) // self.stride + 1

    def padding_before(self, size: Scalar) -> Scalar:
        """Returns the cells put before the first one (int or int tensor)."""
        if self.padding == "VALID":
            return 0
        if self.padding != "SAME":
            return int(self.padding)
        total = (self.output_size(size) - 1) * self.stride + self.kernel - size
        return (tf.maximum(total, 0) if tf.is_tensor(total) else max(total, 0)) // 2


def compose_tap(
    name: str,
    channels: int,
    windows: Iterable[Window],
    sizes: tuple[Scalar, Scalar],
    alignment: str = "centered",
    start: Tap = PIXELS,
) -> Tap:
    """Returns the geometry of the map behind a chain of windows.

    Args:
      name: the layer that makes the map.
      channels: features per cell.
      windows: every convolution and pool from the start to the map, in order.
      sizes: (height, width) of the start in cells, which are pixels for the
        image: ints, or scalar int32 tensors where the size is not static.
      alignment: "centered" gives the true center of the receptive field at this
        input size; "zero" gives offset 0, which goes with published weights
        that were trained by sparse sampling with that rule.
      start: the map that the first window reads, of the same alignment.

    Returns:
      A `Tap` whose offset has the type of `sizes` (float or float32 tensor).

    Raises:
      ValueError: if `alignment` is neither "centered" nor "zero".

    Example:
      >>> compose_tap("pool", 8, [Window(3), Window(2, 2)], (32, 32)).offset
      (0.5, 0.5)
    """
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment={alignment!r}; expected one of {', '.join(ALIGNMENTS)}")
    windows = list(windows)
    stride = start.stride
    for window in windows:
        stride *= window.stride
    if alignment == "zero":
        return Tap(name, stride, 0.0, channels)
    offsets = tuple(_center_offset(windows, size, start, axis) for axis, size in enumerate(sizes))
    return Tap(name, stride, offsets, channels)


def _center_offset(windows: Iterable[Window], size: Scalar, start: Tap, axis: int) -> Scalar:
    """Composes the center of cell 0 along one axis: o += s ((k - 1) / 2 - pad)."""
    offset, stride = start.offset[axis], start.stride
    for window in windows:
        before = window.padding_before(size)
        before = tf.cast(before, tf.float32) if tf.is_tensor(before) else float(before)
        offset = offset + stride * ((window.kernel - 1) / 2 - before)
        size = window.output_size(size)
        stride *= window.stride
    return offset
