"""Classes from binary features: the best of several linear scores for each."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class ClassScorer:
    """Scores each class by the best of its templates.

    What every classifier on parts comes down to: the log-likelihood of binary
    features under a Bernoulli model is linear in them, and a class is as likely
    as its best component in its best rotation. A linear classifier has one
    template per class.

    Args:
      weights: float32 [D, Y, Q], of Q templates for each of Y classes.
      biases: float32 [Y, Q].
      num_rotations: R, where the templates of a class are (component, rotation)
        with the rotation fastest; 1 if it is not rotated.

    Raises:
      ValueError: if the shapes do not fit each other.

    Example:
      >>> scorer = ClassScorer(np.eye(2, dtype=np.float32)[:, :, None], np.zeros((2, 1)))
      >>> scorer.classify(np.array([[0, 1]]))
      array([1])
    """

    weights: np.ndarray
    biases: np.ndarray
    num_rotations: int = 1

    def __post_init__(self) -> None:
        """Checks the shapes."""
        if self.weights.shape[1:] != self.biases.shape:
            raise ValueError(f"weights {self.weights.shape} and biases {self.biases.shape}")
        if self.biases.shape[1] % self.num_rotations:
            raise ValueError(f"{self.biases.shape[1]} templates in {self.num_rotations} rotations")

    @property
    def num_classes(self) -> int:
        """Returns the number of classes."""
        return self.biases.shape[0]

    def template_scores(self, features: np.ndarray | scipy.sparse.spmatrix) -> np.ndarray:
        """Returns the score of every template.

        Args:
          features: [N, D] numbers, dense or sparse.

        Returns:
          float32 [N, Y, Q].
        """
        flat = self.weights.reshape(len(self.weights), -1)
        scores = features @ flat  # sparse or dense
        return np.asarray(scores, np.float32).reshape(-1, *self.biases.shape) + self.biases

    def classify(self, features: np.ndarray | scipy.sparse.spmatrix) -> np.ndarray:
        """Returns the class with the best template, int64 [N]; of equals the first."""
        return self.template_scores(features).max(axis=-1).argmax(axis=-1)

    def poses(self, features: np.ndarray | scipy.sparse.spmatrix) -> np.ndarray:
        """Returns the rotation of the best template of the predicted class.

        Args:
          features: [N, D] numbers, dense or sparse.

        Returns:
          int64 [N] in [0, R), steps counter-clockwise from the class's zero.
        """
        scores = self.template_scores(features)
        best = scores.max(axis=-1).argmax(axis=-1)
        return scores[np.arange(len(scores)), best].argmax(axis=-1) % self.num_rotations

    def logits(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the score of each class in a graph.

        Args:
          features: float32 [N, D].

        Returns:
          float32 [N, Y]; of a class mixture log p(x | y), so that their softmax
          is the posterior for classes of equal frequency.
        """
        weights, biases = self._constants
        flat = tf.reshape(weights, [weights.shape[0], -1])
        scores = tf.reshape(tf.matmul(features, flat), [-1, *biases.shape])
        return tf.reduce_max(scores + biases, axis=-1)

    @functools.cached_property
    def _constants(self) -> tuple[tf.Variable, tf.Variable]:
        """Returns weights and biases as variables that nothing trains."""
        return tuple(
            tf.Variable(np.asarray(array, np.float32), trainable=False)
            for array in (self.weights, self.biases)
        )


class ScorerHead(tf.Module):
    """Gives the classes of a scorer as the head of a network.

    Args:
      scorer: of the pooled parts of whole images; None for no classes.
    """

    def __init__(self, scorer: ClassScorer | None) -> None:
        super().__init__(name="scorer_head")
        self._scorer = scorer

    def __call__(
        self, features: Mapping[str, tf.Tensor], inputs: Any, taps: Any, *, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Scores whole images.

        Args:
          features: `top`, float32 [B, D].
          inputs: not read.
          taps: not read.
          training: not read; nothing is trained.

        Returns:
          `logits`, float32 [B, Y], if there is a scorer.
        """
        del inputs, taps, training
        return {} if self._scorer is None else {"logits": self._scorer.logits(features["top"])}
