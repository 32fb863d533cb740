"""Oriented binary edges and their spreading: the first layer of a parts network."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfcolor.core.options import check_options, option

# Base directions S, SE, E, NE as (row, column); across direction e is (e + 2) % 4.
DIRECTIONS = ((1, 0), (1, 1), (0, 1), (-1, 1))
# Float images are compared on this grid: it holds k / 255 and k / 256 exactly, so
# that the strict comparisons do not see rounding noise, and differences of its
# integers are exact in float32.
GRID = 255 * 256
BORDER = 2


@dataclasses.dataclass(frozen=True)
class EdgeOptions:
    """How oriented edges are found and spread."""

    min_wins: int = option(
        5, "neighboring differences, of 6, that an edge must exceed", minimum=0, maximum=6
    )
    min_contrast: float = option(
        0.05, "intensity step, of 1, that an edge must exceed", minimum=0, maximum=1
    )
    contrast_insensitive: bool = option(
        False, "whether opposite directions share a channel, which leaves 4 of 8"
    )
    spread: str = option(
        "orthogonal",
        "where edges spread: along their gradient, in a box or not at all",
        choices=("orthogonal", "box", "none"),
    )
    spread_radius: int = option(1, "how far edges spread, in pixels", minimum=0)
    preserve_size: bool = option(True, "whether the border of 2 pixels without edges is kept")


def num_edge_channels(options: EdgeOptions, channels: Any = 1) -> Any:
    """Returns how many edge channels images of so many channels have.

    Args:
      options: how edges are found.
      channels: C, channels of the images, a number or an int32 scalar.

    Returns:
      8C, or 4C where opposite directions share a channel.
    """
    return channels * (4 if options.contrast_insensitive else 8)


def oriented_edges(images: tf.Tensor, options: EdgeOptions) -> tf.Tensor:
    """Finds binary edges in eight orientations and spreads them.

    An edge joins a pixel and its neighbor along a direction. It is there if
    their step in intensity exceeds `min_contrast` and at least `min_wins` of
    the six steps to the neighbors of the pair. Channel 0 to 7 tells where
    intensity drops: S, SE, E, NE, N, NW, W, SW. Float images are rounded to
    multiples of 1 / 65280 before, which keeps 8-bit values apart and makes
    uint8 images and their quotients by 255 agree.

    Args:
      images: uint8 [N, H, W, C], or float32 [N, H, W, C] in [0, 1].
      options: how edges are found and spread.

    Returns:
      uint8 [N, H, W, 8C], 0 or 1; feature e of channel c is at 8c + e. Without
      `preserve_size`, H and W are less by 4; with `contrast_insensitive`, four
      features take the place of eight. Images with a side below 5 have none.

    Raises:
      ValueError: if `images` are neither uint8 nor floats.

    Example:
      >>> import numpy as np
      >>> step = np.zeros([1, 6, 6, 1], np.uint8)
      >>> step[:, :, 3:] = 255
      >>> np.argwhere(oriented_edges(step, EdgeOptions(spread="none"))[0].numpy())
      array([[2, 2, 6],
             [3, 2, 6]])
    """
    images = tf.convert_to_tensor(images)
    if images.dtype != tf.uint8 and not images.dtype.is_floating:
        raise ValueError(f"images of {images.dtype.name}: expected uint8, or float32 in [0, 1]")
    return _compiled(options)(images)


@functools.lru_cache(maxsize=32)
def _compiled(options: EdgeOptions) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the graph function of some options."""
    check_options(options)
    return tf.function(
        lambda images: _find_edges(images, options), reduce_retracing=True, autograph=False
    )


