"""Histograms of colors as a file, to color photographs after.

A JSON object with one list per histogram that the network predicts, as in
`{"hue": [0.1, 0.3, ...], "chroma": [...]}` for hue_chroma: `hue` or `chroma`; `a`
or `b` for lab_marginals; `ab` for lab_joint and lab_gamut. The numbers are shares
or counts, one per bin. A histogram that is left out stays as it is predicted.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcolor.color.outputs.base import OutputSpace
from tfcolor.core.errors import UserError
from tfcolor.core.files import write_text


def write_histograms(path: str | os.PathLike[str], histograms: Mapping[str, np.ndarray]) -> None:
    """Writes histograms of colors, atomically.

    Args:
      path: the file.
      histograms: float [K] by name, as from `target_histograms`.

    Raises:
      UserError: if the file cannot be written.
    """
    lines = (
        f"  {json.dumps(name)}: {json.dumps([round(float(share), 9) for share in histogram])}"
        for name, histogram in histograms.items()
    )
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_histograms(path: str | os.PathLike[str], space: OutputSpace) -> dict[str, np.ndarray]:
    """Reads histograms of colors.

    Args:
      path: a file as the module describes it.
      space: what the network predicts.

    Returns:
      float64 [K] by name, at least one; each sums to 1.

    Raises:
      UserError: if the file cannot be read or does not fit the space.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    known = ", ".join(f"{name} ({size} bins)" for name, size in space.histograms.items())
    if not isinstance(content, dict) or not content or set(content) - set(space.histograms):
        found = ", ".join(content) if isinstance(content, dict) else json.dumps(content)[:40]
        raise UserError(f"{path} has {found or 'nothing'}: expected lists for {known}")
    return {
        name: _parse_histogram(content[name], space.histograms[name], f"{path}: {name}")
        for name in content
    }


def _parse_histogram(shares: Any, num_bins: int, name: str) -> np.ndarray:
    """Returns float64 [K] that sums to 1, of a list of K numbers."""
    try:
        histogram = np.array(shares, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} is not a list of numbers") from error
    if histogram.shape != (num_bins,):
        raise UserError(f"{name} has {histogram.size} numbers: expected {num_bins}, one per bin")
    if not np.all(np.isfinite(histogram) & (histogram >= 0)) or histogram.sum() <= 0:
        raise UserError(f"{name} has negative or infinite numbers, or only 0: expected shares")
    return histogram / histogram.sum()
