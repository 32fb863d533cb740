import hashlib
import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial import ConvexHull
from skimage.color import rgb2lab

from tfcolor.color.gamut import (
    GAMUT_POINTS,
    is_gray,
    nearest_point,
    rebalancing_weights,
    soft_encode,
)


def _index(a, b):
    (index,) = np.flatnonzero(((a, b) == GAMUT_POINTS).all(axis=1))
    return index


def _tie_free_colors(*shape, seed=0):
    """Returns random colors in and around the gamut; ties have probability 0."""
    return np.random.default_rng(seed).uniform(-125, 125, (*shape, 2)).astype(np.float32)


def _reference_encoding(ab, neighbors, sigma):
    rows = []
    for color in ab.reshape(-1, 2).astype(np.float64):
        distances = np.linalg.norm(GAMUT_POINTS - color, axis=1)
        nearest = np.argsort(distances)[:neighbors]
        # The nearest distance is taken off, or far colors would give 0 / 0.
        exponents = distances[nearest[0]] ** 2 - distances[nearest] ** 2
        row = np.zeros(313)
        row[nearest] = np.exp(exponents / (2 * sigma**2))
        rows.append(row / row.sum())
    return np.reshape(rows, (*ab.shape[:-1], 313))


def test_points_of_goldens():
    assert GAMUT_POINTS.shape == (313, 2)
    assert GAMUT_POINTS.sum(axis=0).tolist() == [4910, 2090]
    assert (GAMUT_POINTS**2).sum(axis=0).tolist() == [916500, 961300]
    text = ";".join(f"{a},{b}" for a, b in GAMUT_POINTS)
    digest = "5fd1ff840bb9504bc08a988f236f60c2c619bf0be531e655c353818fe597d9ce"
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    assert _index(0, 0) == 120


def test_points_are_the_corners_of_the_grid_cells_that_touch_the_hull_of_srgb():
    side = np.linspace(0, 1, 9)
    cube = np.array(list(itertools.product(side, repeat=3)))
    faces = cube[((cube == 0) | (cube == 1)).any(axis=1)]
    hull = ConvexHull(rgb2lab(faces)[:, 1:])
    corners = hull.points[hull.vertices]
    shifts = np.array(list(itertools.product([-10, 10], repeat=2)))
    grown = ConvexHull((corners[:, None] + shifts).reshape(-1, 2))
    grid = np.array(list(itertools.product(range(-150, 151, 10), repeat=2)))
    is_inside = (grid @ grown.equations[:, :2].T + grown.equations[:, 2] <= 0).all(axis=1)
    np.testing.assert_array_equal(grid[is_inside], GAMUT_POINTS)


def test_points_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        GAMUT_POINTS[0, 0] = 1


def test_nearest_points_of_the_primary_colors():
    rgb = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]])
    labels = nearest_point(rgb2lab(rgb)[:, 1:])
    assert labels.dtype == tf.int32
    assert labels.numpy().tolist() == [283, 3, 265, 306]


def test_nearest_point_is_that_of_numpy():
    ab = _tie_free_colors(3, 4, 5)
    expected = np.linalg.norm(ab[..., None, :] - GAMUT_POINTS, axis=-1).argmin(axis=-1)
    np.testing.assert_array_equal(nearest_point(ab), expected)


def test_every_point_is_nearest_to_itself():
    np.testing.assert_array_equal(nearest_point(GAMUT_POINTS.astype(np.float32)), np.arange(313))


@pytest.mark.parametrize(
    ("ab", "neighbors", "expected"),
    [
        (
            (12.3, -7.8),
            5,
            {
                (10, -10): 0.545609,
                (20, -10): 0.185286,
                (10, 0): 0.178021,
                (20, 0): 0.060455,
                (10, -20): 0.030628,
            },
        ),
        (
            (12.3, -7.8),
            10,
            {
                (10, -10): 0.518525,
                (20, -10): 0.176089,
                (10, 0): 0.169184,
                (20, 0): 0.057454,
                (10, -20): 0.029107,
                (0, -10): 0.027966,
                (20, -20): 0.009885,
                (0, 0): 0.009125,
                (0, -20): 0.001570,
                (30, -10): 0.001095,
            },
        ),
        (
            (0, 0),
            5,
            {
                (0, 0): 0.648786,
                (10, 0): 0.087804,
                (-10, 0): 0.087804,
                (0, 10): 0.087804,
                (0, -10): 0.087804,
            },
        ),
        (
            (97, -58),
            5,
            {
                (100, -60): 0.513698,
                (90, -60): 0.230819,
                (100, -50): 0.154723,
                (90, -50): 0.069521,
                (100, -70): 0.031238,
            },
        ),
    ],
)
def test_soft_encoding_of_goldens(ab, neighbors, expected):
    encoded = soft_encode(tf.constant(ab, tf.float32), neighbors=neighbors).numpy()
    assert encoded.dtype == np.float32
    assert {tuple(GAMUT_POINTS[k]) for k in np.flatnonzero(encoded)} == set(expected)
    for point, mass in expected.items():
        np.testing.assert_allclose(encoded[_index(*point)], mass, atol=1e-6)


@pytest.mark.parametrize(
    ("neighbors", "mean"), [(5, (12.457417, -7.921511)), (10, (12.069576, -8.047987))]
)
def test_mean_of_the_soft_encoding_of_goldens(neighbors, mean):
    encoded = soft_encode([12.3, -7.8], neighbors=neighbors).numpy()
    # The masses are float32 and the points up to 30.
    np.testing.assert_allclose(encoded @ GAMUT_POINTS, mean, atol=1e-5)


