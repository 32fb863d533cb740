"""Which rotation of a class mixture is upright, from a few upright samples."""

import numpy as np
import scipy.sparse

from tfcolor.parts.scorer import ClassScorer


def upright_rotations(
    scorer: ClassScorer, features: scipy.sparse.csr_matrix, labels: np.ndarray
) -> np.ndarray:
    """Returns the rotation in which upright samples match each template best.

    Of each component, the rotation with the largest sum of log-likelihoods over
    the samples that the component explains best; over all samples of the class
    where it explains none.

    Args:
      scorer: of a class mixture in R rotations.
      features: [N, D], pooled parts of upright images, a few of each class.
      labels: int [N], their classes.

    Returns:
      int64 [Y, M] in [0, R); 0 for a class without samples.

    References:
      Larsson. Dissertation, figure 1.4.

    Example:
      >>> weights = np.array([[0.0, 1.0, 0.0]], np.float32)[:, None]
      >>> upright_rotations(ClassScorer(weights, np.zeros((1, 3)), 3), np.ones((2, 1)), np.zeros(2))
      array([[1]])
    """
    num_rotations = scorer.num_rotations
    scores = scorer.template_scores(features).astype(np.float64)
    scores = scores.reshape(len(scores), scorer.num_classes, -1, num_rotations)
    found = np.zeros(scores.shape[1:3], np.int64)
    for label in np.unique(labels).astype(int):
        of_class = scores[labels == label, label]  # [n, M, R]
        best_component = of_class.max(axis=-1).argmax(axis=-1)
        for component in range(of_class.shape[1]):
            is_own = best_component == component
            chosen = of_class[is_own] if is_own.any() else of_class
            found[label, component] = chosen[:, component].sum(axis=0).argmax()
    return found


def roll_rotations(scorer: ClassScorer, rotations: np.ndarray) -> ClassScorer:
    """Makes a rotation of each component its zero; no image changes its class.

    Args:
      scorer: of a class mixture in R rotations.
      rotations: int [Y, M], from `upright_rotations`.

    Returns:
      A scorer whose poses count from these rotations.
    """
    num_rotations = scorer.num_rotations
    templates = np.arange(scorer.biases.shape[1]).reshape(-1, num_rotations)
    steps = np.arange(num_rotations)
    order = [
        np.concatenate([
            row[(steps + start) % num_rotations]
            for row, start in zip(templates, starts, strict=True)
        ])
        for starts in rotations
    ]  # fmt: skip
    classes = np.arange(scorer.num_classes)[:, None]
    return ClassScorer(
        scorer.weights[:, classes, order], scorer.biases[classes, order], num_rotations
    )
