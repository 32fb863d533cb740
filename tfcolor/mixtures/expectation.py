"""The E-step of every mixture: densities of complete samples and weighted sums over them.

All sums over samples are taken in float64, chunk by chunk in a fixed order.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.mixtures.correlation import Correlation
from tfcolor.mixtures.pipeline import chunk_pipeline
from tfcolor.mixtures.samples import Samples

MAX_CHUNK = 1024
"""Samples in a chunk; float32 sums over them stay exact enough."""
SHARES = 4
"""Chunks are a multiple of this, so that as many threads end together."""
SMALLEST = 1e-30
"""What an empty component counts, and the weight of one without samples."""


@dataclasses.dataclass(frozen=True)
class Densities:
    """Joint log densities as linear functions of x and of products of its numbers.

    `ln p(x, k, w) = ln weight[k, w] + sum_i f(x[A(w, i)] - center; k, i)`, with
    `f(y; k, i) = constant[k, i] + linear[k, i] . y + quadratic[k, i] . q(y)`;
    q(y) are the squares of y, or all products of two numbers of it.

    Args:
      log_weights: float64 [K, P].
      constant: float64 [K, P].
      linear: float64 [K, P, D].
      quadratic: float64 [K, P, D] or [K, P, D (D + 1) / 2]; K may be 1 where
        components share it; None where densities have no such term.
      center: float64 [D], subtracted first; None for 0.
    """

    log_weights: np.ndarray
    constant: np.ndarray
    linear: np.ndarray
    quadratic: np.ndarray | None = None
    center: np.ndarray | None = None

    @property
    def offsets(self) -> np.ndarray:
        """Returns float64 [K, P], what does not depend on the sample."""
        return self.log_weights + self.constant.sum(axis=1, keepdims=True)


class Prepared(NamedTuple):
    """Densities as tensors for the chunks, the terms in order linear, quadratic.

    Args:
      baseline: float64 [], what all offsets have in common.
      offsets: float32 [P, K], what they do not.
      weights: one for each term, as `Correlation.prepare` returns it.
      directions: float64 [D], the mean split off each term before.
      center: float32 [D], or nothing.
    """

    baseline: tf.Tensor
    offsets: tf.Tensor
    weights: tuple[tf.Tensor, ...]
    directions: tuple[tf.Tensor, ...]
    center: tuple[tf.Tensor, ...]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Sums over all samples, weighted with responsibilities.

    Args:
      log_likelihood: of all samples.
      num_samples: N.
      counts: float64 [K, P], for each transformation w.
      linear: float64 [K, P, D], of y in every block.
      quadratic: float64, like `Densities.quadratic`, of q(y); None without.
    """

    log_likelihood: float
    num_samples: int
    counts: np.ndarray
    linear: np.ndarray
    quadratic: np.ndarray | None

    def weights(self, floor: float) -> np.ndarray:
        """Returns float64 [K, P], the share of each component and transformation.

        Args:
          floor: the smallest weight; with one, they need not sum to 1.

        Returns:
          Weights in [floor, 1 - floor].
        """
        return np.clip(self.counts / self.num_samples, floor, 1 - floor)

    @property
    def sizes(self) -> np.ndarray:
        """Returns float64 [K, 1, 1], the samples of each component, above zero."""
        return np.maximum(self.counts.sum(axis=1), SMALLEST)[:, None, None]


def expect(samples: Samples, densities: Densities, *, chunk_megabytes: int) -> Statistics:
    """Returns the log-likelihood and the sums that an M-step needs.

    Args:
      samples: N complete samples.
      densities: of the mixture.
      chunk_megabytes: bound of the memory for one chunk.

    Returns:
      The sums over all samples.

    Raises:
      UserError: if the log-likelihood is not finite, as samples are not.
    """
    log_likelihood, totals = 0.0, None
    for log_probs, *sums in map_chunks(samples, densities, _weighted_sums, chunk_megabytes):
        log_likelihood += float(log_probs.sum())
        totals = totals or [np.zeros(part.shape) for part in sums]
        for total, part in zip(totals, sums, strict=True):
            total += part
    if not np.isfinite(log_likelihood):
        raise UserError(f"the log-likelihood is {log_likelihood}: expected finite samples")
    counts, *moments = totals or []
    linear, *quadratic = (samples.correlation.finish(moment) for moment in moments)
    return Statistics(
        log_likelihood, samples.shape[0], counts.T, linear, quadratic[0] if quadratic else None
    )


def map_chunks(
    samples: Samples, densities: Densities, work: Callable[..., Any], chunk_megabytes: int
) -> Iterator[Any]:
    """Yields what a function finds in each chunk, in the order of the samples.

    Args:
      samples: N complete samples.
      densities: of the mixture.
      work: from the correlation, a chunk and the prepared densities to tensors;
        a function of a module, since its graph is kept.
      chunk_megabytes: bound of the memory for one chunk.

    Yields:
      The results as NumPy arrays.
    """
    count, size = _equal_chunks(samples.shape[0], chunk_size(samples, densities, chunk_megabytes))
    prepared = _prepare(samples.correlation, densities)
    constants = tf.nest.map_structure(tf.TensorSpec.from_tensor, prepared)
    pipeline = chunk_pipeline(work, samples.correlation, samples.signature, constants)
    yield from pipeline.run(lambda index: samples.chunk(index, size), count, prepared)


