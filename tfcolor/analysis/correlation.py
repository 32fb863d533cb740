"""Correlations of many pairs of features over a stream of samples."""

import numpy as np
from numpy.typing import ArrayLike


class PairedMoments:
    """The correlation of each feature of one network with its like in another.

    Batches of samples are merged by their means and centered sums in float64, so
    a mean far from zero costs no digits, and nothing but these sums is kept.

    Args:
      num_features: C, in both networks.

    References:
      Chan, Golub, LeVeque. Algorithms for Computing the Sample Variance:
      Analysis and Recommendations. The American Statistician 37, 1983.
    """

    def __init__(self, num_features: int) -> None:
        self.num_samples = 0
        self._means = np.zeros((2, num_features))
        # Squares of the first, squares of the second, products.
        self._sums = np.zeros((3, num_features))
        # Rounding leaves constants a tiny variance: their range shows what they are.
        self._least = np.full((2, num_features), np.inf)
        self._most = np.full((2, num_features), -np.inf)

    def update(self, first: ArrayLike, second: ArrayLike) -> None:
        """Adds samples.

        Args:
          first: float [N, C], activations in the one network.
          second: float [N, C], activations in the other at the same places.
        """
        samples = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
        count = samples.shape[1]
        if not count:
            return
        self._least = np.minimum(self._least, samples.min(axis=1))
        self._most = np.maximum(self._most, samples.max(axis=1))
        means = samples.mean(axis=1)
        samples -= means[:, None]
        total = self.num_samples + count
        shift = means - self._means
        self._sums += _summed_products(samples)
        self._sums += _summed_products(shift[:, None]) * (self.num_samples * count / total)
        self._means += shift * (count / total)
        self.num_samples = total

    @property
    def is_dead(self) -> np.ndarray:
        """Returns bool [2, C]: which features never change in the one and in the other."""
        return self._least >= self._most

    def correlation(self) -> np.ndarray:
        """Returns Pearson's correlation of each feature.

        Returns:
          float64 [C] in [-1, 1]; NaN where a feature is dead on either side.
        """
        first, second, both = self._sums
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.clip(both / (np.sqrt(first) * np.sqrt(second)), -1.0, 1.0)
        return np.where(self.is_dead.any(axis=0), np.nan, values)


def _summed_products(samples: np.ndarray) -> np.ndarray:
    """Sums the squares and the products of the two halves of [2, N, C], float64 [3, C]."""
    pairs = ((0, 0), (1, 1), (0, 1))
    return np.stack([np.einsum("nc,nc->c", samples[one], samples[two]) for one, two in pairs])
