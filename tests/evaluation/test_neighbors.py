import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from tfcolor.evaluation import neighbors
from tfcolor.evaluation.neighbors import (
    Whitening,
    nearest_neighbors,
    recall_at,
    unit_vectors,
    vote,
)

VECTORS = unit_vectors([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.7, 0.7]])
LABELS = np.array([0, 0, 1, 1, 1])


@pytest.fixture
def clusters():
    """Vectors of four classes that overlap, float64 [60, 7], and their labels."""
    random_numbers = np.random.default_rng(3)
    labels = random_numbers.integers(0, 4, 60)
    return unit_vectors(random_numbers.normal(size=(4, 7))[labels] + labels[:, None] / 9), labels


@pytest.fixture
def noisy(clusters):
    random_numbers = np.random.default_rng(5)
    vectors, labels = clusters
    return unit_vectors(vectors + random_numbers.normal(0, 0.5, vectors.shape)), labels


def test_golden_neighbors_with_ties_to_the_lowest_index():
    found, _ = nearest_neighbors(VECTORS, VECTORS, 1, own=range(5))
    assert found[:, 0].tolist() == [1, 0, 3, 2, 1]
    assert recall_at((1,), LABELS, LABELS[found]) == {1: 0.8}
    assert (
        recall_at((1, 4, 9), LABELS, LABELS[nearest_neighbors(VECTORS, VECTORS, 9, range(5))[0]])[4]
        == 1.0
    )


def test_neighbors_are_those_of_scikit_learn(noisy, monkeypatch):
    monkeypatch.setattr(neighbors, "CHUNK", 13)
    vectors, _ = noisy
    model = NearestNeighbors(n_neighbors=6, metric="cosine").fit(vectors)
    distances, expected = model.kneighbors(vectors)
    found, cosines = nearest_neighbors(vectors, vectors, 5, own=range(60))
    np.testing.assert_array_equal(found, expected[:, 1:])
    np.testing.assert_allclose(cosines, 1 - distances[:, 1:], atol=1e-8)
    others, _ = nearest_neighbors(vectors[:7], vectors[7:], 4)
    alone = NearestNeighbors(n_neighbors=4, metric="cosine").fit(vectors[7:])
    np.testing.assert_array_equal(others, alone.kneighbors(vectors[:7])[1])


@pytest.mark.parametrize("weights", ["uniform", "exponential"])
def test_votes_are_those_of_scikit_learn(noisy, weights):
    vectors, labels = noisy
    chosen = {"uniform": "uniform", "exponential": lambda far: np.exp((1 - far) / 0.07)}[weights]
    model = KNeighborsClassifier(n_neighbors=9, weights=chosen, metric="cosine")
    expected = model.fit(vectors[20:], labels[20:]).predict(vectors[:20])
    found, cosines = nearest_neighbors(vectors[:20], vectors[20:], 9)
    predicted = vote(labels[20:][found], cosines, weights)
    np.testing.assert_array_equal(predicted, expected)
    assert 0.3 < np.mean(predicted == labels[:20]) <= 1


def test_whitening_makes_the_covariance_the_identity():
    square = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    golden = [[1.414214, 0], [1.414214, 0], [0, 1.414214], [0, 1.414214]]
    np.testing.assert_allclose(np.abs(Whitening(square)(square)), golden, atol=1e-6)
    random_numbers = np.random.default_rng(0)
    vectors = random_numbers.normal(size=(200, 5)) @ random_numbers.normal(size=(5, 5)) + 3
    vectors = np.concatenate([vectors, vectors[:, :1]], axis=1)  # of rank 5
    white = Whitening(vectors)(vectors)
    np.testing.assert_allclose(np.cov(white, rowvar=False, bias=True), np.eye(5), atol=1e-8)
    kept = Whitening(vectors, 2)(vectors)
    np.testing.assert_allclose(np.abs(kept), np.abs(white[:, :2]), atol=1e-8)


def test_a_vector_of_zeros_is_near_to_nothing():
    vectors = unit_vectors([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(vectors, [[0, 0], [0.6, 0.8]])
