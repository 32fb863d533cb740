"""A mixture of binary features for each class, upright or in all rotations."""

import dataclasses
from typing import cast

import numpy as np
import scipy.sparse

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.core.seeds import derive_seed
from tfcolor.mixtures.assignment import assign
from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions
from tfcolor.mixtures.expectation_maximization import fit_mixture
from tfcolor.mixtures.samples import SparseSamples
from tfcolor.parts.scorer import ClassScorer

STANDARDIZATIONS = ("none", "analytic", "empirical")
MIN_DEVIATION = 1e-8
"""Smallest deviation that log-likelihoods are divided by."""


@dataclasses.dataclass(frozen=True)
class ClassMixtureOptions(BernoulliOptions):
    """How a mixture is fitted to each class."""

    num_components: int = option(1, "components of each class", minimum=1)
    num_iterations: int = option(10, "EM iterations at most", minimum=1)
    min_relative_gain: float = option(
        1e-5, "relative change of the log-likelihood that ends a fit; 0: never", minimum=0.0
    )
    min_prob: float = option(
        1e-5, "probabilities stay this far from 0 and 1", minimum=1e-12, maximum=0.5
    )
    num_rotations: int = option(
        1, "rotations in which each image is seen, a divisor of those of the parts", minimum=1
    )
    standardization: str = option(
        "none",
        "subtracts from a class's log-likelihood its mean and divides by its deviation: those"
        " under the model (analytic) or over its own images (empirical)",
        choices=STANDARDIZATIONS,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class ClassMixtures:
    """Mixtures of all classes and where each image fell.

    Args:
      scorer: classifies.
      components: int64 [N], of the training images in their class.
      rotations: int64 [N], W: by so many steps counter-clockwise must an image
        be turned to its class's zero.
    """

    scorer: ClassScorer
    components: np.ndarray
    rotations: np.ndarray


def fit_class_mixtures(
    features: scipy.sparse.csr_matrix,
    labels: np.ndarray,
    options: ClassMixtureOptions,
    *,
    seed: int,
) -> ClassMixtures:
    """Fits a Bernoulli mixture to the features of each class.

    Mixture weights are not used to classify: a class is as likely as its best
    component in its best rotation.

    Args:
      features: zeros and ones [N * R, D], row n * R + r the pooled parts of image
        n turned by r steps of `num_rotations`.
      labels: int [N] in [0, Y), each of which occurs.
      options: components, rotations, iterations.
      seed: the first samples of each class's components derive from it.

    Returns:
      The classifier, and where the images fell.

    Raises:
      UserError: if a class has fewer images than components.

    References:
      Larsson. Dissertation, sections 1.2.3 and 1.2.6, eq. 1.7 to 1.9.
    """
    num_rotations, num_classes = options.num_rotations, int(labels.max()) + 1
    _check_counts(labels, options)
    rows = np.arange(len(labels) * num_rotations).reshape(-1, num_rotations)
    components, rotations = (np.zeros(len(labels), np.int64) for _ in range(2))
    templates = []
    for label in track(range(num_classes), "fitting classes", num_classes, "classes"):
        is_own = labels == label
        samples = SparseSamples(features[rows[is_own].reshape(-1)], num_rotations)
        state = fit_mixture(samples, options, seed=derive_seed(seed, f"classes/{label}"))
        mixture = cast(BernoulliMixture, state.best)
        assignment = assign(mixture, samples)
        components[is_own] = assignment.components
        rotations[is_own] = assignment.permutations
        templates.append(_templates(mixture, samples, options.standardization))
    weights, biases = (np.stack(arrays) for arrays in zip(*templates, strict=True))
    scorer = ClassScorer(
        np.ascontiguousarray(weights.transpose(2, 0, 1), np.float32), biases, num_rotations
    )
    return ClassMixtures(scorer, components, rotations)


def _check_counts(labels: np.ndarray, options: ClassMixtureOptions) -> None:
    """Raises UserError if a class has too few images."""
    counts = np.bincount(labels)
    label = int(counts.argmin())
    if counts[label] < options.num_components:
        raise UserError(
            f"class {label} has {counts[label]} images: expected at least "
            f"--classes_num_components={options.num_components}"
        )


def _templates(
    mixture: BernoulliMixture, samples: SparseSamples, standardization: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights [Q, D] and biases [Q] of a class, Q = K R, rotation fastest."""
    weights = mixture.log_odds.reshape(-1, mixture.log_odds.shape[-1])
    biases = mixture.offsets.reshape(-1)
    if standardization == "none":
        return weights, biases
    if standardization == "analytic":
        means = mixture.means.reshape(weights.shape)
        expected = (means * weights).sum(axis=-1)
        variance = (weights.astype(np.float64) ** 2 * means * (1 - means)).sum(axis=-1)
        deviation = np.maximum(np.sqrt(variance), MIN_DEVIATION)
        return weights / deviation[:, None], -expected / deviation
    upright = samples.rows[:: samples.num_blocks]
    own = (upright @ weights.T + biases).max(axis=-1)
    deviation = max(float(own.std()), MIN_DEVIATION)
    return weights / deviation, (biases - own.mean()) / deviation
