"""What every mixture is fitted with."""

import dataclasses

from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class MixtureOptions:
    """Components, iterations and restarts of an EM fit."""

    num_components: int = option(1280, "components before rare ones are dropped", minimum=1)
    num_iterations: int = option(15, "EM iterations at most", minimum=1)
    num_restarts: int = option(1, "fits from other samples, of which the best is kept", minimum=1)
    min_relative_gain: float = option(
        1e-6, "relative change of the log-likelihood that ends a fit; 0: never", minimum=0.0
    )
    min_weight: float = option(
        1e-4, "floor of the weights, at most a tenth of their mean", minimum=0.0, maximum=0.5
    )
    chunk_megabytes: int = option(32, "memory for one chunk of samples", minimum=1)

    def weight_floor(self, num_weights: int) -> float:
        """Returns the smallest weight of a mixture.

        Args:
          num_weights: K P.

        Returns:
          A number below 1 / (K P).
        """
        return min(self.min_weight, 0.1 / num_weights)
