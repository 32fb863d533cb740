"""OR-pooling of part maps, from index maps to dense maps and sparse matrices."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf

from tfcolor.core.options import option

# Landing positions that rounding left a little below a cell's edge belong to it.
EDGE_TOLERANCE = 1e-4
ROWS_PER_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class PoolOptions:
    """How part maps are pooled."""

    window: int = option(4, "side of a pooling window, in positions", minimum=1)
    stride: int = option(4, "distance of pooling windows, in positions", minimum=1)
    dilation: int = option(0, "radius of the box by which part maps are dilated before", minimum=0)
    rotation_spread: int = option(
        0, "rotations to either side that a part switches on as well", minimum=0
    )
    half_pixel: float = option(
        0.5,
        "0.5 drops turned positions into the nearest cell, 0 as the authors' code did",
        choices=(0.0, 0.5),
    )


@dataclasses.dataclass(frozen=True)
class FeatureLayout:
    """What the feature index of a part stands for.

    Feature f = z P + R t + r is component z in polarity t and rotation r.

    Args:
      num_parts: M, components of the mixture.
      num_rotations: R.
      num_polarities: T, 1 or 2.
    """

    num_parts: int
    num_rotations: int = 1
    num_polarities: int = 1

    @property
    def num_transformations(self) -> int:
        """P = R T."""
        return self.num_rotations * self.num_polarities

    @property
    def num_features(self) -> int:
        """F = M P."""
        return self.num_parts * self.num_transformations


def num_cells(size: Any, options: PoolOptions) -> Any:
    """Returns how many pooling cells an axis has.

    Args:
      size: positions along the axis, a number or an int32 scalar.
      options: how maps are pooled.

    Returns:
      A number or an int32 scalar, as `size` is.
    """
    return size // options.stride


def pool_start(size: Any, options: PoolOptions) -> Any:
    """Returns where the first pooling window of an axis begins.

    Args:
      size: positions along the axis, a number or an int32 scalar.
      options: how maps are pooled.

    Returns:
      A number or an int32 scalar, as `size` is; negative where windows are
      wider than their distance.

    Example:
      >>> [pool_start(size, PoolOptions()) for size in (8, 10, 23)]
      [0, 1, 1]
    """
    return (size % options.stride) // 2 + options.stride // 2 - options.window // 2


def kept_positions(size: Any, options: PoolOptions) -> tf.Tensor:
    """Tells which positions of an axis any pooling window reads.

    Args:
      size: positions along the axis, a number or an int32 scalar.
      options: how maps are pooled.

    Returns:
      bool [H], H being `size`.
    """
    cells, _ = _cells_along(tf.cast(tf.range(size), tf.float64) + 0.5, size, options)
    kept = tf.cast(tf.reduce_any(cells >= 0, axis=-1), tf.float32)
    reach = 2 * options.dilation + 1
    padded = tf.pad(kept, [[options.dilation, options.dilation]])
    return tf.add_n([padded[t : t + size] for t in range(reach)]) > 0


def _cells_along(
    landings: tf.Tensor, size: Any, options: PoolOptions
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the cells of an axis that hold each landing, -1 for none.

    Args:
      landings: float64 [...], position plus half a pixel.
      size: positions along the axis.
      options: how maps are pooled.

    Returns:
      int32 [..., overlap], and the number of cells.
    """
    overlap = -(-options.window // options.stride)
    count = tf.cast(num_cells(size, options), tf.int32)
    start = tf.cast(pool_start(size, options), tf.float64)
    units = (landings - start) / options.stride + EDGE_TOLERANCE
    cells = tf.floor(units)[..., None] - tf.range(overlap, dtype=tf.float64)
    is_inside = units[..., None] - cells < options.window / options.stride
    cells = tf.cast(cells, tf.int32)
    return tf.where(is_inside & (cells >= 0) & (cells < count), cells, -1), count


def landing_cells(height: Any, width: Any, degrees: float, options: PoolOptions) -> tf.Tensor:
    """Tells into which pooling cells each position of a turned map falls.

    Args:
      height: H, rows of the map.
      width: W, columns of the map.
      degrees: how far the map is turned counter-clockwise about its center.
      options: how maps are pooled.

    Returns:
      int32 [H, W, E], cells numbered row by row, -1 for none. E exceeds 1 where
      windows overlap or maps are dilated.
    """
    # float64 and the center of a pixel at half: the nearest cell, exactly.
    shift = options.half_pixel if degrees else 0.5
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle = [(tf.cast(size, tf.float64) - 1) / 2 for size in (height, width)]
    y = (middle[0] - tf.cast(tf.range(height), tf.float64))[:, None]
    x = (tf.cast(tf.range(width), tf.float64) - middle[1])[None]
    rows, _ = _cells_along(middle[0] - (sine * x + cosine * y) + shift, height, options)
    columns, across = _cells_along(middle[1] + cosine * x - sine * y + shift, width, options)
    rows, columns = rows[..., :, None], columns[..., None, :]
    cells = tf.where((rows >= 0) & (columns >= 0), rows * across + columns, -1)
    cells = tf.reshape(cells, [height, width, -1])
    return _neighboring(cells, options.dilation)


def _neighboring(cells: tf.Tensor, radius: int) -> tf.Tensor:
    """Returns the cells of each position's neighbors too, [H, W, (2 radius + 1)**2 E]."""
    height, width = tf.shape(cells)[0], tf.shape(cells)[1]
    padded = tf.pad(cells, [[radius, radius], [radius, radius], [0, 0]], constant_values=-1)
    reach = range(2 * radius + 1)
    shifts = itertools.product(reach, reach)
    return tf.concat([padded[i : i + height, j : j + width] for i, j in shifts], axis=-1)


def pooled_columns(
    indices: tf.Tensor, cells: tf.Tensor, layout: FeatureLayout, options: PoolOptions
) -> tf.Tensor:
    """Returns the pooled features that each position switches on.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      cells: int32 [H, W, E] of `landing_cells`.
      layout: what features stand for.
      options: how maps are pooled.

    Returns:
      int32 [N, H W E'], cell times F plus feature, -1 for none; with repeats.
    """
    radius = min(options.rotation_spread, layout.num_rotations // 2)
    spread = [add_rotation(indices, layout, step) for step in range(-radius, radius + 1)]
    features = tf.stack(spread, axis=-1)[..., None, :]
    cells = cells[None, ..., None]
    columns = tf.where((features >= 0) & (cells >= 0), cells * layout.num_features + features, -1)
    return tf.reshape(columns, [tf.shape(indices)[0], tf.reduce_prod(tf.shape(columns)[1:])])


def add_rotation(indices: tf.Tensor, layout: FeatureLayout, steps: int) -> tf.Tensor:
    """Returns features with their rotation increased: (z, t, r) to (z, t, r + steps).

    Args:
      indices: int32 [...], features, -1 for background, which stays.
      layout: what features stand for.
      steps: rotations to add, modulo R.

    Returns:
      int32 [...].
    """
    indices = tf.convert_to_tensor(indices)
    rotations = indices % layout.num_rotations
    turned = indices - rotations + (rotations + steps) % layout.num_rotations
    return tf.where(indices >= 0, turned, indices)


def pooled_map(indices: tf.Tensor, layout: FeatureLayout, options: PoolOptions) -> tf.Tensor:
    """Pools index maps into dense binary maps.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      layout: what features stand for.
      options: how maps are pooled.

    Returns:
      uint8 [N, H // stride, W // stride, F]; 1 where any position of the cell
      holds the feature.

    Example:
      >>> indices = tf.constant([[[0, -1], [2, 2]]])
      >>> options = PoolOptions(window=2, stride=2)
      >>> pooled_map(indices, FeatureLayout(3), options).numpy().ravel()
      array([1, 0, 1], dtype=uint8)
    """
    indices = tf.convert_to_tensor(indices)
    height, width = tf.shape(indices)[1], tf.shape(indices)[2]
    cells = landing_cells(height, width, 0.0, options)
    columns = pooled_columns(indices, cells, layout, options)
    shape = [num_cells(height, options), num_cells(width, options), layout.num_features]
    return scattered(columns, shape)


def scattered(columns: tf.Tensor, shape: list[Any]) -> tf.Tensor:
    """Returns dense rows of sparse ones.

    Args:
      columns: int32 [N, E], where the ones are, -1 for none; with repeats.
      shape: of one row; its product is the number of columns.

    Returns:
      uint8 [N, ...], 0 or 1.
    """
    rows, length = tf.shape(columns, tf.int64)[0], tf.reduce_prod(tf.cast(shape, tf.int64))
    places = tf.cast(columns, tf.int64) + length * tf.range(rows)[:, None]
    places = tf.boolean_mask(places, columns >= 0)[:, None]
    ones = tf.ones([tf.shape(places)[0]], tf.uint8)
    dense = tf.tensor_scatter_nd_max(tf.zeros([rows * length], tf.uint8), places, ones)
    full = tf.concat([rows[None], tf.cast(shape, tf.int64)], axis=0)
    return tf.ensure_shape(tf.reshape(dense, full), [columns.shape[0], *map(_static, shape)])


def _static(size: Any) -> int | None:
    """Returns a dimension if it is known while a graph is built."""
    value = tf.get_static_value(size)
    return None if value is None else int(value)


def pooled_matrix(
    indices: np.ndarray, layout: FeatureLayout, options: PoolOptions
) -> scipy.sparse.csr_matrix:
    """Pools index maps into one sparse row per image.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      layout: what features stand for.
      options: how maps are pooled.

    Returns:
      float32 [N, rows columns F], ones; `pooled_map`, flattened.
    """
    indices = np.asarray(indices, np.int32)
    height, width = indices.shape[1:]
    cells = landing_cells(height, width, 0.0, options)
    length = num_cells(height, options) * num_cells(width, options) * layout.num_features
    chunks = range(0, len(indices), ROWS_PER_CHUNK)
    columns = (
        pooled_columns(indices[first : first + ROWS_PER_CHUNK], cells, layout, options).numpy()
        for first in chunks
    )
    return sparse_rows(columns, length)


def sparse_rows(chunks: Any, length: int) -> scipy.sparse.csr_matrix:
    """Returns sparse rows of ones from where the ones are.

    Args:
      chunks: yields int32 [B, E], columns of consecutive rows, -1 for none;
        with repeats.
      length: columns of the matrix.

    Returns:
      float32 [N, length], ones, sorted and without repeats.
    """
    counts, indices = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    for columns in chunks:
        columns = np.sort(columns, axis=1)
        is_first = columns >= 0
        is_first[:, 1:] &= columns[:, 1:] != columns[:, :-1]
        counts.append(is_first.sum(axis=1))
        indices.append(columns[is_first])
    starts, joined = np.cumsum(np.concatenate(counts)), np.concatenate(indices)
    if starts[-1] <= np.iinfo(np.int32).max:
        # LIBLINEAR takes no 64-bit indices.
        starts = starts.astype(np.int32)
    data = np.ones(len(joined), np.float32)
    return scipy.sparse.csr_matrix((data, joined, starts), shape=(len(starts) - 1, length))


def spread_rotations(pooled: tf.Tensor, layout: FeatureLayout, radius: int) -> tf.Tensor:
    """Switches on the neighboring rotations of every part that is on.

    Args:
      pooled: uint8 [..., F], 0 or 1.
      layout: what features stand for.
      radius: rotations to either side, modulo R.

    Returns:
      uint8 [..., F].
    """
    shape = tf.shape(pooled)
    split = tf.reshape(pooled, tf.concat([shape[:-1], [-1, layout.num_rotations]], axis=0))
    result = split
    for step in range(1, min(radius, layout.num_rotations // 2) + 1):
        for shift in (-step, step):
            result = tf.maximum(result, tf.roll(split, shift, axis=-1))
    return tf.reshape(result, shape)
