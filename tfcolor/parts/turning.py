"""Turns of part and edge maps in feature space, without the image.

All turns are counter-clockwise as seen on the screen.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.parts.pooling import (
    ROWS_PER_CHUNK,
    FeatureLayout,
    PoolOptions,
    add_rotation,
    landing_cells,
    num_cells,
    pooled_columns,
    scattered,
    sparse_rows,
)

EDGE_DIRECTIONS = 8


def turn_features(
    indices: tf.Tensor, layout: FeatureLayout, steps: int, *, flips_polarity: bool = False
) -> tf.Tensor:
    """Renames features as a turn does: (z, t, r) to (z, t, r + steps).

    Args:
      indices: int32 [...], features, -1 for background, which stays.
      layout: what features stand for.
      steps: rotations to add, modulo R.
      flips_polarity: whether t becomes (t + 1) mod T.

    Returns:
      int32 [...].

    Example:
      >>> turn_features(tf.constant([0, 3, -1]), FeatureLayout(2, 4), 1).numpy()
      array([ 1,  0, -1], dtype=int32)
    """
    turned = add_rotation(indices, layout, steps)
    if not flips_polarity:
        return turned
    rank, period = layout.num_rotations, layout.num_transformations
    within = turned % period
    return tf.where(turned >= 0, turned - within + (within + rank) % period, turned)


def turn_map(maps: tf.Tensor, degrees: float, *, empty: int = 0) -> tf.Tensor:
    """Turns maps about their centers, reading the nearest position.

    Args:
      maps: [N, H, W, ...] of any type.
      degrees: counter-clockwise angle.
      empty: what fills positions that come from outside.

    Returns:
      [N, H, W, ...] of the same type.
    """
    maps = tf.convert_to_tensor(maps)
    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle = [(tf.cast(size, tf.float64) - 1) / 2 for size in (height, width)]
    down = (tf.cast(tf.range(height), tf.float64) - middle[0])[:, None]
    right = (tf.cast(tf.range(width), tf.float64) - middle[1])[None]
    rows = _nearest(middle[0] + cosine * down + sine * right)
    columns = _nearest(middle[1] - sine * down + cosine * right)
    is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = tf.where(is_inside, rows * width + columns, height * width)
    rest = tf.shape(maps)[3:]
    flat = tf.reshape(maps, tf.concat([tf.shape(maps)[:1], [height * width], rest], axis=0))
    outside = tf.fill(
        tf.concat([tf.shape(maps)[:1], [1], rest], axis=0), tf.cast(empty, maps.dtype)
    )
    turned = tf.gather(tf.concat([flat, outside], axis=1), tf.reshape(places, [-1]), axis=1)
    return tf.ensure_shape(tf.reshape(turned, tf.shape(maps)), maps.shape)


def _nearest(coordinates: tf.Tensor) -> tf.Tensor:
    """Returns the nearest integers; halves, up to rounding, go up."""
    return tf.cast(tf.floor(coordinates + 0.5 + 1e-9), tf.int32)


def turn_indices(indices: tf.Tensor, layout: FeatureLayout, steps: int) -> tf.Tensor:
    """Turns index maps by whole rotations of their parts.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      layout: what features stand for.
      steps: rotations, 360 / R degrees each.

    Returns:
      int32 [N, H, W]; -1 where nothing lands.
    """
    moved = turn_map(indices, 360.0 * steps / layout.num_rotations, empty=-1)
    return turn_features(moved, layout, steps)


def turn_edges(edges: tf.Tensor, steps: int) -> tf.Tensor:
    """Turns edge maps by multiples of 45 degrees.

    Args:
      edges: uint8 [N, H, W, 8C], channels S, SE, E, NE, N, NW, W, SW.
      steps: turns of 45 degrees.

    Returns:
      uint8 [N, H, W, 8C], position turned and channel e moved to e + steps.
    """
    return _roll_directions(turn_map(edges, 45.0 * steps), steps)


def flip_edge_polarity(edges: tf.Tensor) -> tf.Tensor:
    """Returns the edges of the inverted image: opposite directions exchanged.

    Args:
      edges: uint8 [N, H, W, 8C].

    Returns:
      uint8 [N, H, W, 8C].
    """
    return _roll_directions(edges, EDGE_DIRECTIONS // 2)


def _roll_directions(edges: tf.Tensor, steps: int) -> tf.Tensor:
    """Returns [N, H, W, 8C] with channel e of every color moved to e + steps."""
    edges = tf.convert_to_tensor(edges)
    shape = tf.shape(edges)
    split = tf.reshape(edges, tf.concat([shape[:-1], [-1, EDGE_DIRECTIONS]], axis=0))
    return tf.reshape(tf.roll(split, steps, axis=-1), shape)


def turned_matrix(
    indices: np.ndarray, layout: FeatureLayout, num_turns: int, options: PoolOptions
) -> scipy.sparse.csr_matrix:
    """Pools every turn of index maps into sparse rows.

    A turn moves each position to where it lands, into the nearest pooling cell,
    and adds to its rotation. Turn 0 is `pooled_matrix`.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      layout: what features stand for.
      num_turns: R', turns per circle; divides R.
      options: how maps are pooled.

    Returns:
      float32 [N R', rows columns F], ones; turn q of image n, by 360 q / R'
      degrees, is row n R' + q.

    Raises:
      UserError: if R' does not divide R.
    """
    _check_turns(num_turns, layout)
    indices = np.asarray(indices, np.int32)
    height, width = indices.shape[1:]
    cells = [
        landing_cells(height, width, 360.0 * turn / num_turns, options) for turn in range(num_turns)
    ]

    def chunks() -> Iterator[np.ndarray]:
        size = max(ROWS_PER_CHUNK // num_turns, 1)
        for first in range(0, len(indices), size):
            columns = _turned_columns(indices[first : first + size], cells, layout, options)
            yield columns.numpy().reshape(-1, columns.shape[-1])

    length = num_cells(height, options) * num_cells(width, options) * layout.num_features
    return sparse_rows(chunks(), length)


def turned_maps(
    indices: tf.Tensor, layout: FeatureLayout, num_turns: int, options: PoolOptions
) -> tf.Tensor:
    """Pools every turn of index maps into dense binary maps.

    Args:
      indices: int32 [N, H, W], features, -1 for background.
      layout: what features stand for.
      num_turns: R', turns per circle; divides R.
      options: how maps are pooled.

    Returns:
      uint8 [N, R', H // stride, W // stride, F].

    Raises:
      UserError: if R' does not divide R.
    """
    _check_turns(num_turns, layout)
    indices = tf.convert_to_tensor(indices)
    height, width = tf.shape(indices)[1], tf.shape(indices)[2]
    cells = [
        landing_cells(height, width, 360.0 * turn / num_turns, options) for turn in range(num_turns)
    ]
    columns = _turned_columns(indices, cells, layout, options)
    shape = [num_cells(height, options), num_cells(width, options), layout.num_features]
    rows = tf.reshape(columns, [-1, tf.shape(columns)[-1]])
    pooled = scattered(rows, shape)
    return tf.reshape(pooled, tf.stack([tf.shape(indices)[0], num_turns, *shape]))


def _turned_columns(
    indices: tf.Tensor, cells: list[tf.Tensor], layout: FeatureLayout, options: PoolOptions
) -> tf.Tensor:
    """Returns int32 [N, R', E], the features that each turn switches on."""
    step = layout.num_rotations // len(cells)
    turns = [
        pooled_columns(add_rotation(indices, layout, turn * step), landing, layout, options)
        for turn, landing in enumerate(cells)
    ]
    return tf.stack(turns, axis=1)


def _check_turns(num_turns: int, layout: FeatureLayout) -> None:
    """Raises UserError unless turns are whole rotations of the parts."""
    if num_turns < 1 or layout.num_rotations % num_turns:
        raise UserError(
            f"{num_turns} turns of parts that have {layout.num_rotations} rotations: "
            "expected a divisor"
        )
