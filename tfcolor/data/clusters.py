"""Clusters of the features of images, and training orders that treat them alike."""

import dataclasses

import numpy as np
import scipy.linalg
import scipy.sparse

from tfcolor.mixtures.kmeans import fit_kmeans

MIN_RELATIVE_VARIANCE = 1e-6
"""Principal components with less of the largest one's variance are left out."""
ROWS_AT_ONCE = 4096
"""Points that are compared with all centers at once."""


@dataclasses.dataclass(frozen=True)
class Whitening:
    """An affine map after which features are uncorrelated.

    Args:
      mean: float [D].
      projection: float [D, d].
    """

    mean: np.ndarray
    projection: np.ndarray

    def directions(self, features: np.ndarray) -> np.ndarray:
        """Returns whitened features, each scaled to unit length.

        Args:
          features: float [N, D].

        Returns:
          float [N, d], rows of length 1, or of zeros.
        """
        white = (features - self.mean) @ self.projection
        lengths = np.linalg.norm(white, axis=1, keepdims=True)
        return white / np.maximum(lengths, np.finfo(white.dtype).tiny)


def fit_whitening(features: np.ndarray, num_components: int) -> Whitening:
    """Fits the map to the leading principal components, each of variance 1.

    Args:
      features: float [N, D].
      num_components: how many at most; those without variance are left out, but
        for the first.

    Returns:
      The map to d components, the first the one of most variance.

    Example:
      >>> cross = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
      >>> whitening = fit_whitening(cross, 1)
      >>> abs(cross @ whitening.projection).round(6).ravel().tolist()
      [1.414214, 1.414214, 0.0, 0.0]
    """
    mean, size = features.mean(axis=0), features.shape[1]
    centered = features - mean
    variances, components = scipy.linalg.eigh(
        centered.T @ centered / len(centered),
        subset_by_index=[max(size - num_components, 0), size - 1],
    )
    variances, components = variances[::-1], components[:, ::-1]
    is_kept = variances > MIN_RELATIVE_VARIANCE * variances[0]
    is_kept[0] = True
    deviations = np.sqrt(np.maximum(variances[is_kept], np.finfo(features.dtype).tiny))
    return Whitening(mean, components[:, is_kept] / deviations)


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Points assigned to clusters, none of which is empty.

    Args:
      labels: int32 [N], in [0, K).
      num_found: how many clusters k-means found before the largest were split.
    """

    labels: np.ndarray
    num_found: int

    def centers(self, points: np.ndarray) -> np.ndarray:
        """Returns the mean of each cluster's members.

        Args:
          points: float [N, D].

        Returns:
          float [K, D].
        """
        members = scipy.sparse.csr_matrix(
            (np.ones_like(points[:, 0]), (self.labels, np.arange(len(points))))
        )
        return (members @ points) / np.bincount(self.labels)[:, np.newaxis]

    def loss(self, points: np.ndarray) -> float:
        """Returns the mean squared distance of float [N, D] points to their centers."""
        distances = points - self.centers(points)[self.labels]
        return float(np.sum(np.square(distances)) / len(points))


def find_clusters(
    points: np.ndarray, num_clusters: int, *, seed: int, max_iterations: int = 20
) -> Clusters:
    """Clusters points by k-means; no cluster is empty, whatever the points are.

    Args:
      points: float [N, D].
      num_clusters: K, at most N.
      seed: of the first centers and the splits.
      max_iterations: of Lloyd's, at most.

    Returns:
      K clusters.

    Raises:
      UserError: if there are fewer points than clusters.
    """
    found = fit_kmeans(points, num_clusters, seed=seed, max_iterations=max_iterations)
    labels = compact_labels(nearest_centers(points, found.centers))
    num_found = int(labels.max()) + 1
    return Clusters(split_clusters(points, labels, num_clusters, seed=seed), num_found)


def split_clusters(
    points: np.ndarray, labels: np.ndarray, num_clusters: int, *, seed: int
) -> np.ndarray:
    """Splits the largest cluster until there are as many as wanted.

    Its center is moved a little in a random direction and in the opposite one,
    and each member goes to the nearer of both. Members that all lie on the same
    side, as equal points do, are divided at random.

    Args:
      points: float [N, D].
      labels: int32 [N], in [0, M), none of them unused.
      num_clusters: K, at most N.
      seed: of the directions.

    Returns:
      int32 [N], in [0, max(K, M)), none of them unused.

    References:
      Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning
      of Visual Features. ECCV 2018, section 3.3.
    """
    random, labels = np.random.default_rng(seed), labels.copy()
    counts = np.bincount(labels, minlength=num_clusters)
    for empty in np.flatnonzero(counts == 0):
        largest = np.argmax(counts)
        members = np.flatnonzero(labels == largest)
        center = points[members].mean(axis=0)
        leaves = (points[members] - center) @ random.normal(size=points.shape[1]) > 0
        if leaves.all() or not leaves.any():
            leaves = random.permutation(len(members)) < len(members) // 2
        labels[members[leaves]] = empty
        counts[empty] = np.count_nonzero(leaves)
        counts[largest] -= counts[empty]
    return labels


def nearest_centers(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Returns the number of the center nearest to each point.

    Args:
      points: float [N, D].
      centers: float [K, D].

    Returns:
      int32 [N]; the first of equally near ones.
    """
    squares = np.sum(np.square(centers), axis=1) / 2
    chunks = [
        np.argmin(squares - points[begin : begin + ROWS_AT_ONCE] @ centers.T, axis=1)
        for begin in range(0, len(points), ROWS_AT_ONCE)
    ]
    return np.concatenate(chunks).astype(np.int32)


def compact_labels(labels: np.ndarray) -> np.ndarray:
    """Renumbers labels so that none between the first and the last is unused.

    Args:
      labels: int [N].

    Returns:
      int32 [N], in [0, K), in the same order.

    Example:
      >>> compact_labels(np.array([5, 2, 5])).tolist()
      [1, 0, 1]
    """
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def mutual_information(labels: np.ndarray, others: np.ndarray) -> float:
    """Returns how much two assignments of the same points agree.

    Args:
      labels: int [N].
      others: int [N].

    Returns:
      Their normalized mutual information: 1 if they are the same but for the
      numbers, 0 if they are independent.
    """
    from sklearn.metrics import normalized_mutual_info_score  # slow to import

    return float(normalized_mutual_info_score(labels, others))


def balanced_order(labels: np.ndarray, num_examples: int, *, seed: int) -> np.ndarray:
    """Draws an order of points in which all clusters are as frequent.

    The same number is drawn from every cluster, without repetition where it has
    so many members; these are shuffled, and those too many cut off.

    Args:
      labels: int [N].
      num_examples: M, length of the order.
      seed: of the draws.

    Returns:
      int64 [M], in [0, N).
    """
    random = np.random.default_rng(seed)
    clusters = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    clusters = [members for members in clusters if len(members)]
    size = num_examples // len(clusters) + 1
    drawn = [random.choice(one, size, replace=len(one) < size) for one in clusters]
    return random.permutation(np.concatenate(drawn))[:num_examples]