def chunk_size(samples: Samples, densities: Densities, chunk_megabytes: int) -> int:
    """Returns how many samples a chunk of bounded memory has.

    Args:
      samples: complete samples.
      densities: of the mixture.
      chunk_megabytes: the bound.

    Returns:
      A number from 1 to `MAX_CHUNK`, whatever N is.
    """
    num_components, num_blocks, _ = densities.linear.shape
    quadratic = 0 if densities.quadratic is None else densities.quadratic[0].size
    numbers = samples.numbers_each + 3 * quadratic + 6 * num_components * num_blocks
    return int(np.clip(chunk_megabytes * 2**20 // (4 * numbers), 1, MAX_CHUNK))


def _equal_chunks(num_samples: int, largest: int) -> tuple[int, int]:
    """Returns a number of chunks that threads can share, and the size of all but the last."""
    count = -(-num_samples // largest)
    if count > 1:
        count = SHARES * -(-count // SHARES)
    size = -(-num_samples // count)
    return -(-num_samples // size), size


def joint_log_probs(
    correlation: Correlation, chunk: Any, prepared: Prepared
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Returns the joint log probabilities of a chunk, and what they come from.

    Args:
      correlation: of the chunk's kind.
      chunk: n samples.
      prepared: the densities.

    Returns:
      float32 [P, n, K]; float64 [n], to be added to all of a sample's; the
      transformed features.
    """
    features = [correlation.read(chunk)]
    if prepared.center:
        centered = features[0] - prepared.center[0]
        features = [centered, second_features(centered, prepared.directions[1].shape[0])]
    transformed = [correlation.transform(feature) for feature in features]
    joint, baseline = prepared.offsets[:, None, :], prepared.baseline
    for feature, weights in zip(transformed, prepared.weights, strict=True):
        joint += correlation.correlate(feature, weights)
    for feature, direction in zip(features, prepared.directions, strict=True):
        baseline += correlation.project(feature, direction)
    return joint, baseline, transformed


def second_features(features: tf.Tensor, count: int) -> tf.Tensor:
    """Returns the squares of features, or all products of two of them.

    Args:
      features: float32 [..., D].
      count: D for squares, D (D + 1) / 2 for products.

    Returns:
      float32 [..., D], or [..., D (D + 1) / 2] as in the lower triangle of a
      matrix, row by row.
    """
    size = features.shape[-1]
    if count == size:
        return tf.square(features)
    rows, columns = np.tril_indices(size)
    return tf.gather(features, rows, axis=-1) * tf.gather(features, columns, axis=-1)


def _weighted_sums(
    correlation: Correlation, chunk: Any, prepared: Prepared
) -> tuple[tf.Tensor, ...]:
    """Returns float64 [n] log probabilities, [P, K] counts and weighted sums."""
    joint, baseline, features = joint_log_probs(correlation, chunk, prepared)
    responsibilities = tf.nn.softmax(joint)
    peaks = tf.math.log(tf.reduce_max(responsibilities, axis=2))
    marginals = tf.reduce_max(joint, axis=2) - peaks
    totals = tf.reduce_logsumexp(marginals, axis=0)
    if joint.shape[0] > 1:
        responsibilities *= tf.exp(marginals - totals)[:, :, None]
    sums = [tf.reduce_sum(responsibilities, axis=1)]
    for feature, weights in zip(features, prepared.weights, strict=True):
        factors = responsibilities
        if weights.shape[-1] == 1:
            factors = tf.reduce_sum(responsibilities, axis=2, keepdims=True)
        sums.append(correlation.accumulate(feature, factors))
    log_probs = baseline + tf.cast(totals, tf.float64)
    return log_probs, *sums


def _prepare(correlation: Correlation, densities: Densities) -> Prepared:
    """Returns densities as the chunks need them.

    Means over components and blocks are split off: they add the same to all
    joint densities of a sample, and what is left is smaller and rounds less.
    """
    terms = [term for term in (densities.linear, densities.quadratic) if term is not None]
    directions = [term.mean(axis=(0, 1)) for term in terms]
    pairs = zip(terms, directions, strict=True)
    weights = [correlation.prepare(term - direction) for term, direction in pairs]
    baseline = densities.offsets.mean()
    offsets = (densities.offsets - baseline).T
    center = [] if densities.center is None else [densities.center.astype(np.float32)]
    arrays = Prepared(
        baseline, offsets.astype(np.float32), tuple(weights), tuple(directions), tuple(center)
    )
    return tf.nest.map_structure(tf.constant, arrays)
