"""Tests of the linear support vector machine on pooled parts."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from tfcolor.core.errors import UserError
from tfcolor.parts.linear_svm import STRENGTHS, SvmOptions, fit_svm

# Golden G18.
POINTS = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 1]], float)
LABELS = np.array([0, 0, 1, 1, 1])


def objective(parameters, features, signs, strength):
    """Returns the regularized squared hinge, the bias regularized too."""
    weights, bias = parameters[:-1], parameters[-1]
    slack = np.maximum(0, 1 - signs * (features @ weights + bias))
    return 0.5 * (parameters @ parameters) + strength * (slack**2).sum()


@pytest.mark.parametrize("strength, weights, bias", [
    (1.0, (0.060377, 1.290566), -0.566038), (0.1, (0.102362, 0.354331), -0.047244),
])  # fmt: skip
def test_golden_machine_of_two_classes(strength, weights, bias):
    options = SvmOptions(strengths=(strength,))
    scorer, chosen = fit_svm(scipy.sparse.csr_matrix(POINTS), LABELS, options, seed=0)
    assert chosen == strength
    np.testing.assert_allclose(scorer.weights[:, 1, 0], weights, atol=1e-3)
    np.testing.assert_allclose(scorer.biases[:, 0], [-bias, bias], atol=1e-3)


def test_machine_of_several_classes_minimizes_the_objective():
    rng = np.random.default_rng(0)
    features = (rng.random((60, 5)) < 0.5).astype(float)
    labels = np.arange(60) % 3
    scorer, _ = fit_svm(
        scipy.sparse.csr_matrix(features), labels, SvmOptions(strengths=(0.5,)), seed=0
    )
    for label in range(3):
        signs = np.where(labels == label, 1.0, -1.0)
        best = scipy.optimize.minimize(objective, np.zeros(6), (features, signs, 0.5), tol=1e-12)
        ours = np.append(scorer.weights[:, label, 0], scorer.biases[label])
        assert objective(ours, features, signs, 0.5) < best.fun * (1 + 1e-4)


def test_strength_is_chosen_by_folds_and_the_first_of_equals_wins():
    features = scipy.sparse.csr_matrix(np.eye(2)[np.arange(20) % 2])
    _, chosen = fit_svm(features, np.arange(20) % 2, SvmOptions(), seed=0)
    assert chosen == STRENGTHS[0] == 0.1
    assert len(STRENGTHS) == 10 and STRENGTHS[-1] == 1e-5


def test_standardizing_is_folded_into_the_weights():
    rng = np.random.default_rng(2)
    features = (rng.random((40, 4)) < 0.3).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int)
    options = SvmOptions(strengths=(0.1,), standardize=True)
    scorer, _ = fit_svm(scipy.sparse.csr_matrix(features), labels, options, seed=0)
    scaled = (features - features.mean(0)) / np.sqrt(features.var(0) + 0.01)
    plain, _ = fit_svm(
        scipy.sparse.csr_matrix(scaled), labels, SvmOptions(strengths=(0.1,)), seed=0
    )
    np.testing.assert_allclose(
        scorer.template_scores(features), plain.template_scores(scaled), atol=1e-3
    )


def test_too_few_images_for_the_folds_are_named():
    with pytest.raises(UserError, match="2 images: expected at least --svm_num_folds=5"):
        fit_svm(scipy.sparse.csr_matrix(POINTS), LABELS, SvmOptions(), seed=0)


@pytest.mark.parametrize("standardize", [False, True])
def test_dense_and_sparse_features_give_the_same_machine(standardize):
    features = np.random.default_rng(5).normal(3, 2, (40, 6)).round(2)
    options = SvmOptions(strengths=(0.01,), standardize=standardize)
    sparse, dense = (
        fit_svm(kind(features), np.arange(40) % 3, options, seed=0)[0]
        for kind in (scipy.sparse.csr_matrix, np.asarray)
    )
    np.testing.assert_allclose(dense.weights, sparse.weights, atol=1e-4)
    np.testing.assert_allclose(dense.biases, sparse.biases, atol=1e-4)


@pytest.mark.parametrize("strengths", [(0.1,), (0.1, 0.01)])
def test_classes_without_images_are_named(strengths):
    features, options = np.repeat(np.eye(3), 4, axis=0), SvmOptions(strengths=strengths)
    with pytest.raises(UserError, match="class 1 of 4 has no images: expected at least 1 of each"):
        fit_svm(features, np.repeat([0, 2, 3], 4), options, seed=0)
    with pytest.raises(UserError, match="images of 1 class: expected at least 2"):
        fit_svm(features, np.zeros(12, int), options, seed=0)
