import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from tfcolor.core.errors import UserError
from tfcolor.data import clusters
from tfcolor.data.clusters import (
    balanced_order,
    compact_labels,
    find_clusters,
    fit_whitening,
    mutual_information,
    nearest_centers,
    split_clusters,
)
from tfcolor.mixtures.kmeans import fit_kmeans

N, D = 60, 7


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.fixture
def features(random):
    """Correlated features of different variances."""
    return (random.normal(size=(N, D)) * np.arange(1, D + 1)) @ random.normal(size=(D, D)) + 5


def _blobs(random, sizes, distance=20.0):
    """Returns points around far corners, and the corner of each."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return distance * np.eye(len(sizes))[labels] + random.normal(
        size=(len(labels), len(sizes))
    ), labels


def test_whitening_of_the_golden_cross():
    cross = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    whitening = fit_whitening(cross, 2)
    white = (cross - whitening.mean) @ whitening.projection
    root = 1.414214
    np.testing.assert_allclose(abs(white), [[root, 0], [root, 0], [0, root], [0, root]], atol=1e-6)


def test_whitened_features_are_those_of_scikit_learn(features):
    whitening = fit_whitening(features, 4)
    white = (features - whitening.mean) @ whitening.projection
    # It divides by N - 1, and its signs are arbitrary.
    expected = PCA(4, whiten=True).fit_transform(features) * np.sqrt(N / (N - 1))
    np.testing.assert_allclose(abs(white), abs(expected), atol=1e-6)


def test_directions_have_length_one(features):
    whitening = fit_whitening(features, 4)
    white = (features - whitening.mean) @ whitening.projection
    lengths = np.linalg.norm(white, axis=1, keepdims=True)
    np.testing.assert_allclose(whitening.directions(features), white / lengths, rtol=1e-6)


def test_components_without_variance_are_left_out(features):
    flat = np.concatenate([features[:, :2], features[:, :2]], axis=1)
    assert fit_whitening(flat, 4).projection.shape == (4, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_that_do_not_vary_have_finite_directions(dtype):
    same = np.full([5, 3], 0.1, dtype)
    directions = fit_whitening(same, 2).directions(same)
    assert np.isfinite(directions).all()
    assert (directions == directions[0]).all()


def test_clusters_are_those_of_scikit_learn(random):
    points, truth = _blobs(random, [9, 20, 14])
    found = find_clusters(points, 3, seed=0)
    expected = KMeans(3, n_init=5, random_state=1).fit(points)
    assert found.num_found == 3
    assert mutual_information(found.labels, truth) == pytest.approx(1)
    np.testing.assert_allclose(found.loss(points), expected.inertia_ / len(points), rtol=1e-6)
    order = np.argsort(found.centers(points).argmax(axis=1))
    expected_order = np.argsort(expected.cluster_centers_.argmax(axis=1))
    np.testing.assert_allclose(
        found.centers(points)[order], expected.cluster_centers_[expected_order], rtol=1e-6
    )


def test_one_seed_gives_the_same_clusters(features):
    one, same, other = (find_clusters(features, 8, seed=seed).labels for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)


def test_collapsed_features_still_give_equal_clusters():
    collapsed = np.full([16, 3], 0.25, np.float32)
    assert len(fit_kmeans(collapsed, 4, seed=0).counts) == 1  # what is prevented
    found = find_clusters(collapsed, 4, seed=0)
    assert found.num_found == 1
    assert np.bincount(found.labels).tolist() == [4] * 4
    assert found.loss(collapsed) == pytest.approx(0)


def test_more_clusters_than_different_points_are_none_of_them_empty(random):
    points = np.repeat(random.normal(size=(3, 2)), [20, 5, 2], axis=0)
    found = find_clusters(points, 9, seed=0)
    assert found.num_found == 3
    assert np.bincount(found.labels, minlength=9).min() > 0
    assert all(len(np.unique(points[found.labels == label], axis=0)) == 1 for label in range(9))


def test_as_many_clusters_as_points(random):
    points = random.normal(size=(5, 2)).astype(np.float32)
    assert sorted(find_clusters(points, 5, seed=0).labels) == [0, 1, 2, 3, 4]


def test_more_clusters_than_points_are_an_error():
    with pytest.raises(UserError, match="4 clusters from 3 points"):
        find_clusters(np.zeros([3, 2]), 4, seed=0)


def test_the_largest_cluster_is_split_by_a_plane_through_its_center(random):
    points = np.concatenate([random.normal(size=(30, 2)), random.normal(size=(10, 2)) + 50])
    labels = np.repeat(np.int32([0, 1]), [30, 10])
    split = split_clusters(points, labels, 3, seed=0)
    np.testing.assert_array_equal(split[30:], 1)
    np.testing.assert_array_equal(np.isin(split[:30], [0, 2]), True)
    # A plane is found by trying directions: members left and right of it differ.
    angles = np.linspace(0, 2 * np.pi, 721)
    offsets = points[:30] - points[:30].mean(axis=0)
    sides = offsets @ np.stack([np.cos(angles), np.sin(angles)]) > 0
    assert (sides == (split[:30] == 2)[:, np.newaxis]).all(axis=0).any()


def test_enough_clusters_are_left_as_they_are(features):
    labels = (np.arange(N) % 3).astype(np.int32)
    np.testing.assert_array_equal(split_clusters(features, labels, 3, seed=0), labels)


def test_nearest_centers_are_those_of_scipy(random, monkeypatch):
    monkeypatch.setattr(clusters, "ROWS_AT_ONCE", 7)
    points, centers = random.normal(size=(30, D)), random.normal(size=(11, D))
    expected = cdist(points, centers).argmin(axis=1)
    np.testing.assert_array_equal(nearest_centers(points, centers), expected)


def test_compact_labels_use_every_number():
    assert compact_labels(np.array([7, 0, 7, 3])).tolist() == [2, 0, 2, 1]


def test_mutual_information_ignores_the_numbers():
    labels = np.array([0, 0, 1, 1])
    assert mutual_information(labels, 1 - labels) == pytest.approx(1)
    assert mutual_information(labels, np.array([0, 1, 0, 1])) == pytest.approx(0)


def test_clusters_are_as_frequent_in_an_order(random):
    labels = random.permutation(np.repeat([0, 1, 3], [80, 15, 1]))  # there is no 2
    order = balanced_order(labels, 90, seed=0)
    counts = np.bincount(labels[order], minlength=4)
    assert order.shape == (90,)
    assert counts[2] == 0
    assert counts[[0, 1, 3]].max() <= 31  # 90 // 3 + 1
    assert counts[[0, 1, 3]].min() >= 28  # three are cut off
    of_largest = order[labels[order] == 0]
    assert len(set(of_largest)) == len(of_largest)  # no repetition where it can be avoided


def test_orders_depend_on_the_seed(features):
    labels = np.arange(N) % 4
    one, same, other = (balanced_order(labels, N, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
