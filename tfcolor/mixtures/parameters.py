"""What the parameters of every kind of mixture have in common."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class MixtureParameters:
    """Weights and means of K components under P permutations.

    Args:
      weights: float64 [K, P], of each component and transformation w.
      means: float64 [K, P, D], of each block.
    """

    weights: np.ndarray
    means: np.ndarray

    def __post_init__(self) -> None:
        """Puts all arrays in row-major order.

        Sums round differently in another order; without this a fit went on
        differently from a file, where the order is lost.
        """
        for name, array in vars(self).items():
            object.__setattr__(self, name, np.ascontiguousarray(array, np.float64))
