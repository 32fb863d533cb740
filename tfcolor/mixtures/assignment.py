"""Which component each sample belongs to, and which components are worth keeping."""

import dataclasses
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.mixtures.bernoulli import BernoulliMixture
from tfcolor.mixtures.correlation import Correlation
from tfcolor.mixtures.expectation import Prepared, joint_log_probs, map_chunks
from tfcolor.mixtures.gaussian import GaussianMixture
from tfcolor.mixtures.samples import Samples

AnyMixture = TypeVar("AnyMixture", BernoulliMixture, GaussianMixture)


@dataclasses.dataclass(frozen=True)
class Assignment:
    """The most probable component and transformation of each sample.

    Args:
      components: int32 [N].
      permutations: int32 [N], w: the sample turned by w steps is canonical.
      log_probs: float64 [N], ln p of the sample, its component and w.
    """

    components: np.ndarray
    permutations: np.ndarray
    log_probs: np.ndarray


def log_joint(mixture: AnyMixture, samples: Samples, *, chunk_megabytes: int = 16) -> np.ndarray:
    """Returns the joint log probability of everything, observed and latent.

    Args:
      mixture: K components under P permutations.
      samples: N complete samples.
      chunk_megabytes: bound of the memory for one chunk; the result comes on top.

    Returns:
      float64 [N, K, P], `[n, k, w]` is ln p(sample n, component k, w).
    """
    chunks = map_chunks(samples, mixture.densities, _joint, chunk_megabytes)
    return np.concatenate([joint.transpose(1, 2, 0) for joint in chunks])


def assign(mixture: AnyMixture, samples: Samples, *, chunk_megabytes: int = 16) -> Assignment:
    """Assigns every sample to the component and transformation it fits best.

    Args:
      mixture: K components under P permutations.
      samples: N complete samples.
      chunk_megabytes: bound of the memory for one chunk.

    Returns:
      One component and transformation for each sample.
    """
    chunks = list(map_chunks(samples, mixture.densities, _best, chunk_megabytes))
    best, log_probs = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    components, permutations = np.divmod(best, mixture.weights.shape[1])
    return Assignment(components.astype(np.int32), permutations.astype(np.int32), log_probs)


def keep_frequent(
    mixture: AnyMixture, assignment: Assignment, *, min_count: int = 0
) -> tuple[AnyMixture, np.ndarray, np.ndarray]:
    """Drops rare components and sorts the others, the most frequent first.

    Args:
      mixture: K components.
      assignment: of the samples to count.
      min_count: fewest samples of a component that stays.

    Returns:
      The mixture, its weights as they were; int64 [K'], the former index of each
      component; int64 [K'], its number of samples.

    Raises:
      UserError: if no component is frequent enough.
    """
    counts = np.bincount(assignment.components, minlength=len(mixture.weights))
    order = np.argsort(-counts, kind="stable")
    kept = order[counts[order] >= min_count]
    if not len(kept):
        raise UserError(
            f"no component has {min_count} samples, the most frequent {counts.max()}:"
            " expected more samples or a smaller minimum"
        )
    return mixture.select(kept), kept, counts[kept]


def _joint(correlation: Correlation, chunk: Any, prepared: Prepared) -> tf.Tensor:
    """Returns float64 [P, n, K], joint log probabilities of a chunk."""
    joint, baseline, _ = joint_log_probs(correlation, chunk, prepared)
    return tf.cast(joint, tf.float64) + baseline[:, None]


def _best(correlation: Correlation, chunk: Any, prepared: Prepared) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 [n], k P + w of the largest joint log probability, and it."""
    joint, baseline, _ = joint_log_probs(correlation, chunk, prepared)
    flat = tf.transpose(joint, [1, 2, 0])
    flat = tf.reshape(flat, [-1, flat.shape[1] * flat.shape[2]])
    largest = tf.cast(tf.reduce_max(flat, axis=1), tf.float64)
    return tf.argmax(flat, axis=1), largest + baseline
