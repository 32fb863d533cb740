"""The group of cyclic transformations, and correlation over it.

Index `i = R * t + r` stands for polarity `t` and rotation `r`.
"""

import dataclasses
import functools

import numpy as np


def cyclic_permutations(num_rotations: int, num_polarities: int = 1) -> np.ndarray:
    """Returns which block comes where after each transformation.

    Args:
      num_rotations: R.
      num_polarities: T; P = R * T.

    Returns:
      int32 [P, P], `[w, i]` is the index of transformation `w` followed by `i`.
      The matrix is symmetric and its rows are permutations.

    Raises:
      ValueError: if there is not at least one rotation and one polarity.

    Example:
      >>> cyclic_permutations(2, 2).tolist()
      [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 1.2.3.
    """
    if num_rotations < 1 or num_polarities < 1:
        raise ValueError(
            f"{num_rotations} rotations, {num_polarities} polarities: expected at least 1 of each"
        )
    polarities, rotations = np.divmod(np.arange(num_rotations * num_polarities), num_rotations)
    polarity = (polarities[:, None] + polarities) % num_polarities
    rotation = (rotations[:, None] + rotations) % num_rotations
    return (num_rotations * polarity + rotation).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class FastCorrelation:
    """Correlation over the group with fewer products than P squared.

    `sum_i x[A(w, i)] y[i]` equals `results @ ((left @ x) * (right @ y))`.

    Args:
      left: float64 [Q, P], applied to the samples.
      right: float64 [Q, P], applied to what they are correlated with.
      results: float64 [P, Q], back to one number for each `w`.
    """

    left: np.ndarray
    right: np.ndarray
    results: np.ndarray


@functools.lru_cache
def fast_correlation(num_rotations: int, num_polarities: int = 1) -> FastCorrelation:
    """Returns the matrices that make correlation over the group cheap.

    A real Fourier transform along each of the two cycles turns correlation into
    one complex product for each pair of conjugate frequencies, made of three
    real ones. So Q is about 1.5 P: 47 products for 32 rotations instead of 1024,
    and one, unchanged, for P = 1.

    Args:
      num_rotations: R.
      num_polarities: T.

    Returns:
      The matrices.
    """
    outer, inner = _cyclic(num_polarities), _cyclic(num_rotations)
    return FastCorrelation(*(np.kron(*pair) for pair in zip(outer, inner, strict=True)))


def _cyclic(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns left, right and results of correlation along one cycle."""
    left: list[np.ndarray] = []
    right: list[np.ndarray] = []
    results: list[np.ndarray] = []
    for frequency in range(size // 2 + 1):
        angles = 2 * np.pi * (frequency * np.arange(size) % size) / size
        cos, sin = np.cos(angles), np.sin(angles)
        if 2 * frequency % size == 0:
            cos = np.round(cos)
            left, right, results = [*left, cos], [*right, cos], [*results, cos / size]
            continue
        # (a - ib)(c + id) from three products: c(a - b), a(d - c), b(c + d).
        left += [cos - sin, cos, sin]
        right += [cos, sin - cos, cos + sin]
        results += [2 * (cos - sin) / size, -2 * sin / size, 2 * cos / size]
    return np.stack(left), np.stack(right), np.stack(results, axis=1)