def _find_edges(images: tf.Tensor, options: EdgeOptions) -> tf.Tensor:
    """Returns the edges of [N, H, W, C]."""
    shape = tf.shape(images)
    if images.dtype == tf.uint8:
        values, scale = tf.cast(images, tf.float32), 255
    else:
        values, scale = tf.round(tf.cast(images, tf.float32) * GRID), GRID
    values = _at_least_border(values, shape)
    # The small term undoes the rounding of products such as 0.3 * 65280.
    threshold = math.floor(options.min_contrast * scale + 1e-6)
    inner = tf.shape(values) - [0, 2 * BORDER, 2 * BORDER, 0]
    ahead = [tf.roll(values, (-v[0], -v[1]), axis=(1, 2)) for v in DIRECTIONS]
    steps = [tf.abs(other - values) for other in ahead]
    falls, rises = [], []
    for direction in range(4):
        fires = _fires(steps, direction, inner, (threshold, options.min_wins))
        rise = _inner(ahead[direction] > values, (0, 0), inner)
        falls.append(tf.logical_and(fires, tf.logical_not(rise)))
        rises.append(tf.logical_and(fires, rise))
    if options.contrast_insensitive:
        maps = [tf.logical_or(fall, rise) for fall, rise in zip(falls, rises, strict=True)]
    else:
        maps = falls + rises
    edges = tf.cast(tf.stack(maps, axis=-1), tf.uint8)
    edges = tf.pad(edges, [[0, 0], [BORDER, BORDER], [BORDER, BORDER], [0, 0], [0, 0]])
    channels = images.shape[3] and num_edge_channels(options, images.shape[3])
    size = [shape[0], shape[1], shape[2], num_edge_channels(options, shape[3])]
    edges = tf.reshape(edges[:, : shape[1], : shape[2]], size)
    edges = spread_edges(tf.ensure_shape(edges, [*images.shape[:3], channels]), options)
    return edges if options.preserve_size else edges[:, BORDER:-BORDER, BORDER:-BORDER]


def _at_least_border(values: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns [N, H, W, C] padded where a side is shorter than both its borders."""
    missing = tf.maximum(2 * BORDER - shape[1:3], 0)
    return tf.pad(values, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])


def _fires(
    steps: list[tf.Tensor], direction: int, inner: tf.Tensor, limits: tuple[int, int]
) -> tf.Tensor:
    """Returns where the pair along a direction is an edge, bool [N, H-4, W-4, C].

    `steps[e]` is the step from every pixel to its neighbor along direction e,
    wrong only where that neighbor is outside, which no comparison reads.
    """
    v, u = DIRECTIONS[direction], DIRECTIONS[(direction + 2) % 4]
    along, across = steps[direction], steps[(direction + 2) % 4]
    step = _inner(along, (0, 0), inner)
    rivals = [_inner(along, (-v[0], -v[1]), inner), _inner(along, v, inner)]
    for row, column in ((0, 0), v):
        rivals.append(_inner(across, (row, column), inner))
        rivals.append(_inner(across, (row - u[0], column - u[1]), inner))
    threshold, min_wins = limits
    wins = tf.add_n([tf.cast(step > rival, tf.float32) for rival in rivals])
    return tf.logical_and(wins >= min_wins, step > threshold)


def _inner(maps: tf.Tensor, shift: tuple[int, int], inner: tf.Tensor) -> tf.Tensor:
    """Returns [N, H-4, W-4, C], of shape `inner`, read at inner pixels plus `shift`."""
    return tf.slice(maps, [0, BORDER + shift[0], BORDER + shift[1], 0], inner)


def spread_edges(edges: tf.Tensor, options: EdgeOptions) -> tf.Tensor:
    """Dilates edge maps, along their gradient or in a box.

    Args:
      edges: uint8 [N, H, W, 8C], 0 or 1; [N, H, W, 4C] where opposite
        directions share a channel.
      options: `spread` and `spread_radius` are read.

    Returns:
      uint8 of the same shape; spreading ends at the border of the image.
    """
    radius = options.spread_radius
    if options.spread == "none" or radius == 0:
        return edges
    if options.spread == "box":
        return _dilated(_dilated(edges, (1, 0), radius), (0, 1), radius)
    kinds = tf.stack([_dilated(edges[..., e::4], DIRECTIONS[e], radius) for e in range(4)], axis=-1)
    return tf.reshape(kinds, tf.shape(edges))


def _dilated(maps: tf.Tensor, direction: tuple[int, int], radius: int) -> tf.Tensor:
    """Returns the maximum of [N, H, W, C] over a segment of 2 radius + 1 pixels."""
    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    padded = tf.pad(maps, [[0, 0], [radius, radius], [radius, radius], [0, 0]])
    result = maps
    for t in [*range(-radius, 0), *range(1, radius + 1)]:
        top, left = radius - t * direction[0], radius - t * direction[1]
        result = tf.maximum(result, padded[:, top : top + height, left : left + width])
    return result
