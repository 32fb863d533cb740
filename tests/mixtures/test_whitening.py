import numpy as np
import pytest
import tensorflow as tf

from tfcolor.mixtures.whitening import standardize_patches, zca_matrix


def test_standardized_patch():
    patch = tf.constant([[0, 0.2, 0.4, 1]])
    expected = [[-0.944870, -0.472435, 0, 1.417305]]
    np.testing.assert_allclose(standardize_patches(patch), expected, atol=1e-6)


def test_constant_patch_becomes_zero():
    assert not standardize_patches(tf.fill([2, 5], 0.7)).numpy().any()


def test_zca_of_four_points():
    points = np.array([[1, 0], [-1, 0], [0.5, 0.5], [-0.5, -0.5]])
    expected = [[1.209863, -0.248306], [-0.248306, 2.203088]]
    np.testing.assert_allclose(zca_matrix(points, regularizer=0.1), expected, atol=1e-6)


def test_zca_whitens():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 4)) @ generator.normal(size=(4, 4))
    white = points @ zca_matrix(points, regularizer=1e-9)
    np.testing.assert_allclose(white.T @ white / 50, np.eye(4), atol=1e-3)


def test_zca_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 patches"):
        zca_matrix(np.zeros((0, 3)))
