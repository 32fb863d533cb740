"""Complete samples, dense or sparse, read in chunks."""

import dataclasses
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.mixtures.correlation import Correlation, DenseCorrelation, SparseCorrelation


class Samples(Protocol):
    """What a mixture is fitted to: N samples of P blocks of D numbers.

    Block `i` of a sample is the sample under transformation `i`.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns (N, P, D)."""

    @property
    def correlation(self) -> Correlation:
        """Returns how chunks are correlated with parameters."""

    @property
    def numbers_each(self) -> int:
        """Returns how many numbers are held for a sample of a chunk."""

    @property
    def signature(self) -> tf.TypeSpec:
        """Returns what one chunk is."""

    def chunk(self, index: int, size: int) -> Any:
        """Returns samples `index * size` to `(index + 1) * size`, those that there are."""

    def select(self, indices: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D], the samples at `indices` (integers [K])."""


@dataclasses.dataclass(frozen=True)
class DenseSamples:
    """Samples in one array, which may be a file mapped into memory.

    Args:
      values: uint8 or float [N, P, D]; zeros and ones for Bernoulli mixtures.
      num_polarities: T; the number of rotations is P / T.

    Raises:
      UserError: if there are no samples.
      ValueError: if the array has another rank, or P is no multiple of T.
    """

    values: np.ndarray
    num_polarities: int = 1

    def __post_init__(self) -> None:
        _check_shape(self.values.shape, self.num_polarities)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns (N, P, D)."""
        num_samples, num_blocks, size = self.values.shape
        return num_samples, num_blocks, size

    @property
    def correlation(self) -> DenseCorrelation:
        """Returns how chunks are correlated with parameters."""
        return DenseCorrelation(self.shape[1] // self.num_polarities, self.num_polarities)

    @property
    def numbers_each(self) -> int:
        """Returns how many numbers are held for a sample of a chunk."""
        return 3 * self.shape[1] * self.shape[2]

    @property
    def signature(self) -> tf.TypeSpec:
        """Returns what one chunk is."""
        return tf.TensorSpec([None, *self.shape[1:]], self._dtype)

    def chunk(self, index: int, size: int) -> np.ndarray:
        """Returns uint8 or float32 [n, P, D], chunk number `index` of at most `size` samples."""
        return np.asarray(self.values[index * size : (index + 1) * size], self._dtype)

    def select(self, indices: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D], the samples at `indices` (integers [K])."""
        return np.asarray(self.values[indices], np.float64)

    @property
    def _dtype(self) -> type:
        return np.uint8 if self.values.dtype in (np.uint8, np.bool_) else np.float32


@dataclasses.dataclass(frozen=True)
class SparseSamples:
    """Binary samples with few ones.

    Args:
      rows: `scipy.sparse.csr_matrix` [N * P, D] of zeros and ones; row
        `n * P + i` is block `i` of sample `n`.
      num_blocks: P.
      num_polarities: T; the number of rotations is P / T.

    Raises:
      UserError: if there are no samples.
      ValueError: if the rows are no multiple of P, or P none of T.
    """

    rows: Any
    num_blocks: int = 1
    num_polarities: int = 1

    def __post_init__(self) -> None:
        if self.rows.shape[0] % self.num_blocks:
            raise ValueError(f"{self.rows.shape[0]} rows: expected a multiple of {self.num_blocks}")
        _check_shape(self.shape, self.num_polarities)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns (N, P, D)."""
        num_rows, size = self.rows.shape
        return num_rows // self.num_blocks, self.num_blocks, size

    @property
    def correlation(self) -> SparseCorrelation:
        """Returns how chunks are correlated with parameters."""
        return SparseCorrelation(self.num_blocks // self.num_polarities, self.num_polarities)

    @property
    def numbers_each(self) -> int:
        """Returns how many numbers are held for an average sample of a chunk."""
        return 8 * self.rows.nnz // self.shape[0] + 1

    @property
    def signature(self) -> tf.TypeSpec:
        """Returns what one chunk is."""
        return tf.SparseTensorSpec([None, self.shape[2]], tf.float32)

    def chunk(self, index: int, size: int) -> tf.SparseTensor:
        """Returns float32 [n * P, D], chunk number `index` of at most `size` samples."""
        step = size * self.num_blocks
        rows = self.rows[index * step : (index + 1) * step].tocoo()
        places = np.stack([rows.row, rows.col], axis=1).astype(np.int64)
        return tf.SparseTensor(places, rows.data.astype(np.float32), rows.shape)

    def select(self, indices: np.ndarray) -> np.ndarray:
        """Returns float64 [K, P, D], the samples at `indices` (integers [K])."""
        rows = (np.asarray(indices)[:, None] * self.num_blocks + np.arange(self.num_blocks)).ravel()
        return self.rows[rows].toarray().astype(np.float64).reshape(-1, *self.shape[1:])


def choose_samples(samples: Samples, count: int, seed: int) -> np.ndarray:
    """Returns int64 [K], the indices of samples drawn without repetition.

    Args:
      samples: N samples.
      count: K.
      seed: of the choice.

    Returns:
      Indices in random order.

    Raises:
      UserError: if there are fewer than K samples.
    """
    num_samples = samples.shape[0]
    if count > num_samples:
        raise UserError(
            f"{count} components from {num_samples} samples: expected at most one per sample"
        )
    return np.random.default_rng(seed).choice(num_samples, count, replace=False)


def _check_shape(shape: tuple[int, ...], num_polarities: int) -> None:
    """Raises where an array does not hold complete samples."""
    if len(shape) != 3 or shape[1] % num_polarities or not (shape[1] and shape[2]):
        raise ValueError(
            f"samples {list(shape)}: expected [N, P, D], P a multiple of {num_polarities}"
        )
    if not shape[0]:
        raise UserError("a mixture needs samples, but there are none")
