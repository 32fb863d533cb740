"""Files that an evaluation leaves besides its figures in JSON."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfcolor.color.lightness import quantize_rgb
from tfcolor.core.files import check_writable
from tfcolor.evaluation.figures import (
    draw_contact_sheet,
    draw_error_curves,
    draw_psnr_histogram,
    draw_reliability,
    save_figure,
)
from tfcolor.evaluation.scores import ColorScores
from tfcolor.evaluation.tables import write_rows

NUM_SHOWN = 3
"""Photographs in each block of the contact sheet."""

Showing = Callable[[int], tuple[tf.Tensor, tf.Tensor]]
"""Returns true and predicted colors, float32 [1, H, W, 3], of a row of the table."""


@dataclasses.dataclass(frozen=True)
class Reports:
    """Where to write more than the figures.

    Args:
      table: CSV file with a row per photograph; empty for none.
      figures: folder for PNG files; empty for none.
    """

    table: str = ""
    figures: str = ""

    def check(self) -> None:
        """Raises UserError unless all can be written, before hours go into them."""
        if self.table:
            check_writable(self.table)
        if self.figures:
            check_writable(Path(self.figures) / "contact_sheet.png")

    def write(self, scores: ColorScores, show: Showing) -> None:
        """Writes what is wanted.

        Args:
          scores: of at least one photograph.
          show: colors the photograph of a row again.

        Raises:
          UserError: if a file cannot be written.
        """
        if self.table:
            write_rows(self.table, scores.rows)
        if self.figures:
            _write_figures(Path(self.figures), scores, show)


def ranked_blocks(decibels: Sequence[float]) -> dict[str, list[int]]:
    """Chooses the photographs that a contact sheet shows.

    Args:
      decibels: PSNR of each photograph.

    Returns:
      Positions by `best`, `median` and `worst`, in falling order of PSNR; no
      photograph is in two of them, so some may be empty.

    Example:
      >>> ranked_blocks([3.0, 1.0, 2.0])
      {'best': [0], 'median': [2], 'worst': [1]}
    """
    order = [int(position) for position in np.argsort(-np.asarray(decibels), kind="stable")]
    count = min(NUM_SHOWN, -(-len(order) // 3))
    best, rest = order[:count], order[count:]
    worst = rest[max(len(rest) - count, 0) :]
    between = rest[: len(rest) - len(worst)]
    start = (len(between) - count) // 2 if len(between) > count else 0
    return {"best": best, "median": between[start : start + count], "worst": worst}


def _write_figures(folder: Path, scores: ColorScores, show: Showing) -> None:
    """Writes every figure as PNG."""
    decibels = [row["psnr_db"] for row in scores.rows]
    curves = {"gray": scores.gray_errors.cumulative()}
    columns = {"gray": [row["psnr_db_gray"] for row in scores.rows]}
    if not scores.is_baseline:
        curves = {"colorized": scores.errors.cumulative(), **curves}
        columns = {"colorized": decibels, **columns}
    save_figure(draw_error_curves(curves, scores.errors.eps), folder / "error_curve.png")
    save_figure(draw_psnr_histogram(columns), folder / "psnr_histogram.png")
    for name, metric in scores.calibration.items():
        figure = draw_reliability(name, metric.reliability(), float(metric.result()))
        save_figure(figure, folder / f"reliability_{name}.png")
    blocks = {
        title: [_cells(scores.rows[index], *show(index)) for index in indices]
        for title, indices in ranked_blocks(decibels).items()
        if indices
    }
    save_figure(draw_contact_sheet(blocks), folder / "contact_sheet.png")


def _cells(
    row: Mapping[str, object], rgb: tf.Tensor, colored: tf.Tensor
) -> tuple[str, list[np.ndarray]]:
    """Returns the caption and the pictures of a photograph: input, output, truth."""
    gray = tf.repeat(tf.reduce_mean(rgb, axis=-1, keepdims=True), 3, axis=-1)
    pictures = [quantize_rgb(images[0]).numpy() for images in (gray, colored, rgb)]
    name = Path(str(row["image"])).stem
    return f"{name[:32]}, {row['psnr_db']:.1f} dB", pictures
