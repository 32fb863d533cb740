"""Correlation of sample blocks with component blocks over the group, and its transpose.

With samples x and weights y, `sum_i x[n, A(w, i)] . y[k, i]` for every sample
n, component k and transformation w is what an E-step needs; the transpose of
the same map in y is what an M-step needs.
"""

import dataclasses
from collections.abc import Hashable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfcolor.mixtures.permutations import cyclic_permutations, fast_correlation


class Correlation(Hashable, Protocol):
    """The map from weights to correlations, for one kind of chunk."""

    def prepare(self, weights: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D] weights as float32, in the order of `correlate`."""

    def read(self, chunk: Any) -> Any:
        """Returns the blocks of a chunk of samples, for the methods below."""

    def transform(self, blocks: Any) -> Any:
        """Returns what both `correlate` and `accumulate` need of the blocks."""

    def correlate(self, transformed: Any, weights: tf.Tensor) -> tf.Tensor:
        """Returns float32 [P, n, K], the correlation with prepared weights."""

    def accumulate(self, transformed: Any, factors: tf.Tensor) -> tf.Tensor:
        """Returns the transpose of `correlate` of float32 [P, n, K]."""

    def project(self, blocks: Any, direction: tf.Tensor) -> tf.Tensor:
        """Returns float64 [n], the sum of all blocks times float64 [D]."""

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Returns summed results of `accumulate` as float64 [K, P, D]."""


@dataclasses.dataclass(frozen=True)
class DenseCorrelation:
    """Correlation of arrays in the Fourier domain of the group.

    Args:
      num_rotations: R.
      num_polarities: T.
    """

    num_rotations: int
    num_polarities: int = 1

    def prepare(self, weights: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D] weights as float32 [Q, D, K]."""
        return _combine(self._fast.right, weights.transpose(1, 2, 0)).astype(np.float32)

    def read(self, chunk: tf.Tensor) -> tf.Tensor:
        """Returns uint8 or float32 [n, P, D] as float32 [P, n, D]."""
        return tf.cast(tf.transpose(chunk, [1, 0, 2]), tf.float32)

    def transform(self, blocks: tf.Tensor) -> tf.Tensor:
        """Returns float32 [P, n, D] as [Q, n, D]."""
        return _mix(self._fast.left, blocks)

    def correlate(self, transformed: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Returns float32 [P, n, K], the correlation with weights [Q, D, K]."""
        return _mix(self._fast.results, _multiply(transformed, weights))

    def accumulate(self, transformed: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """Returns float32 [Q, D, K] of factors [P, n, K]."""
        mixed = _mix(self._fast.results.T, factors)
        return _multiply(transformed, mixed, transpose_a=True)

    def project(self, blocks: tf.Tensor, direction: tf.Tensor) -> tf.Tensor:
        """Returns float64 [n], the sum of all blocks times float64 [D]."""
        return tf.linalg.matvec(tf.cast(tf.reduce_sum(blocks, axis=0), tf.float64), direction)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Returns float64 [Q, D, K] as [K, P, D]."""
        return _combine(self._fast.right.T, sums).transpose(2, 0, 1)

    @property
    def _fast(self) -> Any:
        return fast_correlation(self.num_rotations, self.num_polarities)


@dataclasses.dataclass(frozen=True)
class SparseCorrelation:
    """Correlation of binary rows with few ones, block by block.

    Args:
      num_rotations: R.
      num_polarities: T.
    """

    num_rotations: int
    num_polarities: int = 1

    def prepare(self, weights: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D] weights as float32 [D, P * K]."""
        return weights.transpose(2, 1, 0).reshape(weights.shape[2], -1).astype(np.float32)

    def read(self, chunk: tf.SparseTensor) -> tf.SparseTensor:
        """Returns float32 [n * P, D] as it is."""
        return chunk

    def transform(self, blocks: tf.SparseTensor) -> tf.SparseTensor:
        """Returns float32 [n * P, D] as it is."""
        return blocks

    def correlate(self, transformed: tf.SparseTensor, weights: tf.Tensor) -> tf.Tensor:
        """Returns float32 [P, n, K], the correlation with weights [D, P * K]."""
        products = tf.sparse.sparse_dense_matmul(transformed, weights)
        num_components = weights.shape[1] // len(self._order)
        pairs = tf.reshape(products, [-1, len(self._order) ** 2, num_components])
        places = self._order * len(self._order) + np.arange(len(self._order))
        sums = tf.reduce_sum(tf.gather(pairs, places, axis=1), axis=2)
        return tf.transpose(sums, [1, 0, 2])

    def accumulate(self, transformed: tf.SparseTensor, factors: tf.Tensor) -> tf.Tensor:
        """Returns float32 [D, P * K] of factors [P, n, K]."""
        # Entry [a, i] is the w for which A(w, i) = a.
        inverse = np.argsort(self._order, axis=0)
        pairs = tf.transpose(tf.gather(factors, inverse), [2, 0, 1, 3])
        wide = tf.reshape(pairs, [-1, len(inverse) * factors.shape[2]])
        return tf.sparse.sparse_dense_matmul(transformed, wide, adjoint_a=True)

    def project(self, blocks: tf.SparseTensor, direction: tf.Tensor) -> tf.Tensor:
        """Returns float64 [n], the sum of all blocks times float64 [D]."""
        rows, columns = tf.unstack(blocks.indices, axis=1)
        products = tf.cast(blocks.values, tf.float64) * tf.gather(direction, columns)
        num_blocks = len(self._order)
        return tf.math.unsorted_segment_sum(
            products, rows // num_blocks, blocks.dense_shape[0] // num_blocks
        )

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Returns float64 [D, P * K] as [K, P, D]."""
        return sums.reshape(len(sums), len(self._order), -1).transpose(2, 1, 0)

    @property
    def _order(self) -> np.ndarray:
        return cyclic_permutations(self.num_rotations, self.num_polarities)


def _mix(matrix: np.ndarray, blocks: tf.Tensor) -> tf.Tensor:
    """Applies float64 [Q, P] to the first axis of float32 [P, n, D]."""
    if matrix.shape == (1, 1):
        return blocks
    shape = tf.shape(blocks)
    mixed = tf.constant(matrix, tf.float32) @ tf.reshape(blocks, [matrix.shape[1], -1])
    return tf.reshape(mixed, [matrix.shape[0], shape[1], blocks.shape[2]])


def _multiply(left: tf.Tensor, right: tf.Tensor, *, transpose_a: bool = False) -> tf.Tensor:
    """Returns the products of float32 [Q, m, k] and [Q, k, n], one after the other.

    oneDNN's product of whole batches rounds as the number of threads has it.
    """
    pairs = zip(tf.unstack(left), tf.unstack(right), strict=True)
    return tf.stack([tf.matmul(a, b, transpose_a=transpose_a) for a, b in pairs])


def _combine(matrix: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Applies float64 [Q, P] to the first axis of float64 [P, D, K].

    Not by BLAS, whose rounding may depend on the number of threads.
    """
    return blocks if matrix.shape == (1, 1) else np.einsum("qp,pdk->qdk", matrix, blocks)
