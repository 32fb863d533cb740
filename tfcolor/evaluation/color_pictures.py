"""The figures of an evaluation of colorings, and the photographs they show."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.color.lightness import quantize_rgb
from tfcolor.evaluation.figures import (
    draw_contact_sheet,
    draw_error_curves,
    draw_psnr_histogram,
    draw_reliability,
)
from tfcolor.evaluation.reports import ranked_blocks
from tfcolor.evaluation.scores import ColorScores

Showing = Callable[[int], tuple[tf.Tensor, tf.Tensor]]
"""Returns true and predicted colors, float32 [1, H, W, 3], of a row of the table."""


def color_figures(scores: ColorScores, show: Showing) -> Iterator[tuple[str, Figure]]:
    """Draws how well photographs are colored.

    Args:
      scores: of at least one photograph.
      show: colors the photograph of a row again.

    Yields:
      (name, figure): the curve of pixel errors, the histogram of PSNR, the
      reliability of each histogram and the contact sheet.
    """
    decibels = [row["psnr_db"] for row in scores.rows]
    curves = {"gray": scores.gray_errors.cumulative()}
    columns = {"gray": [row["psnr_db_gray"] for row in scores.rows]}
    if not scores.is_baseline:
        curves = {"colorized": scores.errors.cumulative(), **curves}
        columns = {"colorized": decibels, **columns}
    yield "error_curve", draw_error_curves(curves, scores.errors.eps)
    yield "psnr_histogram", draw_psnr_histogram(columns)
    for name, metric in scores.calibration.items():
        figure = draw_reliability(name, metric.reliability(), float(metric.result()))
        yield f"reliability_{name}", figure
    blocks = {
        title: [_cells(scores.rows[index], *show(index)) for index in indices]
        for title, indices in ranked_blocks(decibels).items()
        if indices
    }
    yield "contact_sheet", draw_contact_sheet(blocks)


def _cells(
    row: Mapping[str, object], rgb: tf.Tensor, colored: tf.Tensor
) -> tuple[str, list[np.ndarray]]:
    """Returns the caption and the pictures of a photograph: input, output, truth."""
    gray = tf.repeat(tf.reduce_mean(rgb, axis=-1, keepdims=True), 3, axis=-1)
    pictures = [quantize_rgb(images[0]).numpy() for images in (gray, colored, rgb)]
    name = Path(str(row["image"])).stem
    return f"{name[:32]}, {row['psnr_db']:.1f} dB", pictures
