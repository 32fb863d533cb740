"""The sampling rule of sparse hypercolumns at every cell of a grid."""

import tensorflow as tf

from tfcolor.core.taps import Scalar, Tap, map_size


def resize_features(
    features: tf.Tensor, tap: Tap, grid: Tap, size: tuple[Scalar, Scalar]
) -> tf.Tensor:
    """Samples a feature map bilinearly at the center of every cell of a grid.

    This is `sample_features` at `grid`'s centers, done axis by axis. It is what
    `tf.image.resize` does only where map size, stride and offset happen to fit.

    Args:
      features: float32, bfloat16 or half [B, H, W, C], one backbone activation.
      tap: geometry of `features`.
      grid: where to sample; only its stride and offset are read.
      size: (rows, columns) of the grid: ints or scalar int32 tensors.

    Returns:
      [B, rows, columns, C] of the dtype of `features`.

    Example:
      >>> ramp = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> grid = Tap("pixels", stride=1, offset=0.0)
      >>> tap = Tap("conv1", stride=2, offset=0.0, channels=1)
      >>> resize_features(ramp, tap, grid, (1, 3))[0, 0, :, 0].numpy().tolist()
      [0.0, 0.5, 1.0]
    """
    for axis in (0, 1):
        features = _resize_axis(features, tap, grid, axis, size[axis])
    return features


def _resize_axis(features: tf.Tensor, tap: Tap, grid: Tap, axis: int, size: Scalar) -> tf.Tensor:
    """Samples the rows (axis 0) or columns (axis 1) of a map."""
    cells = map_size(features)[axis]
    if _is_identity(tap, grid, axis, cells, size):
        return features
    low, high, fraction = tap.neighbors(grid.centers(axis, size), axis, cells)
    fraction = tf.reshape(fraction, [-1, 1] if axis else [-1, 1, 1])
    before = tf.cast(tf.gather(features, low, axis=axis + 1), tf.float32)
    after = tf.cast(tf.gather(features, high, axis=axis + 1), tf.float32)
    return tf.cast(before + fraction * (after - before), features.dtype)


def _is_identity(tap: Tap, grid: Tap, axis: int, cells: Scalar, size: Scalar) -> bool:
    """Says whether the grid is known to have exactly the map's cells."""
    offsets = tap.offset[axis], grid.offset[axis]
    if any(tf.is_tensor(value) for value in (cells, size, *offsets)):
        return False
    return cells == size and tap.stride == grid.stride and offsets[0] == offsets[1]
