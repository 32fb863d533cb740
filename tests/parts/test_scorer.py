"""Tests of classes as the best of several linear scores."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from tfcolor.parts.scorer import ClassScorer, ScorerHead

# Golden G15: class models of four features, and four samples.
THETA = np.array([[0.9, 0.8, 0.1, 0.2], [0.2, 0.1, 0.9, 0.7], [0.5] * 4])
SAMPLES = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 1, 1]])
# Golden G15 again: two classes in three rotations.
TURNED = np.array([
    [[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9]],
    [[0.8, 0.8, 0.2], [0.2, 0.8, 0.8], [0.8, 0.2, 0.8]],
])  # fmt: skip


def bernoulli_scorer(means, num_rotations=1):
    """Returns the scorer of means [Y, Q, D]."""
    weights = np.log(means / (1 - means)).transpose(2, 0, 1)
    biases = np.log(1 - means).sum(axis=-1)
    return ClassScorer(weights.astype(np.float32), biases.astype(np.float32), num_rotations)


def test_golden_scores_of_upright_classes():
    scores = bernoulli_scorer(THETA[:, None]).template_scores(SAMPLES)[..., 0]
    expected = [
        [-0.657008, -7.418581, -2.772589],
        [-7.824046, -0.790540, -2.772589],
        [-4.240527, -3.024132, -2.772589],
        [-4.240527, -4.374058, -2.772589],
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert list(bernoulli_scorer(THETA[:, None]).classify(SAMPLES)) == [0, 1, 2, 2]


def test_golden_poses_of_turned_classes():
    scorer = bernoulli_scorer(TURNED, 3)
    samples = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 1]])
    assert list(scorer.classify(samples)) == [0, 1, 1]
    assert list(scorer.poses(samples)) == [1, 2, 1]
    best = scorer.template_scores(samples).max(axis=(1, 2))
    np.testing.assert_allclose(best, [-0.316082, -0.669431, -0.669431], atol=1e-5)


def test_sparse_and_dense_features_and_the_graph_agree():
    rng = np.random.default_rng(0)
    scorer = ClassScorer(
        rng.normal(size=(7, 3, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32), 2
    )
    features = (rng.random((5, 7)) < 0.4).astype(np.float32)
    expected = np.einsum("nd,dyq->nyq", features, scorer.weights) + scorer.biases
    np.testing.assert_allclose(scorer.template_scores(features), expected, atol=1e-5)
    sparse = scorer.template_scores(scipy.sparse.csr_matrix(features))
    np.testing.assert_allclose(sparse, expected, atol=1e-5)
    head = ScorerHead(scorer)
    logits = tf.function(head)({"top": tf.constant(features)}, {}, {})["logits"]
    np.testing.assert_allclose(logits, expected.max(axis=-1), atol=1e-5)
    assert ScorerHead(None)({"top": features}, {}, {}) == {}


def test_pose_counts_rotations_within_a_component():
    weights = np.zeros((1, 1, 6), np.float32)
    weights[0, 0, 4] = 1  # the second component in its second rotation of three
    assert list(ClassScorer(weights, np.zeros((1, 6)), 3).poses(np.ones((2, 1)))) == [1, 1]


@pytest.mark.parametrize("biases, rotations", [((2, 4), 1), ((3, 4), 3)])
def test_shapes_must_fit(biases, rotations):
    with pytest.raises(ValueError, match=r"biases|templates"):
        ClassScorer(np.zeros((5, 3, 4)), np.zeros(biases), rotations)
