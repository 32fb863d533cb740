"""Nearest neighbors among unit vectors, and what they say about a class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

DECIMALS = 9
"""Cosines that agree to so many are a tie."""
CHUNK = 512
"""Queries whose cosines are in memory at a time."""
TEMPERATURE = 0.07
WEIGHTS = ("uniform", "exponential")


class Whitening:
    """Principal components of unit variance, fitted to other vectors.

    The covariance is that of the population (divided by N). Components without
    variance are left out.

    Args:
      vectors: float [N, D], what it is fitted to.
      size: components to keep, those of the largest variance; 0 for all.

    Example:
      >>> whitening = Whitening([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
      >>> np.abs(whitening([[2.0, 0.0]])).round(6).tolist()
      [[1.414214, 0.0]]
    """

    def __init__(self, vectors: ArrayLike, size: int = 0) -> None:
        from sklearn.decomposition import PCA  # slow to import

        values = np.asarray(vectors, np.float64)
        model = PCA(size or None).fit(values)
        variances = model.explained_variance_ * (len(values) - 1) / len(values)
        kept = variances > variances.max() * 1e-12
        self._mean = model.mean_
        self._axes = model.components_[kept].T / np.sqrt(variances[kept])

    def __call__(self, vectors: ArrayLike) -> np.ndarray:
        """Returns float64 [N, K] of vectors float [N, D]."""
        return (np.asarray(vectors, np.float64) - self._mean) @ self._axes


def unit_vectors(vectors: ArrayLike) -> np.ndarray:
    """Divides vectors by their Euclidean length.

    Args:
      vectors: float [N, D].

    Returns:
      float64 [N, D] of length 1; a vector of zeros stays as it is.
    """
    values = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)


def nearest_neighbors(
    queries: np.ndarray, vectors: np.ndarray, count: int, own: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the vectors of the largest cosine with each query.

    Of vectors with equal cosines, to nine decimals, the first one comes first.

    Args:
      queries: float64 [Q, D], of length 1.
      vectors: float64 [N, D], of length 1, among which to look.
      count: how many neighbors, at least 1; fewer if there are not as many.
      own: int [Q], the vector that is the query itself and is passed over; None
        where the queries are not among the vectors.

    Returns:
      (neighbors, cosines): int [Q, K] positions in falling order of the cosine,
      and float64 [Q, K].

    Example:
      >>> vectors = unit_vectors([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.7, 0.7]])
      >>> nearest_neighbors(vectors, vectors, 1, own=range(5))[0][:, 0].tolist()
      [1, 0, 3, 2, 1]
    """
    count = min(count, len(vectors) - (own is not None))
    found, cosines = [], []
    for start in range(0, len(queries), CHUNK):
        some = np.round(queries[start : start + CHUNK] @ vectors.T, DECIMALS)
        if own is not None:
            rows = np.arange(len(some))
            some[rows, np.asarray(own)[start : start + CHUNK]] = -np.inf
        order = np.argsort(-some, axis=1, kind="stable")[:, :count]
        found.append(order)
        cosines.append(np.take_along_axis(some, order, axis=1))
    return np.concatenate(found), np.concatenate(cosines)


def recall_at(counts: Sequence[int], truth: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Returns how often a query's class is among those of its nearest neighbors.

    Args:
      counts: numbers of neighbors that are looked at.
      truth: int [Q], class of each query.
      labels: int [Q, K], classes of its neighbors, nearest first.

    Returns:
      For each count that there are neighbors for, a share in [0, 1].

    Example:
      >>> recall_at((1, 2, 5), np.array([0, 1]), np.array([[0, 1], [0, 1]]))
      {1: 0.5, 2: 1.0}
    """
    hits = labels == truth[:, np.newaxis]
    usable = [count for count in counts if count <= labels.shape[1]]
    return {count: float(hits[:, :count].any(axis=1).mean()) for count in usable}


def vote(labels: np.ndarray, cosines: np.ndarray, weights: str) -> np.ndarray:
    """Returns the class that most neighbors have, the lowest of several.

    Args:
      labels: int [Q, K] in [0, C), classes of the neighbors.
      cosines: float64 [Q, K].
      weights: "uniform", or "exponential" for `exp(cosine / 0.07)`.

    Returns:
      int [Q].

    References:
      Wu, Xiong, Yu, Lin. Unsupervised Feature Learning via Non-Parametric
      Instance Discrimination. CVPR 2018, section 3.4 (exponential weights).
    """
    values = np.ones_like(cosines)
    if weights == "exponential":
        values = np.exp(cosines / TEMPERATURE)
    ballots = np.zeros((len(labels), int(labels.max(initial=0)) + 1))
    rows = np.broadcast_to(np.arange(len(labels))[:, np.newaxis], labels.shape)
    np.add.at(ballots, (rows, labels), values)
    return ballots.argmax(axis=1)
