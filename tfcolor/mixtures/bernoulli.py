"""Mixtures of independent bits, with or without latent permutations."""

import dataclasses

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.mixtures.expectation import SMALLEST, Densities, Statistics, expect
from tfcolor.mixtures.options import MixtureOptions
from tfcolor.mixtures.parameters import MixtureParameters
from tfcolor.mixtures.samples import Samples, choose_samples

INITIAL_PROBS = (0.2, 0.8)
"""What zeros and ones of the first samples become."""


@dataclasses.dataclass(frozen=True)
class BernoulliOptions(MixtureOptions):
    """How a Bernoulli mixture is fitted."""

    min_prob: float = option(
        5e-5, "probabilities stay this far from 0 and 1", minimum=1e-12, maximum=0.5
    )


@dataclasses.dataclass(frozen=True)
class BernoulliMixture(MixtureParameters):
    """Independent bits in every block, of K components under P permutations.

    Args:
      weights: float64 [K, P], of each component and transformation w.
      means: float64 [K, P, D] in (0, 1), probability of a one in each block.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, eq. 1.1, 1.7 and 1.8.
    """

    @classmethod
    def from_samples(cls, samples: Samples, indices: np.ndarray) -> "BernoulliMixture":
        """Returns a mixture whose components are softened samples.

        Args:
          samples: complete samples.
          indices: integers [K], which of them.

        Returns:
          K components of equal weight.

        Raises:
          UserError: if a number in them is neither 0 nor 1; of the others, none is
            read.
        """
        low, high = INITIAL_PROBS
        chosen = samples.select(indices)
        is_bit = (chosen == 0) | (chosen == 1)
        if not is_bit.all():
            raise UserError(f"a sample has {chosen[~is_bit][0]:g}: expected 0 and 1")
        means = np.clip(chosen, low, high)
        return cls(np.full(means.shape[:2], 1 / means[..., 0].size), means)

    @classmethod
    def initialize(
        cls, samples: Samples, options: BernoulliOptions, seed: int
    ) -> "BernoulliMixture":
        """Returns the start of a fit: different samples, chosen at random.

        Args:
          samples: N complete samples.
          options: number of components.
          seed: of the choice.

        Returns:
          K components of equal weight.

        Raises:
          UserError: if there are fewer samples than components, or a number in
            those chosen is neither 0 nor 1.
        """
        return cls.from_samples(samples, choose_samples(samples, options.num_components, seed))

    @property
    def log_odds(self) -> np.ndarray:
        """Returns float64 [K, P, D], ln p - ln(1 - p) of every bit."""
        return np.log(self.means) - np.log1p(-self.means)

    @property
    def offsets(self) -> np.ndarray:
        """Returns float64 [K, P], the log probability of a block without ones."""
        return np.log1p(-self.means).sum(axis=2)

    @property
    def densities(self) -> Densities:
        """Returns the joint log densities in linear form."""
        log_weights = np.log(np.maximum(self.weights, SMALLEST))
        return Densities(log_weights, self.offsets, self.log_odds)

    def select(self, components: np.ndarray) -> "BernoulliMixture":
        """Returns the components at integers [K'], in that order."""
        return BernoulliMixture(self.weights[components], self.means[components])

    def expect(self, samples: Samples, options: MixtureOptions) -> Statistics:
        """Returns the sums of an E-step over all samples."""
        return expect(samples, self.densities, chunk_megabytes=options.chunk_megabytes)

    def update(self, statistics: Statistics, options: BernoulliOptions) -> "BernoulliMixture":
        """Returns the mixture after an M-step.

        The weights of a plain mixture (P = 1) have no floor. A component that
        lost all samples consists of zeros, as far as `min_prob` permits.

        Args:
          statistics: of the E-step with this mixture.
          options: limits of the parameters.

        Returns:
          The next mixture.
        """
        floor = options.weight_floor(self.weights.size) if self.weights.shape[1] > 1 else 0.0
        means = np.clip(
            statistics.linear / statistics.sizes, options.min_prob, 1 - options.min_prob
        )
        return BernoulliMixture(statistics.weights(floor), means)