@pytest.mark.parametrize(("neighbors", "sigma"), [(1, 5.0), (5, 5.0), (10, 8.0), (313, 30.0)])
def test_soft_encoding_is_that_of_numpy(neighbors, sigma):
    ab = _tie_free_colors(2, 3, 4)
    encoded = soft_encode(ab, neighbors=neighbors, sigma=sigma)
    expected = _reference_encoding(ab, neighbors, sigma)
    # Exponents of colors far outside reach hundreds, in float32.
    np.testing.assert_allclose(encoded, expected, atol=1e-4)
    np.testing.assert_allclose(tf.reduce_sum(encoded, -1), 1, rtol=1e-6)


def test_soft_encoding_has_as_many_classes_as_neighbors_even_among_ties():
    encoded = soft_encode(GAMUT_POINTS.astype(np.float32), neighbors=10).numpy()
    np.testing.assert_array_equal((encoded > 0).sum(axis=1), 10)
    np.testing.assert_array_equal(encoded.argmax(axis=1), np.arange(313))


def test_soft_encoding_runs_in_a_graph_of_unknown_size():
    @tf.function(input_signature=[tf.TensorSpec([None, None, 2])])
    def encode(ab):
        encoded = soft_encode(ab)
        assert encoded.shape.as_list() == [None, None, 313]
        return encoded

    ab = _tie_free_colors(3, 5)
    # A graph multiplies by a reciprocal, in exponents that reach hundreds.
    np.testing.assert_allclose(encode(ab), soft_encode(ab), atol=1e-5)
    assert encode(ab[:0]).shape == (0, 5, 313)


@pytest.mark.parametrize("neighbors", [0, 314])
def test_soft_encoding_rejects_a_number_of_neighbors(neighbors):
    with pytest.raises(ValueError, match=f"neighbors {neighbors}: expected 1 to 313"):
        soft_encode([0.0, 0.0], neighbors=neighbors)


def test_soft_encoding_rejects_a_width_of_zero():
    with pytest.raises(ValueError, match="sigma 0: expected a positive"):
        soft_encode([0.0, 0.0], sigma=0)


def test_an_image_is_gray_if_nothing_exceeds_the_threshold():
    ab = np.zeros((4, 2, 3, 2), np.float32)
    ab[0], ab[1, 1, 2, 0], ab[2, 0, 1, 1], ab[3, 0, 0, 0] = 5, 5.01, -5.01, -5
    assert is_gray(ab).numpy().tolist() == [True, False, False, True]
    assert is_gray(ab[1]).numpy().item() is False
    assert is_gray(ab, threshold=6.0).numpy().all()


@pytest.mark.parametrize(
    ("prior", "mix", "expected"),
    [
        ([0.7, 0.2, 0.1], 0.5, [0.754170, 1.461204, 1.798405]),
        ([0.9, 0.09, 0.01], 0.5, [0.834636, 2.431617, 2.998207]),
        ([0.7, 0.2, 0.1], 0.0, [0.476190, 1.666667, 3.333333]),
        ([0.7, 0.2, 0.1], 1.0, [1, 1, 1]),
        ([0.25] * 4, 0.5, [1] * 4),
    ],
)
def test_weights_of_goldens(prior, mix, expected):
    weights = rebalancing_weights(prior, mix=mix, num_bins=len(prior))
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, expected, atol=1e-6)


@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_weights_average_to_one_and_fall_with_frequency(mix):
    prior = np.random.default_rng(0).dirichlet(np.full(313, 0.5))
    weights = rebalancing_weights(prior, mix=mix)
    np.testing.assert_allclose(prior @ weights, 1, atol=1e-9)
    assert (np.diff(weights[np.argsort(prior)]) <= 1e-9).all()
    np.testing.assert_allclose(rebalancing_weights(1000 * prior, mix=mix), weights)


def test_weights_survive_empty_classes():
    prior = np.zeros(313)
    prior[120], prior[121] = 0.75, 0.25
    weights = rebalancing_weights(prior)
    rare = 2 / (1 / 313)
    frequent = 2 / (np.array([0.75, 0.25]) + 1 / 313)
    expected = np.full(313, rare)
    expected[120:122] = frequent
    expected /= frequent @ [0.75, 0.25]
    # The floor gives 311 classes a mass of 1e-12, and they weigh 158.
    np.testing.assert_allclose(weights, expected, rtol=1e-7)
    assert np.isfinite(rebalancing_weights(prior, mix=0.0)).all()


@pytest.mark.parametrize(
    "prior", [[np.nan, 0.5, 0.5], [-0.1, 0.6, 0.5], [0.0, 0.0, 0.0], [np.inf, 0.0, 1.0]]
)
def test_weights_reject_what_is_no_histogram(prior):
    with pytest.raises(ValueError, match="expected finite numbers, not negative, not all 0"):
        rebalancing_weights(prior, num_bins=3)


@pytest.mark.parametrize("shape", [(312,), (313, 1), ()])
def test_weights_reject_a_wrong_length(shape):
    with pytest.raises(ValueError, match=r"expected \[313\]"):
        rebalancing_weights(np.ones(shape))


def test_weights_reject_a_mix_beyond_one():
    with pytest.raises(ValueError, match=r"mix 1\.5: expected 0 to 1"):
        rebalancing_weights(np.ones(313), mix=1.5)
