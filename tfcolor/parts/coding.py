"""Coding: what the patches at every position are, most of all the likeliest part (eq. 1.2)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.parts.pooling import PoolOptions, kept_positions

BACKGROUND = -1
# Patches whose scores are in memory at a time: with 1280 parts 20 MB, at which
# matrix product and argmax together were fastest on two cores.
PATCHES_PER_CHUNK = 4096
IMAGES_PER_BATCH = 256
# Log odds are multiples of its inverse, 6e-5. While every partial sum stays below
# 1024, float32 sums are then exact, and scores do not depend on threads, batches or
# the column of a part; unrounded, copies of one part in columns 1 and 98 differed in
# their last bit. Nothing enforces that limit: log odds of 9.9 (a min_prob of 5e-5)
# exceed it where 104 of 288 edges have the largest, in a patch or in a part's bias,
# and can add up to 2852. From 1024 on every addition rounds to 1.2e-4, from 2048 on
# to 2.4e-4; parts whose scores are about as close may then change places.
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
    if size - 2 * frame < 1:
        raise ValueError(f"frame={frame}: expected less than half of size={size}")
    return window_sums(tf.cast(edges, tf.int32), size, frame)


def window_sums(maps: tf.Tensor, size: int, frame: int = 0) -> tf.Tensor:
    """Adds up all numbers of every patch, without its frame.

    Args:
      maps: numbers [N, H, W, D] of any type.
      size: S, side of a patch.
      frame: pixels at each side of the patch that do not count.

    Returns:
      [N, H-S+1, W-S+1] of the same type; empty if the map is smaller.
    """
    values = tf.reduce_sum(maps, axis=-1)
    height, width = _num_positions(values, size)
    inner = range(frame, size - frame)
    rows = tf.add_n([values[:, t : t + height] for t in inner])
    return tf.add_n([rows[:, :, t : t + width] for t in inner])


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
    to multiples of 2**-14, which makes scores exact and ties real as long as no
    partial sum reaches 1024: with log odds of at most 9.9, in patches of up to 103
    edges, for parts whose bias does not reach it.

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
        is_coded = edge_counts(edges, size, frame) >= min_edges
        if kept is not None:
            is_coded &= kept_patches(edges, size, kept)

        def find_best(patches: tf.Tensor) -> tf.Tensor:
            scores = tf.matmul(patches, weights) + bias
            return tf.argmax(scores, axis=-1, output_type=tf.int32)

        return answer_patches(edges, is_coded, size, find_best, tf.constant(BACKGROUND))

    def code(edges: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        filters = _on_grid(weights), _on_grid(bias)
        return joined_chunks(
            lambda first: code_batch(edges[first : first + IMAGES_PER_BATCH], *filters),
            tf.shape(edges)[0],
            IMAGES_PER_BATCH,
            tf.TensorSpec([None, None, None], tf.int32),
        )

    return tf.function(code, reduce_retracing=True, autograph=False)


def kept_patches(maps: tf.Tensor, size: int, kept: PoolOptions) -> tf.Tensor:
    """Tells which patches the pooling of their codes reads.

    Args:
      maps: [N, H, W, D].
      size: S, side of a patch.
      kept: how codes are pooled.

    Returns:
      bool [H-S+1, W-S+1].
    """
    height, width = _num_positions(maps, size)
    return kept_positions(height, kept)[:, None] & kept_positions(width, kept)


def answer_patches(
    maps: tf.Tensor,
    is_coded: tf.Tensor,
    size: int,
    answer: Callable[[tf.Tensor], tf.Tensor],
    background: tf.Tensor,
) -> tf.Tensor:
    """Computes something of every patch that is no background.

    Args:
      maps: uint8 or float32 [N, H, W, D].
      is_coded: bool [N, H-S+1, W-S+1], which patches are no background.
      size: S, side of a patch.
      answer: from float32 [Q, S S D], patches flattened as (row, column,
        channel), to [Q, ...]; sees a few thousand patches at a time.
      background: [...], what the other patches get.

    Returns:
      [N, H-S+1, W-S+1, ...], of the type of `background`.
    """
    places = tf.cast(tf.where(is_coded), tf.int32)
    length, rows = size * size * tf.shape(maps)[3], _patch_rows(maps, size)
    down = tf.constant([[0, row, 0] for row in range(size)])

    def answer_chunk(first: tf.Tensor) -> tf.Tensor:
        corners = places[first : first + PATCHES_PER_CHUNK, None]
        patches = tf.cast(tf.gather_nd(rows, corners + down), tf.float32)
        return answer(tf.reshape(patches, [-1, length]))

    like = tf.TensorSpec([None, *background.shape], background.dtype)
    answers = joined_chunks(answer_chunk, tf.shape(places)[0], PATCHES_PER_CHUNK, like)
    shape = tf.concat([tf.shape(is_coded), tf.shape(background)], axis=0)
    return tf.tensor_scatter_nd_update(tf.broadcast_to(background, shape), places, answers)


def joined_chunks(
    compute: Callable[[tf.Tensor], tf.Tensor], total: tf.Tensor, size: Any, like: tf.TensorSpec
) -> tf.Tensor:
    """Joins what is computed for one chunk after the other, which bounds memory.

    Args:
      compute: from the first index of a chunk, int32 [], to its rows [n, ...].
      total: int32 [], rows in all.
      size: rows of a chunk, a number or an int32 scalar.
      like: what `compute` returns.

    Returns:
      [total, ...]. There is one chunk at least, which may be empty.
    """
    num_chunks = tf.maximum(-(-total // size), 1)
    chunks = tf.TensorArray(
        like.dtype, size=num_chunks, infer_shape=False, element_shape=like.shape
    )
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


def _patch_rows(maps: tf.Tensor, size: int) -> tf.Tensor:
    """Returns [N, H, W-S+1, S D]: every row of every patch, contiguous."""
    _, width = _num_positions(maps, size)
    shifted = [maps[:, :, t : t + width] for t in range(size)]
    return tf.concat(shifted, axis=-1)
