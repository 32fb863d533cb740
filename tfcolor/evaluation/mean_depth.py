"""The depth that is usual at each place of a picture, as a prediction."""

import cv2
import numpy as np

ROWS, COLUMNS = 48, 64
"""Of the grid on which the means are kept."""


class MeanDepthMap:
    """Predicts an image by the mean of all others, place by place.

    It knows where floors and walls use to be, and nothing of the image: what a
    network gains on it, it has seen.

    Args:
      fallback: the prediction where no other image has a depth, meters.
    """

    def __init__(self, fallback: float) -> None:
        self._fallback = fallback
        self._total = np.zeros((ROWS, COLUMNS))
        self._weight = np.zeros((ROWS, COLUMNS))

    def add(self, depth: np.ndarray) -> None:
        """Adds an image.

        Args:
          depth: float [H, W], meters; 0 where it is not known.
        """
        total, weight = _on_grid(depth)
        self._total += total
        self._weight += weight

    def predict(self, depth: np.ndarray) -> np.ndarray:
        """Returns the prediction for one of the images that were added.

        Args:
          depth: float [H, W], that of the image, which is left out.

        Returns:
          float32 [H, W], meters.
        """
        total, weight = _on_grid(depth)
        total, weight = self._total - total, self._weight - weight
        is_known = weight > 1e-6  # what is left after a difference is not exactly 0
        mean = np.where(is_known, total / np.where(is_known, weight, 1), self._fallback)
        height, width = depth.shape
        return cv2.resize(mean.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _on_grid(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns depth times weight and weight in each cell of the grid, float64."""
    weight = (depth > 0).astype(np.float64)
    total = depth.astype(np.float64) * weight
    size = (COLUMNS, ROWS)
    return (
        cv2.resize(total, size, interpolation=cv2.INTER_AREA),
        cv2.resize(weight, size, interpolation=cv2.INTER_AREA),
    )
