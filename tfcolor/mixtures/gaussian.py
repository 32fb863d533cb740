"""Mixtures of Gaussians, with or without latent permutations."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.mixtures.expectation import (
    SMALLEST,
    Densities,
    Statistics,
    expect,
    second_features,
)
from tfcolor.mixtures.options import MixtureOptions
from tfcolor.mixtures.parameters import MixtureParameters
from tfcolor.mixtures.samples import DenseSamples, Samples, choose_samples

MIN_EIGENVALUE = 1e-3
"""Smallest eigenvalue of a covariance, in floors of its diagonal."""


@dataclasses.dataclass(frozen=True)
class Covariance:
    """What covariances depend on and which numbers they have.

    Args:
      per_component: whether each component has its own.
      per_block: whether each block has its own.
      is_diagonal: whether they are variances only.
      is_fitted: whether they are fitted, or 1.
    """

    per_component: bool
    per_block: bool
    is_diagonal: bool
    is_fitted: bool = True


COVARIANCES = {
    "tied": Covariance(False, False, False),
    "full": Covariance(True, False, False),
    "full_per_block": Covariance(False, True, False),
    "full_per_component_and_block": Covariance(True, True, False),
    "diagonal": Covariance(True, True, True),
    "diagonal_per_block": Covariance(False, True, True),
    "identity": Covariance(False, False, True, is_fitted=False),
}


@dataclasses.dataclass(frozen=True)
class GaussianOptions(MixtureOptions):
    """How a Gaussian mixture is fitted."""

    covariance: str = option("tied", "what covariances depend on", choices=tuple(COVARIANCES))
    min_covariance: float = option(
        1e-3, "added to variances, or their floor", minimum=1e-9, maximum=1.0
    )


@dataclasses.dataclass(frozen=True)
class GaussianMixture(MixtureParameters):
    """Normal densities in every block, of K components under P permutations.

    Args:
      weights: float64 [K, P], of each component and transformation w.
      means: float64 [K, P, D].
      covariances: float64 [K or 1, P or 1, D, D], or [K or 1, P or 1, D] if
        they are diagonal; 1 where all share them.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 1.2 and appendix A.
    """

    covariances: np.ndarray

    @classmethod
    def initialize(cls, samples: Samples, options: GaussianOptions, seed: int) -> "GaussianMixture":
        """Returns the start of a fit.

        Diagonal mixtures start from different samples and variances of 1, the
        others from means drawn from the normal density of all blocks.

        Args:
          samples: N complete samples.
          options: number of components and kind of covariance.
          seed: of what is drawn.

        Returns:
          K components of equal weight.

        Raises:
          UserError: if there are fewer samples than components.
        """
        chosen = choose_samples(samples, options.num_components, seed)
        kind = lookup(COVARIANCES, options.covariance, "covariance")
        _, num_blocks, size = samples.shape
        shape = (options.num_components, num_blocks, size)
        weights = np.full(shape[:2], 1 / (shape[0] * shape[1]))
        shared = [shape[0] if kind.per_component else 1, num_blocks if kind.per_block else 1]
        if kind.is_diagonal and kind.is_fitted:
            return cls(weights, samples.select(chosen), np.ones([*shared, size]))
        mean, covariance = _overall_moments(samples, options)
        factor = tf.linalg.cholesky(covariance).numpy()
        noise = np.random.default_rng(seed).normal(size=shape)
        # By einsum, not by BLAS: see `correlation`.
        means = mean + np.einsum("kpd,ed->kpe", noise, factor)
        if not kind.is_fitted:
            return cls(weights, means, np.ones([1, 1, size]))
        return cls(weights, means, np.broadcast_to(covariance, [*shared, size, size]))

    @property
    def densities(self) -> Densities:
        """Returns the joint log densities in linear form, about the mean of means."""
        center = self.means.mean(axis=(0, 1))
        constant, linear, quadratic = self._terms(center)
        num_blocks = self.means.shape[1]
        quadratic = np.broadcast_to(quadratic, [len(quadratic), num_blocks, quadratic.shape[2]])
        log_weights = np.log(np.maximum(self.weights, SMALLEST))
        return Densities(log_weights, constant, linear, quadratic, center)

    def log_probs(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the log density of features under every block of every component.

        Args:
          features: float32 [..., D].

        Returns:
          float32 [..., K P], entry `k P + i` is ln p under block i of component k.
        """
        center = self.means.mean(axis=(0, 1))
        # Outside of the graph that may be under construction.
        with tf.init_scope():
            constant, linear, quadratic = self._terms(center)
        size = self.means.shape[2]
        centered = features - tf.constant(center, tf.float32)
        return (
            tf.tensordot(centered, tf.constant(linear.reshape(-1, size).T, tf.float32), 1)
            + _quadratic_part(centered, quadratic, self.weights.shape)
            + tf.constant(constant.ravel(), tf.float32)
        )

    def select(self, components: np.ndarray) -> "GaussianMixture":
        """Returns the components at integers [K'], in that order."""
        covariances = self.covariances
        if len(covariances) > 1:
            covariances = covariances[components]
        return GaussianMixture(self.weights[components], self.means[components], covariances)

    def expect(self, samples: Samples, options: MixtureOptions) -> Statistics:
        """Returns the sums of an E-step over all samples.

        Args:
          samples: N complete samples.
          options: memory for a chunk.

        Returns:
          The sums.

        Raises:
          ValueError: if the samples are sparse, which is for bits.
        """
        if not isinstance(samples, DenseSamples):
            raise ValueError(f"{type(samples).__name__}: expected DenseSamples")
        return expect(samples, self.densities, chunk_megabytes=options.chunk_megabytes)

    def update(self, statistics: Statistics, options: GaussianOptions) -> "GaussianMixture":
        """Returns the mixture after an M-step.

        A component that lost all samples moves to the mean of all means, with the
        smallest covariance there is.

        Args:
          statistics: of the E-step with this mixture.
          options: kind of covariance and limits of the parameters.

        Returns:
          The next mixture.
        """
        kind = COVARIANCES[options.covariance]
        weights = statistics.weights(options.weight_floor(self.weights.size))
        shifts = statistics.linear / statistics.sizes
        means = self.means.mean(axis=(0, 1)) + shifts
        if not kind.is_fitted:
            return GaussianMixture(weights, means, self.covariances)
        packed = _packed_covariances(statistics, shifts, kind)
        if kind.is_diagonal:
            covariances = _limit_variances(packed, kind, options.min_covariance)
        else:
            covariances = _limit_covariances(packed, kind, options.min_covariance)
        return GaussianMixture(weights, means, covariances)

    def _terms(self, center: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns constant [K, P], linear [K, P, D] and quadratic about a center."""
        shifts = self.means - center
        size = shifts.shape[2]
        if self.covariances.ndim == 3:
            precisions = 1 / self.covariances
            log_determinants = np.log(self.covariances).sum(axis=2)
            linear, quadratic = precisions * shifts, -0.5 * precisions
        else:
            # By TensorFlow: LAPACK's rounding depends on the number of threads.
            factors = tf.linalg.cholesky(self.covariances).numpy()
            log_determinants = 2 * np.log(np.diagonal(factors, axis1=2, axis2=3)).sum(axis=2)
            inverses = tf.linalg.triangular_solve(factors, np.eye(size)).numpy()
            precisions = np.einsum("...fd,...fe->...de", inverses, inverses)
            linear = np.einsum("...de,...e->...d", precisions, shifts)
            rows, columns = np.tril_indices(size)
            quadratic = precisions[..., rows, columns] * np.where(rows == columns, -0.5, -1.0)
        constant = -0.5 * (
            (linear * shifts).sum(axis=2) + log_determinants + size * np.log(2 * np.pi)
        )
        return constant, linear, quadratic


def _quadratic_part(
    centered: tf.Tensor, quadratic: np.ndarray, shape: tuple[int, ...]
) -> tf.Tensor:
    """Returns what second moments add to log densities, [..., K P], or [..., 1] for all."""
    size, count = centered.shape[-1], quadratic.shape[2]
    if quadratic.shape[:2] == (1, 1) and count > size:
        # One product of matrices: coding by all products of two took ten times as long.
        triangle = np.zeros([size, size], np.float32)
        triangle[np.tril_indices(size)] = quadratic[0, 0]
        rows = tf.tensordot(centered, tf.constant(triangle.T), 1)
        return tf.reduce_sum(rows * centered, axis=-1, keepdims=True)
    flat = np.broadcast_to(quadratic, [*shape, count]).reshape(-1, count).T
    return tf.tensordot(second_features(centered, count), tf.constant(flat, tf.float32), 1)


def _overall_moments(samples: Samples, options: GaussianOptions) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean [D] and the limited covariance [D, D] of all blocks.

    They are what one component tied over all blocks converges to: in one step to
    the mean, in the next, about that mean, to the covariance.
    """
    _, num_blocks, size = samples.shape
    tied = dataclasses.replace(options, covariance="tied")
    single = GaussianMixture(
        np.full([1, num_blocks], 1 / num_blocks),
        np.zeros([1, num_blocks, size]),
        np.eye(size)[None, None],
    )
    for _ in range(2):
        single = single.update(single.expect(samples, tied), tied)
    return single.means.mean(axis=(0, 1)), single.covariances[0, 0]


def _packed_covariances(statistics: Statistics, shifts: np.ndarray, kind: Covariance) -> np.ndarray:
    """Returns [K or 1, P or 1, F], squares or products about the new means, averaged."""
    if statistics.quadratic is None:
        raise ValueError("statistics without second moments: expected those of a GaussianMixture")
    if kind.is_diagonal:
        products = shifts**2
    else:
        rows, columns = np.tril_indices(shifts.shape[2])
        products = shifts[..., rows] * shifts[..., columns]
    sizes = statistics.sizes
    products = sizes * products
    if not kind.per_component:
        products, sizes = (part.sum(axis=0, keepdims=True) for part in (products, sizes))
    scatter = statistics.quadratic - products
    return scatter / sizes if kind.per_block else scatter.mean(axis=1, keepdims=True) / sizes


def _limit_variances(variances: np.ndarray, kind: Covariance, smallest: float) -> np.ndarray:
    """Returns variances that are not too small."""
    if kind.per_component:
        return np.maximum(variances, 0) + smallest
    return np.maximum(variances, smallest)


def _limit_covariances(packed: np.ndarray, kind: Covariance, smallest: float) -> np.ndarray:
    """Returns [..., D, D] positive definite covariances from their lower triangles."""
    size = int(np.sqrt(2 * packed.shape[2]))
    rows, columns = np.tril_indices(size)
    covariances = np.zeros([*packed.shape[:2], size, size])
    covariances[..., rows, columns] = covariances[..., columns, rows] = packed
    diagonal = np.arange(size)
    if kind.per_block:
        variances = covariances[..., diagonal, diagonal]
        covariances[..., diagonal, diagonal] = np.maximum(variances, smallest)
    else:
        covariances = (1 - smallest) * covariances + smallest * np.eye(size)
    # A floor of the diagonal alone, and rounding, leave room for singular ones.
    values, vectors = (part.numpy() for part in tf.linalg.eigh(covariances))
    floor = MIN_EIGENVALUE * smallest
    if values.min() >= floor:
        return covariances
    return np.einsum("...df,...f,...ef->...de", vectors, np.maximum(values, floor), vectors)
