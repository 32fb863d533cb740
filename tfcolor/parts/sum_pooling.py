"""Pooling of maps of numbers by sums, over the windows of OR-pooling."""

from typing import Any

import tensorflow as tf

from tfcolor.parts.pooling import PoolOptions, num_cells, pool_start


def pool_windows(size: Any, options: PoolOptions) -> tf.Tensor:
    """Tells which positions of an axis each pooling window holds.

    Args:
      size: positions along the axis, a number or an int32 scalar.
      options: how maps are pooled.

    Returns:
      float32 [cells, H], 0 or 1, H being `size`.

    Example:
      >>> pool_windows(5, PoolOptions(window=2, stride=2)).numpy().astype(int)
      array([[1, 1, 0, 0, 0],
             [0, 0, 1, 1, 0]])
    """
    cells = tf.range(num_cells(size, options))[:, None]
    starts = pool_start(size, options) + options.stride * cells
    positions = tf.range(size)
    is_inside = (positions >= starts) & (positions < starts + options.window)
    return tf.cast(is_inside, tf.float32)


def summed_map(maps: tf.Tensor, options: PoolOptions) -> tf.Tensor:
    """Sums maps over pooling windows.

    Args:
      maps: float32 [N, H, W, F].
      options: window and stride; the others are for binary maps.

    Returns:
      float32 [N, H // stride, W // stride, F].

    References:
      Coates, Lee, Ng. An Analysis of Single-Layer Networks in Unsupervised Feature
      Learning. AISTATS 2011.
    """
    rows, columns = (pool_windows(tf.shape(maps)[axis], options) for axis in (1, 2))
    summed = tf.matmul(columns[None, None], maps)
    count, height = tf.shape(summed)[0], tf.shape(summed)[1]
    across, channels = tf.shape(summed)[2], maps.shape[3]
    flat = tf.matmul(rows[None], tf.reshape(summed, [count, height, across * channels]))
    return tf.reshape(flat, [count, tf.shape(rows)[0], across, channels])
