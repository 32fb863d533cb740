"""How sure a mean over few images or seeds is, and a difference of such means."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
"""With which probability the intervals of differences hold, all together."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A difference of means with its confidence interval.

    Args:
      mean: the difference.
      low: lower end.
      high: upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def is_positive(self) -> bool:
        """Tells whether the interval lies above 0."""
        return self.low > 0

    @property
    def is_negative(self) -> bool:
        """Tells whether the interval lies below 0."""
        return self.high < 0

    def is_within(self, margin: float) -> bool:
        """Tells whether the interval lies in [-margin, margin]."""
        return -margin <= self.low and self.high <= margin

    @classmethod
    def around(cls, mean: float, half: float) -> "Interval":
        """Returns an interval by its middle and half of its width.

        Args:
          mean: the difference.
          half: from it to each end, at least 0.

        Returns:
          The interval.

        Example:
          >>> Interval.around(1.0, 0.5)
          Interval(mean=1.0, low=0.5, high=1.5)
        """
        return cls(float(mean), float(mean - half), float(mean + half))


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


def pooled_quantile(samples: Sequence[ArrayLike], num_intervals: int, level: float) -> float:
    """Returns what intervals of means are wide that hold together.

    Student's quantile, after Bonferroni, times the deviation within the samples.
    Half of an interval is this number times the square root of the sum of 1 / S
    over the means of S numbers that it is of.

    Args:
      samples: float [S] or [S, N] each, of which each column is a sample of its
        own; at least one has more than one number.
      num_intervals: how many hold together.
      level: the probability of that, in (0, 1).

    Returns:
      The quantile, in the unit of the samples.

    Raises:
      ValueError: if no sample has a deviation to be measured, or the level is out
        of range.
    """
    from scipy import stats  # slow to import

    squares, freedom = _deviations(samples)
    if not 0 < level < 1:
        raise ValueError(f"level {level}: expected between 0 and 1")
    quantile = stats.t.ppf(1 - (1 - level) / 2 / num_intervals, freedom)
    return float(quantile * np.sqrt(squares / freedom))


def draw_means(
    samples: Sequence[ArrayLike], num_draws: int = 2000, seed: int = 0
) -> list[np.ndarray]:
    """Draws what the true means may be, given samples of one deviation.

    From the posterior of normal numbers with a flat prior of means and of the
    logarithm of their common deviation: each mean by itself follows Student's
    distribution around that of its sample.

    Args:
      samples: float [S, N] each, of which each column is a sample of its own; at least
        one has more than one row.
      num_draws: D, positive.
      seed: chooses the draws.

    Returns:
      float64 [D, N] of each, drawn together.

    Raises:
      ValueError: if no sample has a deviation to be measured.

    References:
      Gelman et al. Bayesian Data Analysis, third edition, section 3.2.
    """
    squares, freedom = _deviations(samples)
    random_numbers = np.random.default_rng(seed)
    deviations = np.sqrt(squares / random_numbers.chisquare(freedom, [num_draws, 1]))
    arrays = [np.asarray(one, np.float64) for one in samples]
    return [
        one.mean(axis=0)
        + deviations / np.sqrt(len(one)) * random_numbers.standard_normal([num_draws, one.shape[1]])
        for one in arrays
    ]


def _deviations(samples: Sequence[ArrayLike]) -> tuple[float, int]:
    """Returns the sum of squared deviations within samples and its degrees of freedom."""
    arrays = [np.asarray(one, np.float64) for one in samples]
    freedom = sum(one.size - one[0].size for one in arrays)
    if freedom < 1:
        raise ValueError(f"{len(arrays)} samples of one number: expected two in one of them")
    return float(sum(np.square(one - one.mean(axis=0)).sum() for one in arrays)), freedom


def control_intervals(
    samples: Mapping[str, Sequence[float]], controls: Mapping[str, str], *, level: float = LEVEL
) -> dict[str, Interval]:
    """Returns by how much the means of samples differ from those of their controls.

    The deviation is pooled over all samples and controls, and the intervals are
    widened after Bonferroni so that all of them hold together with probability
    `level`.

    Args:
      samples: float, at least one number each, by name.
      controls: the name of the sample that one is compared with, by its name.
      level: in (0, 1).

    Returns:
      The difference of the mean of each sample that has a control to that of it.

    Raises:
      ValueError: if a sample is empty, none has two numbers, or the level is out of
        range.

    Example:
      >>> found = control_intervals({"a": [4.0, 4.2], "b": [1.0, 1.4]}, {"a": "b"})["a"]
      >>> print(f"{found.mean:.1f} in {found.low:.1f} to {found.high:.1f}")
      2.9 in 1.9 to 3.9
    """
    involved = {name: samples[name] for pair in controls.items() for name in pair}
    if not all(len(one) for one in involved.values()):
        raise ValueError("a sample without numbers: expected at least one")
    half = pooled_quantile([*involved.values()], len(controls), level) if controls else 0.0
    return {
        name: Interval.around(
            float(np.mean(samples[name]) - np.mean(samples[control])),
            half * np.sqrt(1 / len(samples[name]) + 1 / len(samples[control])),
        )
        for name, control in controls.items()
    }
