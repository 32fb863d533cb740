"""A linear classifier on frozen features, fitted by scikit-learn."""

import warnings
from collections.abc import Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.progress import track

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse weights of the penalty among which cross-validation chooses."""

NUM_FOLDS = 3
MAX_ITERATIONS = 100


class LinearClassifier:
    """Multinomial logistic regression on standardized features.

    With fewer examples than features, these are first rotated into the span of
    the examples. The squared penalty knows no directions, so this changes
    nothing but the time it takes.

    Args:
      strength: inverse weight of the squared penalty, positive.
    """

    def __init__(self, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression  # slow to import
        from sklearn.preprocessing import StandardScaler

        self._scaler = StandardScaler()
        self._rotation = np.zeros((0, 0))
        self._model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "LinearClassifier":
        """Fits the classifier.

        Args:
          features: float [N, D].
          labels: int [N], at least two different ones.

        Returns:
          The classifier itself.
        """
        from sklearn.exceptions import ConvergenceWarning

        standardized = self._scaler.fit_transform(np.asarray(features, np.float32))
        count, size = standardized.shape
        self._rotation = np.eye(size)
        if count < size:
            self._rotation = np.linalg.svd(standardized, full_matrices=False)[2].T
        with warnings.catch_warnings():
            # Weak penalties need not converge for features to be compared.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(standardized @ self._rotation, labels)
        return self

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Returns the share of examples that the fitted classifier gets right.

        Args:
          features: float [N, D].
          labels: int [N].

        Returns:
          A number in [0, 1].
        """
        standardized = self._scaler.transform(np.asarray(features, np.float32))
        return float(np.mean(self._model.predict(standardized @ self._rotation) == labels))


def check_several_classes(count: int) -> None:
    """Refuses images of a single class, which there is nothing to tell from.

    Args:
      count: how many classes the images have.

    Raises:
      UserError: if there are fewer than two.
    """
    if count < 2:
        raise UserError(f"--images has {count} class: a classifier needs at least two")


def choose_strength(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    strengths: Sequence[float] = STRENGTHS,
    num_folds: int = NUM_FOLDS,
    seed: int = 0,
) -> float:
    """Chooses the penalty of a classifier by cross-validation.

    Args:
      features: float [N, D].
      labels: int [N], balanced.
      strengths: inverse weights of the penalty to choose among.
      num_folds: parts, or as many as a class has examples if these are fewer.
      seed: deals the examples out.

    Returns:
      The strength of the best accuracy, the smallest among equals; the middle
      one where a class has a single example.
    """
    from sklearn.model_selection import StratifiedKFold  # slow to import

    num_folds = min(num_folds, int(np.min(np.unique(labels, return_counts=True)[1])))
    if num_folds < 2:
        return sorted(strengths)[len(strengths) // 2]
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    parts = list(folds.split(features, labels))

    def score(strength: float) -> float:
        classifiers = [
            LinearClassifier(strength).fit(features[own], labels[own]) for own, _ in parts
        ]
        pairs = zip(classifiers, parts, strict=True)
        return sum(one.accuracy(features[rest], labels[rest]) for one, (_, rest) in pairs)

    progress = track(sorted(strengths), "choosing the penalty", len(strengths), "strengths")
    return max(progress, key=score)
