"""How sure a mean over few images is: bootstrap intervals."""

import numpy as np
from numpy.typing import ArrayLike


def bootstrap_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Returns an interval that holds the mean of a population of images.

    The percentile bootstrap: quantiles of the means of samples drawn with
    replacement.

    Args:
      values: float [N], one number per image, N at least 1.
      level: the probability to aim at, in (0, 1).
      resamples: how many samples are drawn.
      seed: chooses the samples.

    Returns:
      (low, high), both the value itself if there is but one.

    Raises:
      ValueError: if `values` is no vector of finite numbers, or an option is out
        of range.

    Example:
      >>> bootstrap_interval([24.5])
      (24.5, 24.5)

    References:
      Efron. Bootstrap Methods: Another Look at the Jackknife. 1979.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(
            f"values of shape {list(values.shape)} with {np.sum(~np.isfinite(values))} not "
            "finite: expected a vector of finite numbers, at least one"
        )
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(
            f"level {level} and resamples {resamples}: expected between 0 and 1, and at least 1"
        )
    generator = np.random.default_rng(seed)
    # One sample at a time: all at once would hold resamples * N numbers.
    means = [generator.choice(values, len(values)).mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
