"""How large the signals of a teacher are, and which of them a student learns."""

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path

NORMALIZATIONS = ("feature", "single", "none")
LEAST_SCALE = 1e-3
"""Of the median: what the scale of a feature is at least that is never active."""


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """What is found out about a teacher once, before a student learns from it.

    Args:
      scales: float64 [C], the size of each channel of its signals, above 0.
      channels: int64 [F], which channels the student learns, increasing.
    """

    scales: np.ndarray
    channels: np.ndarray

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes an NPZ file atomically."""
        with atomic_path(path) as temporary:
            np.savez(temporary, scales=self.scales, channels=self.channels)


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Reads what `Calibration.write` wrote.

    Args:
      path: an NPZ file.

    Returns:
      The same arrays.

    Raises:
      UserError: if the file cannot be read.
    """
    try:
        with np.load(path) as arrays:
            return Calibration(arrays["scales"], arrays["channels"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read the calibration of the teacher, {path}: {error}") from error


def teacher_scales(
    signals: Iterable[np.ndarray], num_cells: int = 1, normalization: str = "feature"
) -> np.ndarray:
    """Measures how large the signals of a teacher are.

    The root of the mean square, about 0 and not about the mean, which the
    student is to learn too. The cells of a map are examples of the same channel.

    Args:
      signals: float32 [B, cells * C] each, channels last.
      num_cells: of the maps that the signals are flattened from.
      normalization: "feature" for a scale per channel; "single" for one of all;
        "none" for 1.

    Returns:
      float64 [C]. A channel that is hardly ever active has a thousandth of the
      median.

    Raises:
      UserError: if nothing is ever active.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equation 4.4.
    """
    total: np.ndarray | float = 0.0
    count = 0
    for batch in signals:
        cells = np.asarray(batch, np.float64).reshape(len(batch) * num_cells, -1)
        total, count = total + np.square(cells).sum(axis=0), count + len(cells)
    means = np.asarray(total) / count
    if not means.any():
        raise UserError("the teacher answers nothing but 0 to the images: it has not learned")
    if normalization == "none":
        return np.ones_like(means)
    if normalization == "single":
        return np.full_like(means, np.sqrt(means.mean()))
    scales = np.sqrt(means)
    median = np.median(scales) or np.median(scales[scales > 0])
    return np.maximum(scales, LEAST_SCALE * median)


def draw_channels(num_channels: int, num_drawn: int, seed: int) -> np.ndarray:
    """Draws a subset of channels, each with the same chance.

    Args:
      num_channels: C.
      num_drawn: F, at most C.
      seed: the same seed gives the same channels.

    Returns:
      int64 [F] in [0, C), increasing.

    Raises:
      ValueError: if there are not as many.
    """
    if num_drawn > num_channels:
        raise ValueError(f"num_drawn={num_drawn}: expected at most {num_channels}")
    drawn = np.random.default_rng(seed).choice(num_channels, num_drawn, replace=False)
    return np.sort(drawn)
