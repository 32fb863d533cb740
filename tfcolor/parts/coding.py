"""Coding: the likeliest part at every position of an edge map (equation 1.2)."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcolor.parts.pooling import PoolOptions, kept_positions

BACKGROUND = -1
# Patches whose scores are in memory at a time: with 1280 parts 20 MB, at which
# matrix product and argmax together were fastest on two cores.
PATCHES_PER_CHUNK = 4096
IMAGES_PER_BATCH = 256
# Log odds are multiples of its inverse, 6e-5: then float32 sums below 1024 are
# exact and scores do not depend on threads, batches or the column of a part.
# Unrounded, copies of one part in columns 1 and 98 differed in their last bit.
GRID = 2.0**14


def part_kernel(log_odds: np.ndarray, size: int) -> np.ndarray:
    """Returns the parts of a mixture as a convolution kernel.

    Args:
      log_odds: float32 [M, P, S S D], logits of the means, patches flattened
        as (row, column, channel).
      size: S, side of a patch.

    Returns:
      float32 [S, S, D, M P], feature f = z P + i last.

    Example:
      >>> part_kernel(np.zeros([3, 2, 36 * 8]), 6).shape
      (6, 6, 8, 6)
    """
    parts = np.asarray(log_odds, np.float32)
    kernel = parts.reshape(parts.shape[0] * parts.shape[1], size, size, -1)
    return np.ascontiguousarray(kernel.transpose(1, 2, 3, 0))


def edge_counts(edges: tf.Tensor, size: int, frame: int) -> tf.Tensor:
    """Counts the edges of every patch, without its frame.

    Args:
      edges: uint8 [N, H, W, D], 0 or 1.
      size: S, side of a patch.
      frame: pixels at each side of the patch that do not count.

    Returns:
      int32 [N, H-S+1, W-S+1]; empty if the map is smaller than the patch.

    Raises:
      ValueError: if the frame leaves nothing.
    """
    inner = size - 2 * frame
    if inner < 1:
        raise ValueError(f"frame={frame}: expected less than half of size={size}")
    ones = tf.reduce_sum(tf.cast(edges, tf.int32), axis=-1)
    height, width = _num_positions(ones, size)
    rows = tf.add_n([ones[:, frame + t : frame + t + height] for t in range(inner)])
    return tf.add_n([rows[:, :, frame + t : frame + t + width] for t in range(inner)])


def _num_positions(maps: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns along each axis how many patches fit into [N, H, W, ...]."""
    counts = tf.maximum(tf.shape(maps)[1:3] - size + 1, 0)
    return counts[0], counts[1]


def code_parts(
    edges: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    *,
    min_edges: int,
    frame: int,
    kept: PoolOptions | None = None,
) -> tf.Tensor:
    """Finds the likeliest part at every position.

    Scores are the cross-correlation with the kernel plus the bias. They exist
    only for a few thousand patches at a time, however many images there are,
    and not at all for patches without enough edges. Kernel and bias are rounded
    to multiples of 2**-14, which makes the scores exact and ties real.

    Args:
      edges: uint8 [N, H, W, D], 0 or 1.
      kernel: float32 [S, S, D, F], log odds of the parts.
      bias: float32 [F], their sums of ln(1 - mean).
      min_edges: edges below which a patch is background.
      frame: pixels at each side of the patch that do not count as edges.
      kept: the pooling that follows, if it is not a turned one: positions that
        it discards are left uncoded.

    Returns:
      int32 [N, H-S+1, W-S+1], the feature of highest score, of several the
      first; -1 for background.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017 (equations 1.2 and A.4).
    """
    size = int(kernel.shape[0])
    weights = tf.reshape(kernel, [-1, kernel.shape[-1]])
    return _coder(size, min_edges, frame, kept)(tf.convert_to_tensor(edges), weights, bias)


@functools.lru_cache(maxsize=32)
def _coder(
    size: int, min_edges: int, frame: int, kept: PoolOptions | None
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the graph function of `code_parts` for some settings."""

    def code_batch(edges: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Returns the index maps of edges [B, H, W, D]."""
        counts = edge_counts(edges, size, frame)
        is_coded = counts >= min_edges
        if kept is not None:
            height, width = _num_positions(edges, size)
            rows, columns = kept_positions(height, kept), kept_positions(width, kept)
            is_coded &= rows[:, None] & columns
        places = tf.cast(tf.where(is_coded), tf.int32)
        background = tf.fill(tf.shape(counts), BACKGROUND)
        features = _best_parts(edges, places, size, (weights, bias))
        return tf.tensor_scatter_nd_update(background, places, features)

    def code(edges: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        filters = _on_grid(weights), _on_grid(bias)
        return _joined_chunks(
            lambda first: code_batch(edges[first : first + IMAGES_PER_BATCH], *filters),
            tf.shape(edges)[0],
            IMAGES_PER_BATCH,
            [None, None, None],
        )

    return tf.function(code, reduce_retracing=True, autograph=False)


def _joined_chunks(
    compute: Callable[[tf.Tensor], tf.Tensor], total: tf.Tensor, size: int, shape: list[None]
) -> tf.Tensor:
    """Returns `compute(first)`, int32 of some shape, for every `size`-th first, joined.

    One chunk runs at a time, which bounds memory; there is one at least.
    """
    num_chunks = tf.maximum(-(-total // size), 1)
    chunks = tf.TensorArray(tf.int32, size=num_chunks, infer_shape=False, element_shape=shape)
    _, chunks = tf.while_loop(
        lambda chunk, _: chunk < num_chunks,
        lambda chunk, chunks: (chunk + 1, chunks.write(chunk, compute(chunk * size))),
        (0, chunks),
        parallel_iterations=1,
    )
    return chunks.concat()


def _on_grid(values: tf.Tensor) -> tf.Tensor:
    """Returns float32 values rounded to multiples of 1 / GRID."""
    return tf.round(values * GRID) / GRID


def _best_parts(
    edges: tf.Tensor, places: tf.Tensor, size: int, filters: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """Returns int32 [Q], the best part of the patches at places [Q, 3]."""
    rows, (weights, bias) = _patch_rows(edges, size), filters
    down = tf.constant([[0, row, 0] for row in range(size)])

    def code_chunk(first: tf.Tensor) -> tf.Tensor:
        corners = places[first : first + PATCHES_PER_CHUNK, None]
        patches = tf.cast(tf.gather_nd(rows, corners + down), tf.float32)
        patches = tf.reshape(patches, [-1, tf.shape(weights)[0]])
        return tf.argmax(tf.matmul(patches, weights) + bias, axis=-1, output_type=tf.int32)

    return _joined_chunks(code_chunk, tf.shape(places)[0], PATCHES_PER_CHUNK, [None])


def _patch_rows(edges: tf.Tensor, size: int) -> tf.Tensor:
    """Returns uint8 [N, H, W-S+1, S D]: every row of every patch, contiguous."""
    _, width = _num_positions(edges, size)
    shifted = [edges[:, :, t : t + width] for t in range(size)]
    return tf.concat(shifted, axis=-1)
