"""A linear support vector machine on pooled parts."""

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.parts.scorer import ClassScorer

STRENGTHS = tuple(float(f"{10**power:.3g}") for power in np.linspace(-1, -5, 10))
TOLERANCE, MAX_ITERATIONS = 1e-4, 1000


@dataclasses.dataclass(frozen=True)
class SvmOptions:
    """How a linear support vector machine is chosen."""

    strengths: tuple[float, ...] = option(
        STRENGTHS, "weights of the loss (C) to choose from, the first of equals", minimum=1e-12
    )
    num_folds: int = option(5, "parts of the images for the choice", minimum=2)
    standardize: bool = option(False, "scales every feature to (x - mean) / sqrt(variance + 0.01)")


def fit_svm(
    features: np.ndarray | scipy.sparse.csr_matrix,
    labels: np.ndarray,
    options: SvmOptions,
    *,
    seed: int,
) -> tuple[ClassScorer, float]:
    """Fits one machine per class against the others, with squared hinge.

    The strength is that of the highest mean accuracy over stratified, unshuffled
    folds; the machine is then fitted to everything.

    Args:
      features: [N, D] numbers, dense or sparse.
      labels: int [N], 0 to Y - 1, each present in every fold.
      options: strengths, folds, scaling.
      seed: of the solver, which goes through the examples in random order.

    Returns:
      The classifier, and the chosen strength (C).

    Raises:
      UserError: if there is one class only, or a class has no example, or fewer
        than there are folds where there is something to choose.

    References:
      Larsson. Dissertation, section 1.2.6 (Plain-SVM).
    """
    if options.standardize:
        mean, deviation = _moments(features)
        dense = features if isinstance(features, np.ndarray) else features.toarray()
        scaled = (dense - mean) / deviation
        scorer, strength = _fit(scaled, labels, options, seed)
        weights = scorer.weights[:, :, 0] / deviation[:, None]
        biases = scorer.biases - (mean @ weights)[:, None]
        return ClassScorer(weights[:, :, None].astype(np.float32), biases), strength
    return _fit(features.astype(np.float64), labels, options, seed)


def _fit(
    features: np.ndarray | scipy.sparse.csr_matrix,
    labels: np.ndarray,
    options: SvmOptions,
    seed: int,
) -> tuple[ClassScorer, float]:
    """Chooses the strength and fits with it."""
    _check_classes(labels)
    strength = options.strengths[0]
    if len(options.strengths) > 1:
        strength = _choose(features, labels, options, seed)
    machine = _machine(strength, seed).fit(features, labels)
    # For two classes there is one machine, of the second against the first.
    weights, biases = machine.coef_, machine.intercept_
    if len(weights) == 1:
        weights, biases = np.concatenate([-weights, weights]), np.concatenate([-biases, biases])
    scorer = ClassScorer(weights.T[:, :, None].astype(np.float32), biases[:, None])
    return scorer, strength


def _check_classes(labels: np.ndarray) -> None:
    """Raises UserError where the machines would not be those of classes 0 to Y - 1."""
    counts = np.bincount(labels)
    if not counts.all():
        label = int(counts.argmin())
        raise UserError(
            f"class {label} of {len(counts)} has no images: expected at least 1 of each"
        )
    if len(counts) < 2:
        raise UserError(f"images of {len(counts)} class: expected at least 2 to tell apart")


def _choose(
    features: np.ndarray | scipy.sparse.csr_matrix,
    labels: np.ndarray,
    options: SvmOptions,
    seed: int,
) -> float:
    """Returns the strength of the best mean accuracy over the folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score  # slow to import

    rarest = int(np.bincount(labels).min())
    if rarest < options.num_folds:
        raise UserError(
            f"a class has {rarest} images: expected at least --svm_num_folds={options.num_folds}, "
            "or one value in --svm_strengths"
        )
    folds = StratifiedKFold(options.num_folds)  # runs of each class, in order
    accuracies = [
        cross_val_score(_machine(strength, seed), features, labels, cv=folds).mean()
        for strength in track(options.strengths, "choosing C", len(options.strengths), "values")
    ]
    return options.strengths[int(np.argmax(accuracies))]


def _machine(strength: float, seed: int) -> Any:
    """Returns LIBLINEAR's dual solver, whose bias is regularized like a weight."""
    from sklearn.svm import LinearSVC  # slow to import

    return LinearSVC(
        C=strength, dual=True, tol=TOLERANCE, max_iter=MAX_ITERATIONS, random_state=seed
    )


def _moments(
    features: np.ndarray | scipy.sparse.csr_matrix,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and guarded standard deviation, float64 [D] each."""
    if isinstance(features, np.ndarray):
        mean = features.mean(axis=0, dtype=np.float64)
        return mean, np.sqrt(features.var(axis=0, dtype=np.float64) + 0.01)
    mean = np.asarray(features.mean(axis=0), np.float64)[0]
    square = np.asarray(features.multiply(features).mean(axis=0), np.float64)[0]
    return mean, np.sqrt(square - mean**2 + 0.01)
