import numpy as np
import pytest
import scipy.spatial

from tfcolor.core.errors import UserError
from tfcolor.mixtures.kmeans import fit_kmeans


@pytest.fixture(scope="module")
def points():
    generator = np.random.default_rng(0)
    sizes, places = (40, 10, 25), ((0, 0), (8, 0), (0, 9))
    return np.concatenate(
        [generator.normal(place, 0.5, (size, 2)) for size, place in zip(sizes, places, strict=True)]
    )


def test_clusters_are_found_and_sorted_by_size(points):
    clusters = fit_kmeans(points, 3, seed=0)
    assert clusters.counts.tolist() == [40, 25, 10]
    expected = [points[:40].mean(0), points[50:].mean(0), points[40:50].mean(0)]
    np.testing.assert_allclose(clusters.centers, expected, atol=1e-4)
    assert clusters.centers.dtype == np.float32


def test_centers_are_means_of_what_is_nearest(points):
    clusters = fit_kmeans(points, 7, seed=1)
    nearest = scipy.spatial.distance.cdist(points, clusters.centers).argmin(axis=1)
    assert (np.bincount(nearest) == clusters.counts).all()
    for index, center in enumerate(clusters.centers):
        np.testing.assert_allclose(center, points[nearest == index].mean(0), atol=1e-4)


def test_one_seed_gives_one_result(points):
    first, again, other = (fit_kmeans(points, 7, seed=seed).centers for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_fewer_different_points_than_clusters_give_fewer():
    clusters = fit_kmeans(np.float32([[1, 2]] * 5 + [[3, 4]] * 3), 4, seed=0)
    assert clusters.counts.tolist() == [5, 3]
    assert clusters.centers.tolist() == [[1, 2], [3, 4]]


def test_more_clusters_than_points_are_refused():
    with pytest.raises(UserError, match="3 clusters from 2 points"):
        fit_kmeans(np.zeros((2, 1)), 3, seed=0)
    with pytest.raises(UserError, match="1 clusters from 0 points"):
        fit_kmeans(np.zeros((0, 1)), 1, seed=0)
