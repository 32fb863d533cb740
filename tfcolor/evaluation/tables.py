"""Scores of single photographs as a table, and their statistics."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfcolor.core.files import write_text


def write_rows(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes one line per photograph as CSV with a header, atomically.

    Args:
      path: the file to create or replace.
      rows: values by column, the same columns in each; None leaves a cell empty.

    Raises:
      UserError: if the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def draw_statistics(draws: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """Returns how the scores vary over several draws of photographs.

    Args:
      draws: rows of each draw, at least two draws of at least one row, with
        `height`, `width`, `psnr_db`, `rmse_alphabeta` and `ssim`.

    Returns:
      By name of the figure, `mean` and `std` (of a sample) over the draws.
    """
    figures = [_draw_figures(rows) for rows in draws]
    results = {}
    for name in figures[0]:
        values = np.array([figure[name] for figure in figures])
        results[name] = {"mean": float(values.mean()), "std": float(values.std(ddof=1))}
    return results


def _draw_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Returns the figures of one draw; alpha-beta errors are averaged over pixels."""
    names = ("height", "width", "psnr_db", "rmse_alphabeta", "ssim")
    height, width, decibels, errors, similarity = (
        np.array([row[name] for row in rows]) for name in names
    )
    return {
        "psnr_db": float(decibels.mean()),
        "psnr_db_geometric": float(np.exp(np.log(decibels).mean())),
        "rmse_alphabeta": float(np.sqrt(np.average(errors**2, weights=height * width))),
        "ssim": float(similarity.mean()),
    }
