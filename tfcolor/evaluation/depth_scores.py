"""The measures of predicted depth, image by image and all together."""

from typing import Any

import numpy as np

from tfcolor.metrics.depth import DEPTH_MEASURES, depth_errors, finish_depth_measure


class DepthScores:
    """Compares predicted depth with the true one.

    Attributes:
      rows: the measures of every image so far; None where no depth is known.
    """

    def __init__(self) -> None:
        self._sums: list[np.ndarray] = []
        self._counts: list[int] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, depth: np.ndarray, predicted: np.ndarray) -> None:
        """Adds an image.

        Args:
          name: what its row is called.
          depth: float [H, W], true depth in meters; 0 where it is not known.
          predicted: float [H, W], predicted depth in meters.
        """
        errors = depth_errors(depth, predicted).numpy()
        count = len(errors)
        self._sums.append(errors.sum(axis=0))
        self._counts.append(count)
        means = errors.mean(axis=0) if count else [None] * len(DEPTH_MEASURES)
        self.rows.append(
            {
                "image": name,
                "height": depth.shape[0],
                "width": depth.shape[1],
                "num_pixels": count,
                **{
                    measure: None if mean is None else float(finish_depth_measure(measure, mean))
                    for measure, mean in zip(DEPTH_MEASURES, means, strict=True)
                },
            }
        )

    @property
    def num_pixels(self) -> int:
        """Returns how many pixels with a known depth there were."""
        return sum(self._counts)

    def figures(self) -> dict[str, float]:
        """Returns the measures over all pixels of all images, 0 if there are none."""
        means = np.sum(self._sums, axis=0) / max(self.num_pixels, 1)
        return _finished(means)

    def intervals(self) -> dict[str, list[float]]:
        """Returns the 95 % interval of each measure over images, [low, high]."""
        bounds = [_finished(row) for row in _resampled_quantiles(self._sums, self._counts)]
        return {name: [row[name] for row in bounds] for name in DEPTH_MEASURES}


def _finished(means: np.ndarray) -> dict[str, float]:
    """Returns the measures of the means of what pixels contribute."""
    return {
        name: float(finish_depth_measure(name, mean))
        for name, mean in zip(DEPTH_MEASURES, means, strict=True)
    }


def _resampled_quantiles(
    sums: list[np.ndarray],
    counts: list[int],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """Returns the ends of an interval of each mean over pixels, float64 [2, M].

    The percentile bootstrap over images, as of `mean_iou_interval`: pixels of one
    image are alike, and are drawn together.
    """
    totals, sizes = np.stack(sums), np.asarray(counts, np.float64)
    generator = np.random.default_rng(seed)
    num_images = len(sizes)
    draws = generator.multinomial(num_images, np.full(num_images, 1 / num_images), resamples)
    means = draws @ totals / np.maximum(draws @ sizes, 1)[:, None]
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
