"""Figures of how well photographs are colored, drawn without a display."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

LARGEST_ERROR = 1.0
"""Where the axis of alpha-beta errors ends; larger ones are a thin tail."""

COLUMNS = ("input", "output", "truth")
COLORS = ("#1f5fa8", "#9a9a9a", "#c8642d", "#4c8c4a")
"""Of the first curve, the second, ..."""


def draw_error_curves(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], eps: float) -> Figure:
    """Draws which share of pixels has an error below each value.

    Args:
      curves: errors and shares in [0, 1], float [N] each, by label.
      eps: the guard of the errors, for the axis' label.

    Returns:
      The figure; 2.7 of the dissertation.
    """
    figure, axes = single_axes(
        f"alpha-beta error of a pixel (eps = {eps:g})", "pixels with a smaller error (%)"
    )
    for color, (label, (errors, shares)) in zip(COLORS, curves.items(), strict=False):
        axes.plot(np.asarray(errors), 100 * np.asarray(shares), label=label, color=color, lw=2)
    axes.set(xlim=(0, LARGEST_ERROR), ylim=(0, 100), title="Errors of single pixels")
    axes.legend(loc="lower right", frameon=False)
    return figure


def draw_psnr_histogram(decibels: Mapping[str, ArrayLike]) -> Figure:
    """Draws how the signal-to-noise ratios of photographs are distributed.

    Args:
      decibels: float [N], one number per photograph, by label.

    Returns:
      The figure, with a line at each mean; 2.8 of the dissertation.
    """
    figure, axes = single_axes("PSNR of a photograph (dB)", "photographs")
    values = {label: np.asarray(array, np.float64) for label, array in decibels.items()}
    pooled = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(pooled, _num_bins(values)).tolist()
    for color, (label, array) in reversed(list(zip(COLORS, values.items(), strict=False))):
        mean = array.mean()
        text = f"{label}, mean {mean:.2f} dB"
        axes.hist(array, edges, color=color, alpha=0.25)
        axes.hist(array, edges, color=color, histtype="step", lw=1.8, label=text)
        axes.axvline(mean, color=color, ls="--", lw=1.2)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="PSNR of single photographs", xlim=(edges[0], edges[-1]))
    axes.legend(loc="upper right", frameon=False)
    return figure


def draw_reliability(
    name: str, reliability: tuple[ArrayLike, ArrayLike, ArrayLike], error: float
) -> Figure:
    """Draws how often predictions of each confidence are right.

    Args:
      name: of the histogram.
      reliability: confidence, accuracy and share of each group, float [G] in
        [0, 1], as `ExpectedCalibrationError.reliability` returns.
      error: the calibration error.

    Returns:
      The figure; a calibrated prediction lies on the diagonal.
    """
    confidence, accuracy, share = (np.asarray(values) for values in reliability)
    is_used = share > 0
    means = confidence[is_used], accuracy[is_used]
    limit = min(1.0, 1.2 * float(np.max(means, initial=0.1)))
    figure = Figure(figsize=(5, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot([0, 1], [0, 1], color=COLORS[1], ls="--", lw=1.2, label="calibrated")
    upper.vlines(means[0], *means, color=COLORS[2], lw=2, alpha=0.5, label="gap")
    upper.plot(*means, "o-", color=COLORS[0], label="predicted")
    upper.set(xlim=(0, limit), ylim=(0, limit), ylabel="share that is right")
    upper.set_title(f"Reliability of {name}: calibration error {error:.3f}")
    upper.legend(loc="upper left", frameon=False)
    lower.bar(
        (np.arange(len(share)) + 0.5) / len(share), 100 * share, 0.9 / len(share), color=COLORS[0]
    )
    lower.set(xlabel="probability of the most likely bin", ylabel="pixels (%)")
    for axes in (upper, lower):
        strip_axes(axes)
    return figure


def draw_contact_sheet(blocks: Mapping[str, Sequence[tuple[str, Sequence[np.ndarray]]]]) -> Figure:
    """Lays photographs out in blocks side by side, each with a row per photograph.

    Args:
      blocks: by title of the block ("best"), a caption per photograph and its
        input, output and truth, uint8 [H, W, 3] each.

    Returns:
      The figure.
    """
    num_rows = max(map(len, blocks.values()))
    width, height = 5.0 * len(blocks), 0.6 + 1.6 * num_rows
    figure = Figure(figsize=(width, height))
    parts = figure.subfigures(1, len(blocks), squeeze=False)
    for part, (title, photographs) in zip(parts[0], blocks.items(), strict=True):
        part.suptitle(title, fontsize=14, fontweight="bold", y=1 - 0.08 / height)
        cells = part.subplots(num_rows, len(COLUMNS), squeeze=False)
        part.subplots_adjust(0.015, 0.02, 0.985, 1 - 0.7 / height, 0.03, 0.16)
        for axes in cells.ravel():
            axes.set_axis_off()
            axes.set_anchor("N")
        for axes, column in zip(cells[0], COLUMNS, strict=True):
            center = (axes.get_position().x0 + axes.get_position().x1) / 2
            part.text(center, 1 - 0.46 / height, column, ha="center", fontsize=9, color="#666666")
        for row, (caption, pictures) in zip(cells, photographs, strict=False):
            for axes, picture in zip(row, pictures, strict=True):
                axes.imshow(picture, interpolation="antialiased")
            box = row[1].get_position()
            part.text(0.5, box.y1 + 0.04 / height, caption, ha="center", fontsize=8)
    return figure


def single_axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """Returns a figure with one pair of axes.

    Args:
      x_label: of the horizontal axis, with its unit.
      y_label: of the vertical axis, with its unit.

    Returns:
      The empty figure and its axes.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    strip_axes(axes)
    return figure, axes


def strip_axes(axes: Axes) -> None:
    """Leaves out what carries no information, and adds a faint grid.

    Args:
      axes: what to change.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)


def _num_bins(values: Mapping[str, np.ndarray]) -> int:
    """Returns a number of bins that fits the number of photographs."""
    count = max(len(array) for array in values.values())
    return int(np.clip(2 * np.sqrt(count), 5, 60))
