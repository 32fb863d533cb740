"""Tests of a mixture of binary features for each class."""

import numpy as np
import pytest
import scipy.sparse

from tfcolor.core.errors import UserError
from tfcolor.parts.class_mixtures import ClassMixtureOptions, fit_class_mixtures


def draw(means, labels, rng):
    """Draws bits of the class models means [Y, D], as a sparse matrix."""
    return scipy.sparse.csr_matrix(
        (rng.random((len(labels), means.shape[1])) < means[labels]) * 1.0
    )


def test_one_component_is_the_clipped_mean_of_its_class():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = draw(rng.uniform(0, 1, (3, 11)), labels, rng)
    options = ClassMixtureOptions(min_prob=0.05)
    scorer = fit_class_mixtures(features, labels, options, seed=0).scorer
    for label in range(3):
        mean = np.clip(np.asarray(features[labels == label].mean(axis=0))[0], 0.05, 0.95)
        np.testing.assert_allclose(
            scorer.weights[:, label, 0], np.log(mean / (1 - mean)), atol=1e-4
        )
        np.testing.assert_allclose(scorer.biases[label, 0], np.log(1 - mean).sum(), rtol=1e-5)


def test_analytic_standardization_has_golden_moments():
    # Golden G15: the means of two classes, as frequencies of ten samples.
    theta = np.array([[0.9, 0.8, 0.1, 0.2], [0.2, 0.1, 0.9, 0.7]])
    rows = [np.arange(10)[:, None] < np.round(10 * mean) for mean in theta]
    labels = np.repeat([0, 1], 10)
    options = ClassMixtureOptions(standardization="analytic")
    features = scipy.sparse.csr_matrix(np.concatenate(rows).astype(float))
    scorer = fit_class_mixtures(features, labels, options, seed=0).scorer
    samples = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 1, 1]])
    expected = [
        [0.815935, -4.910440],
        [-5.067422, 0.842741],
        [-2.125744, -1.096031],
        [-2.125744, -2.267775],
    ]
    np.testing.assert_allclose(scorer.template_scores(samples)[..., 0], expected, atol=1e-4)


def test_empirical_standardization_gives_own_images_mean_0_and_deviation_1():
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2
    features = draw(rng.uniform(0.1, 0.9, (2, 9)), labels, rng)
    options = ClassMixtureOptions(standardization="empirical")
    scores = fit_class_mixtures(features, labels, options, seed=0).scorer.template_scores(features)
    for label in range(2):
        own = scores[labels == label, label, 0]
        assert abs(own.mean()) < 1e-4 and abs(own.std() - 1) < 1e-4


def test_rotated_class_is_found_in_every_rotation():
    rng = np.random.default_rng(2)
    num_turns, size = 4, 8
    prototypes = np.where(rng.random((2, num_turns, size)) < 0.5, 0.05, 0.95)
    labels, turns = np.arange(120) % 2, rng.integers(num_turns, size=120)
    blocks = [
        np.roll(prototypes[label], -turn, axis=0) for label, turn in zip(labels, turns, strict=True)
    ]
    bits = (rng.random((120, num_turns, size)) < np.stack(blocks)).astype(float)
    features = scipy.sparse.csr_matrix(bits.reshape(-1, size))
    options = ClassMixtureOptions(num_rotations=num_turns, min_prob=0.01)
    classes = fit_class_mixtures(features, labels, options, seed=0)
    upright = features[::num_turns]
    assert (classes.scorer.classify(upright) == labels).mean() > 0.9
    for label in range(2):
        # All images of a class agree on the rotation that brings them to its zero.
        zero = (classes.rotations + turns)[labels == label] % num_turns
        assert np.bincount(zero, minlength=num_turns).max() / len(zero) > 0.9


def test_every_component_needs_an_image():
    features, labels = scipy.sparse.csr_matrix(np.eye(3)), np.array([0, 0, 1])
    with pytest.raises(UserError, match=r"class 1 has 1 images.*--classes_num_components=2"):
        fit_class_mixtures(features, labels, ClassMixtureOptions(num_components=2), seed=0)
