import numpy as np
import pytest
import tensorflow as tf

from tfcolor.mixtures.activations import (
    euclidean_distances,
    hard_codes,
    relative_activations,
    soft_activations,
)

CENTERS = tf.constant([[0.0, 0], [1, 0], [0, 2]])


@pytest.mark.parametrize(
    ("point", "distances", "code", "triangle"),
    [
        ((0.6, 0), (0.6, 0.4, 2.088061), 1, (0.429354, 0.629354, 0)),
        ((0, 1.1), (1.1, 1.486607, 0.9), 2, (0.062202, 0, 0.262202)),
    ],
)
def test_codes_of_distances(point, distances, code, triangle):
    found = euclidean_distances(tf.constant([point], tf.float32), CENTERS)
    np.testing.assert_allclose(found[0], distances, atol=1e-6)
    assert hard_codes(-found).numpy().tolist() == [code]
    np.testing.assert_allclose(relative_activations(-found)[0], triangle, atol=1e-6)


def test_soft_code_of_distances():
    squares = euclidean_distances(tf.constant([[0.6, 0.0]]), CENTERS) ** 2
    expected = [[-0.806702, -0.706702, -2.806702]]
    np.testing.assert_allclose(soft_activations(-squares / 2), expected, atol=1e-6)


def test_soft_code_has_a_floor():
    codes = soft_activations(tf.constant([[0.0, -1e4]]))
    np.testing.assert_allclose(codes, [[0, np.log(0.0005)]], atol=1e-6)


def test_relative_activations_are_those_of_eq_1_3():
    densities = tf.constant([[-3.0, -1, -2, -10], [-4, -4, -4, -4]])
    np.testing.assert_allclose(relative_activations(densities), [[1, 3, 2, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(
        relative_activations(tf.nn.log_softmax(densities)),
        relative_activations(densities),
        atol=1e-5,
    )


def test_distances_far_from_the_origin_are_exact():
    generator = np.random.default_rng(0)
    features, centers = 1000 + generator.random((5, 4)), 1000 + generator.random((3, 4))
    features, centers = np.float32(features), np.float32(centers)
    expected = np.linalg.norm(np.float64(features)[:, None] - centers, axis=2)
    found = euclidean_distances(tf.constant(features), tf.constant(centers))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert euclidean_distances(tf.constant(centers), tf.constant(centers)).numpy().min() >= 0
