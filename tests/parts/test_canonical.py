"""Tests of the rotation that a few upright samples designate."""

import numpy as np

from tfcolor.parts.canonical import roll_rotations, upright_rotations
from tfcolor.parts.scorer import ClassScorer

# Golden G16: one class in four rotations, five upright samples.
MEANS = np.array([[0.1, 0.9], [0.9, 0.9], [0.9, 0.1], [0.1, 0.1]])
UPRIGHT = np.array([[1, 0], [1, 0], [1, 1], [1, 0], [0, 0]])


def scorer_of(means, num_rotations):
    """Returns the scorer of means [Y, Q, D]."""
    weights = np.log(means / (1 - means)).transpose(2, 0, 1)
    return ClassScorer(weights.astype(np.float32), np.log(1 - means).sum(axis=-1), num_rotations)


def test_golden_rotation_and_roll():
    scorer = scorer_of(MEANS[None], 4)
    sums = scorer.template_scores(UPRIGHT).sum(axis=0)[0]
    np.testing.assert_allclose(sums, [-18.631402, -12.039728, -5.448054, -12.039728], atol=1e-4)
    rotations = upright_rotations(scorer, UPRIGHT, np.zeros(5, int))
    assert rotations.tolist() == [[2]]
    rolled = scorer_of(np.array([[[0.9, 0.1], [0.1, 0.1], [0.1, 0.9], [0.9, 0.9]]]), 4)
    np.testing.assert_allclose(roll_rotations(scorer, rotations).weights, rolled.weights, atol=1e-6)
    np.testing.assert_allclose(roll_rotations(scorer, rotations).biases, rolled.biases, atol=1e-6)


def test_roll_changes_no_class_and_shifts_every_pose():
    rng = np.random.default_rng(1)
    scorer = scorer_of(rng.uniform(0.1, 0.9, (3, 2 * 5, 9)), 5)
    features = (rng.random((40, 9)) < 0.5).astype(float)
    starts = np.array([[1, 4], [0, 2], [3, 3]])
    rolled = roll_rotations(scorer, starts)
    classes = scorer.classify(features)
    assert classes.tolist() == rolled.classify(features).tolist()
    scores = scorer.template_scores(features)[np.arange(40), classes]
    component = scores.argmax(axis=-1) // 5
    expected = (scorer.poses(features) - starts[classes, component]) % 5
    assert rolled.poses(features).tolist() == expected.tolist()


def test_each_component_is_judged_by_its_own_samples():
    means = np.full((1, 2 * 2, 4), 0.1)
    means[0, 1, 0] = means[0, 2, 1] = 0.9  # component 0 upright in rotation 1, 1 in 0
    means[0, 0, 2] = means[0, 3, 3] = 0.9
    samples = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    scorer = scorer_of(means, 2)
    assert upright_rotations(scorer, samples, np.zeros(3, int)).tolist() == [[1, 0]]


def test_component_without_samples_is_judged_by_all():
    means = np.full((2, 2 * 2, 3), 0.1)
    means[0, 0, 0], means[0, 3, 1] = 0.99, 0.9
    scorer = scorer_of(means, 2)
    samples = np.array([[1, 1, 0], [1, 1, 0]])
    # All samples are the first component's; the second fits them better turned.
    assert upright_rotations(scorer, samples, np.zeros(2, int)).tolist() == [[0, 1], [0, 0]]
