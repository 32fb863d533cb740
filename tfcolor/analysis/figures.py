"""Figures of what networks learned, drawn without a display."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfcolor.analysis.patches import Patch

BLUE, RED, GRAY = "#1f5fa8", "#c0392b", "#9a9a9a"
WHITE, GAP_PX = 255, 2
"""What lies between two patches or kernels."""
CELL_INCHES = 0.8
NUM_CELLS_ACROSS = 12
"""Kernels in a row, at most, unless there are more than `NUM_CELLS_ACROSS`^2."""


class PatchBlock(NamedTuple):
    """The patches of one network.

    Attributes:
      title: what the network is called.
      rows: the patches of each feature, the strongest first.
    """

    title: str
    rows: Sequence[Sequence[Patch]]


def rasterize(figure: Figure) -> np.ndarray:
    """Returns a figure as a picture, uint8 [H, W, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_feature_shift(layers: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draws the correlation of features before and after by layer.

    Args:
      layers: with `layer`, `median`, `lower_quartile`, `upper_quartile`,
        `num_features` and `num_dead`.
      title: of the figure.

    Returns:
      Bars as high as the median, with error bars between the quartiles.
    """
    figure = Figure(figsize=(max(4.0, 1.6 + 0.45 * len(layers)), 4.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(layers))
    low, middle, high = (
        np.array([layer[key] for layer in layers], np.float64)
        for key in ("lower_quartile", "median", "upper_quartile")
    )
    axes.bar(places, np.nan_to_num(middle), 0.7, color=BLUE)
    spread = np.nan_to_num([middle - low, high - middle])
    axes.errorbar(places, np.nan_to_num(middle), spread, fmt="none", ecolor="black", capsize=3)
    labels = [_layer_label(layer) for layer in layers]
    axes.set_xticks(places, labels, rotation=45, ha="right", fontsize=8)
    floor = 1.1 * float(np.nanmin([*low, *middle, 0.0]))
    axes.set(ylabel="correlation of a feature before and after", ylim=(floor, 1.0))
    axes.set_title(title, fontsize=9, wrap=True)
    strip_axes(axes)
    return figure


def draw_patch_sheet(
    tap: str, features: Sequence[int], blocks: Sequence[PatchBlock], num_columns: int
) -> Figure:
    """Draws patches with a row for each feature and a block for each network.

    Args:
      tap: the layer, for the labels.
      features: number of each row.
      blocks: side by side; at least one.
      num_columns: patches in a row of a block.

    Returns:
      The figure.
    """
    size = (num_columns * CELL_INCHES * len(blocks) + 1, len(features) * CELL_INCHES + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    for axes, block in zip(figure.subplots(1, len(blocks), squeeze=False)[0], blocks, strict=True):
        patches = [patch for row in block.rows for patch in row]
        side = len(patches[0].pixels) if patches else 1
        mosaic = lay_out([[one.pixels for one in row] for row in block.rows], side, num_columns)
        axes.imshow(mosaic, interpolation="antialiased")
        places = np.arange(len(features)) * (side + GAP_PX) + (side - 1) / 2
        axes.set_yticks(places, [f"{tap} #{feature}" for feature in features], fontsize=8)
        for place, row in zip(places, block.rows, strict=True):
            if not row:
                axes.text(GAP_PX, place, "never active", va="center", fontsize=8)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(block.title, fontsize=9, wrap=True)
    return figure


def draw_filters(kernel: np.ndarray, title: str) -> Figure:
    """Draws the kernels of a convolution on images as a grid.

    Args:
      kernel: float [kh, kw, C, out]; in color if C is 3, else the mean over C.
      title: of the figure.

    Returns:
      The figure. Each kernel is divided by its largest weight; 0 is gray.
    """
    pictures = _filter_pictures(kernel)
    across = max(NUM_CELLS_ACROSS, int(np.ceil(np.sqrt(len(pictures)))))
    across = min(across, len(pictures))
    rows = [pictures[start : start + across] for start in range(0, len(pictures), across)]
    height, width = pictures[0].shape[:2]
    side = max(height, width)
    # Kernels of 3x3 are enlarged, so that the gap between them stays thin.
    factor = max(1, 24 // side)
    rows = [[one.repeat(factor, 0).repeat(factor, 1) for one in row] for row in rows]
    size = (0.5 * across + 0.4, 0.5 * len(rows) + 0.8)
    figure = Figure(figsize=(max(size[0], 4), size[1]), layout="constrained")
    axes = figure.subplots()
    axes.imshow(lay_out(rows, side * factor, across), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize=9, wrap=True)
    return figure


def draw_learning_curve(
    curve: tuple[np.ndarray, np.ndarray],
    drops: Sequence[int],
    results: Sequence[tuple[int, float]],
    *,
    metric: str,
    steps_per_epoch: float | None,
    title: str,
) -> Figure:
    """Draws a training loss, its rate drops and downstream results.

    Args:
      curve: steps and losses, float [N] each.
      drops: steps at which the learning rate fell, dashed lines.
      results: (step, value) of snapshots, red squares on an axis of their own.
      metric: what the values are.
      steps_per_epoch: adds an axis of epochs; None for none.
      title: of the figure.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(*curve, color=BLUE, lw=1.5)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss", color=BLUE)
    for step in drops:
        axes.axvline(step, color=GRAY, ls="--", lw=1.2)
    strip_axes(axes)
    if results:
        right = axes.twinx()
        right.plot(*zip(*results, strict=True), "s", color=RED)
        right.set_ylabel(metric, color=RED)
        right.spines["top"].set_visible(False)
    if steps_per_epoch:
        length = steps_per_epoch
        epochs = axes.secondary_xaxis(
            "top",
            functions=(
                lambda steps: np.divide(steps, length),
                lambda ages: np.multiply(ages, length),
            ),
        )
        epochs.set_xlabel("epoch")
    axes.set_title(title, fontsize=9, wrap=True)
    return figure


def lay_out(rows: Sequence[Sequence[np.ndarray]], side: int, num_columns: int) -> np.ndarray:
    """Lays pictures out on white, one row below the other.

    Args:
      rows: uint8 [H, W, 1 or 3] each, neither side above `side`.
      side: of a cell, pixels.
      num_columns: cells in a row.

    Returns:
      uint8 [H', W', 3].
    """
    pitch = side + GAP_PX
    shape = (len(rows) * pitch - GAP_PX, num_columns * pitch - GAP_PX, 3)
    mosaic = np.full(shape, WHITE, np.uint8)
    for top, row in enumerate(rows):
        for left, picture in enumerate(row):
            height, width = picture.shape[:2]
            place = mosaic[top * pitch : top * pitch + height, left * pitch : left * pitch + width]
            place[...] = picture
    return mosaic


def _layer_label(layer: Mapping[str, Any]) -> str:
    """Returns a layer's name, with the number of its dead features if there are any."""
    dead = f" ({layer['num_dead']} dead)" if layer["num_dead"] else ""
    return f"{layer['layer']}{dead}"


def _filter_pictures(kernel: np.ndarray) -> list[np.ndarray]:
    """Returns each kernel as a picture, uint8 [kh, kw, 3]."""
    kernels = np.moveaxis(np.asarray(kernel, np.float64), -1, 0)
    if kernels.shape[-1] != 3:
        kernels = np.repeat(kernels.mean(axis=-1, keepdims=True), 3, axis=-1)
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + 0.5 * kernels / np.where(largest > 0, largest, 1.0)
    return list(np.round(255 * scaled).astype(np.uint8))


def strip_axes(axes: Axes, grid: Literal["both", "x", "y"] = "y") -> None:
    """Leaves out what carries no information, and adds a faint grid.

    Args:
      axes: what to change.
      grid: of which axis the grid shows the ticks.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
