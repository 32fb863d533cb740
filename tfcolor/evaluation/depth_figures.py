"""Figures of predicted depth, drawn without a display."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tfcolor.evaluation.figures import COLORS, single_axes

COLUMNS = ("image", "truth", "prediction", "relative error")
UNKNOWN_COLOR = "#b0b0b0"
LARGEST_ERROR = 0.5
"""Where the colors of relative errors end."""
SCALE_HEIGHT = 0.06
"""Of a scale of colors, as a part of a row's height."""


class ShownDepth(NamedTuple):
    """An image of a sheet.

    Attributes:
      caption: beside its row.
      image: uint8 [H, W, 3].
      truth: float [h, w], meters; 0 where it is not known.
      predicted: float [h, w], meters.
    """

    caption: str
    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


def draw_depth_sheet(rows: Sequence[ShownDepth]) -> Figure:
    """Lays images out with their true and predicted depth and the errors.

    Args:
      rows: at least one.

    Returns:
      The figure; all depth maps share one scale, and dark is far.
    """
    limit = max(float(shown.truth.max(initial=1e-3)) for shown in rows)
    depth_colors, error_colors = colormaps["viridis_r"].copy(), colormaps["magma"].copy()
    for colors in (depth_colors, error_colors):
        colors.set_bad(UNKNOWN_COLOR)
    figure = Figure(figsize=(10, 1.0 + 1.85 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(
        len(rows) + 1, len(COLUMNS), height_ratios=[*[1] * len(rows), SCALE_HEIGHT]
    )
    cells = [
        [figure.add_subplot(grid[row, column]) for column in range(len(COLUMNS))]
        for row in range(len(rows))
    ]
    for axes, shown in zip(cells, rows, strict=True):
        truth = np.ma.masked_less_equal(shown.truth, 0)
        error = np.abs(shown.predicted - truth) / truth
        axes[0].imshow(shown.image)
        for cell, depth in zip(axes[1:3], (truth, shown.predicted), strict=True):
            depths = cell.imshow(depth, cmap=depth_colors, vmin=0, vmax=limit)
        errors = axes[3].imshow(error, cmap=error_colors, vmin=0, vmax=LARGEST_ERROR)
        for cell in axes:
            cell.set(xticks=[], yticks=[])
        axes[0].set_ylabel(textwrap.fill(shown.caption, 26), fontsize=8)
    for cell, column in zip(cells[0], COLUMNS, strict=True):
        cell.set_title(column, fontsize=10)
    scales = [figure.add_subplot(part) for part in (grid[-1, 1:3], grid[-1, 3])]
    label = "depth (m); gray is unknown"
    figure.colorbar(depths, cax=scales[0], orientation="horizontal", label=label)
    percent = PercentFormatter(1.0, 0)
    figure.colorbar(errors, cax=scales[1], orientation="horizontal", format=percent, extend="max")
    return figure


def draw_depth_errors(edges: np.ndarray, errors: Mapping[str, np.ndarray]) -> Figure:
    """Draws the mean relative error at each true depth.

    Args:
      edges: float [K + 1], of the ranges of depth, meters.
      errors: float [K] by label, NaN where there is no pixel.

    Returns:
      The figure.
    """
    figure, axes = single_axes("true depth (m)", "mean relative error (%)")
    centers = (edges[:-1] + edges[1:]) / 2
    for color, (label, values) in zip(COLORS, errors.items(), strict=False):
        axes.plot(centers, 100 * values, "o-", label=label, color=color, lw=2, ms=4)
    axes.set(title="Errors by depth")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure
