"""Clusters of features around their centers."""

import dataclasses
import warnings

import numpy as np

from tfcolor.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class KMeans:
    """Clusters, the largest first.

    Args:
      centers: float32 [K, D].
      counts: int64 [K], members of each cluster, none of them 0.
    """

    centers: np.ndarray
    counts: np.ndarray


def fit_kmeans(
    features: np.ndarray, num_clusters: int, *, seed: int, max_iterations: int = 300
) -> KMeans:
    """Fits clusters by Lloyd's iterations from k-means++ centers.

    Runs in one thread, so that results do not depend on their number.

    Args:
      features: float [N, D].
      num_clusters: K; fewer are returned if fewer than K points differ.
      seed: of the first centers.
      max_iterations: Lloyd iterations at most.

    Returns:
      The clusters.

    Raises:
      UserError: if there are fewer points than clusters.
    """
    # Slow to import; most runs do not need them.
    from sklearn.cluster import KMeans as Clusters
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if len(features) < num_clusters:
        raise UserError(
            f"{num_clusters} clusters from {len(features)} points: expected at most one per point"
        )
    clusters = Clusters(num_clusters, n_init=1, max_iter=max_iterations, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = clusters.fit_predict(np.asarray(features, np.float32))
    counts = np.bincount(labels, minlength=num_clusters)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    return KMeans(clusters.cluster_centers_[order].astype(np.float32), counts[order])
