"""How the error of predicted depth depends on the depth."""

from collections.abc import Sequence

import numpy as np

BIN_METERS = 0.5
NUM_BINS = 200


class ErrorsByDepth:
    """Mean relative errors of pixels in ranges of true depth, half a meter each.

    Args:
      labels: of the predictors that are compared.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._sums = np.zeros((len(self._labels), NUM_BINS))
        self._counts = np.zeros(NUM_BINS)

    def add(self, depth: np.ndarray, predictions: Sequence[np.ndarray]) -> None:
        """Adds the pixels of an image.

        Args:
          depth: float [H, W], true depth in meters; 0 where it is not known.
          predictions: float [H, W] in meters, one for each label.
        """
        is_known = depth > 0
        truth = depth[is_known].astype(np.float64)
        bins = np.minimum((truth / BIN_METERS).astype(np.int64), NUM_BINS - 1)
        self._counts += np.bincount(bins, minlength=NUM_BINS)
        for total, predicted in zip(self._sums, predictions, strict=True):
            errors = np.abs(predicted[is_known] - truth) / truth
            total += np.bincount(bins, errors, minlength=NUM_BINS)

    def curves(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Returns the mean error in each range up to the last one with a pixel.

        Returns:
          (edges, errors): float [K + 1] in meters, and float [K] by label, NaN
          where there is no pixel.
        """
        used = np.flatnonzero(self._counts)
        count = int(used[-1]) + 1 if len(used) else 0
        with np.errstate(invalid="ignore"):
            means = self._sums[:, :count] / self._counts[:count]
        edges = BIN_METERS * np.arange(count + 1)
        return edges, dict(zip(self._labels, means, strict=True))
