"""The scores of predicted label maps, one by one and all together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor.data.sources.label_maps import VOID_LABEL
from tfcolor.metrics.segmentation import MeanIntersectionOverUnion


class LabelMapScores:
    """Compares predicted label maps with true ones.

    Args:
      class_names: the classes by label.

    Attributes:
      rows: the scores of every photograph so far; None where all is void.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = tuple(class_names)
        # Twice: for the photograph at hand, and for all.
        self._one, self._all = (
            MeanIntersectionOverUnion(len(self._names), VOID_LABEL) for _ in range(2)
        )
        self._hits: list[np.ndarray] = []
        self._unions: list[np.ndarray] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, labels: np.ndarray, predicted: np.ndarray) -> None:
        """Adds a photograph.

        Args:
          name: what its row is called.
          labels: int [H, W], true classes in [0, K), or 255 for void.
          predicted: int [H, W] in [0, K).
        """
        self._one.reset_state()
        for metric in (self._one, self._all):
            metric.update_state(labels, predicted)
        confusion = self._one.confusion.numpy()
        hits = np.diagonal(confusion)
        self._hits.append(hits)
        self._unions.append(confusion.sum(axis=0) + confusion.sum(axis=1) - hits)
        is_known = bool(confusion.sum())
        self.rows.append(
            {
                "image": name,
                "height": labels.shape[0],
                "width": labels.shape[1],
                "mean_iou": float(self._one.result()) if is_known else None,
                "pixel_accuracy": float(self._one.pixel_accuracy()) if is_known else None,
            }
        )

    @property
    def confusion(self) -> np.ndarray:
        """Returns the pixels by true class and predicted class, int64 [K, K]."""
        return self._all.confusion.numpy()

    def figures(self) -> dict[str, Any]:
        """Returns the scores of all photographs together, by name."""
        confusion = self.confusion
        totals = confusion.sum(axis=1)
        recalls = np.diagonal(confusion)[totals > 0] / totals[totals > 0]
        values = self._all.per_class().numpy()
        interval = mean_iou_interval(np.stack(self._hits), np.stack(self._unions))
        return {
            "num_images": len(self.rows),
            "num_pixels": int(totals.sum()),
            "mean_iou": float(self._all.result()),
            "mean_iou_interval": list(interval),
            "pixel_accuracy": float(self._all.pixel_accuracy()),
            "mean_class_accuracy": float(recalls.mean()) if len(recalls) else 0.0,
            "iou_by_class": {
                name: None if np.isnan(value) else float(value)
                for name, value in zip(self._names, values, strict=True)
            },
        }


def mean_iou_interval(
    hits: np.ndarray,
    unions: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns an interval that holds the mean IoU of a population of images.

    The percentile bootstrap over images: each sample, drawn with replacement,
    has the mean IoU of all its pixels.

    Args:
      hits: int64 [N, K], pixels of each image and class that are right.
      unions: int64 [N, K], those that are of the class or predicted to be.
      level: the probability to aim at, in (0, 1).
      resamples: how many samples are drawn.
      seed: chooses the samples.

    Returns:
      (low, high), in [0, 1]; both the value itself for a single image.

    References:
      Efron. Bootstrap Methods: Another Look at the Jackknife. 1979.
    """
    generator = np.random.default_rng(seed)
    count = len(hits)
    means = []
    for _ in range(resamples):
        weights = np.bincount(generator.integers(count, size=count), minlength=count)
        union = weights @ unions
        scores = (weights @ hits)[union > 0] / union[union > 0]
        means.append(scores.mean() if len(scores) else 0.0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
