"""Figures of predicted label maps, drawn without a display."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from tfcolor.data.sources.label_maps import VOID_LABEL
from tfcolor.evaluation.figures import COLORS, single_axes

VOID_COLOR = (235, 235, 235)
WRONG_COLOR = (200, 30, 30)
COLUMNS = ("image", "truth", "prediction", "errors")
LEGEND_COLUMNS = 7


class ShownLabels(NamedTuple):
    """A photograph of a sheet.

    Attributes:
      caption: above its row.
      image: uint8 [H, W, 3].
      truth: int [H, W], in [0, K) or 255 for void.
      predicted: int [H, W] in [0, K).
    """

    caption: str
    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


def class_palette(num_classes: int) -> np.ndarray:
    """Returns a color per class: those of the VOC challenges.

    The bits of a label go in turn to red, green and blue, the lowest to the
    highest bits of the color, so that near labels have distant colors.

    Args:
      num_classes: K, at most 256.

    Returns:
      uint8 [K, 3].

    Example:
      >>> class_palette(4).tolist()
      [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    labels = np.arange(num_classes)
    palette = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((labels >> (3 * bit + channel) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return palette


def paint_label_map(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Returns a label map as a picture, void in light gray.

    Args:
      labels: int [H, W], in [0, K) or 255 for void.
      palette: uint8 [K, 3].

    Returns:
      uint8 [H, W, 3].
    """
    is_void = labels == VOID_LABEL
    picture = palette[np.where(is_void, 0, labels)]
    picture[is_void] = VOID_COLOR
    return picture


def paint_errors(shown: ShownLabels) -> np.ndarray:
    """Returns a faint photograph with its wrong pixels in red and void ones blank.

    Args:
      shown: photograph, truth and prediction.

    Returns:
      uint8 [H, W, 3].
    """
    gray = shown.image.mean(axis=-1, keepdims=True)
    picture = np.repeat(128 + gray / 2, 3, axis=-1).astype(np.uint8)
    picture[shown.truth != shown.predicted] = WRONG_COLOR
    picture[shown.truth == VOID_LABEL] = VOID_COLOR
    return picture


def draw_label_map_sheet(rows: Sequence[ShownLabels], class_names: Sequence[str]) -> Figure:
    """Lays photographs out with their true and predicted classes and the errors.

    Args:
      rows: at least one.
      class_names: the classes by label; the legend has those that occur.

    Returns:
      The figure.
    """
    palette = class_palette(len(class_names))
    figure = Figure(figsize=(10, 0.8 + 2.1 * len(rows)), layout="constrained")
    cells = figure.subplots(len(rows), len(COLUMNS), squeeze=False)
    for axes, shown in zip(cells, rows, strict=True):
        pictures = (
            shown.image,
            paint_label_map(shown.truth, palette),
            paint_label_map(shown.predicted, palette),
            paint_errors(shown),
        )
        for cell, picture in zip(axes, pictures, strict=True):
            cell.imshow(picture, interpolation="antialiased")
            cell.set(xticks=[], yticks=[])
        axes[0].set_ylabel(textwrap.fill(shown.caption, 24), fontsize=8)
    for cell, column in zip(cells[0], COLUMNS, strict=True):
        cell.set_title(column, fontsize=10)
    found = {int(label) for row in rows for part in row[2:] for label in np.unique(part)}
    colors = {class_names[label]: palette[label] for label in sorted(found - {VOID_LABEL})}
    patches = [
        Patch(facecolor=f"#{bytes(color).hex()}", edgecolor="#888888", label=name)
        for name, color in {**colors, "void": VOID_COLOR}.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=8)
    return figure


def draw_class_bars(names: Sequence[str], scores: ArrayLike, label: str) -> Figure:
    """Draws a score of each class, the best on top.

    Args:
      names: of the classes.
      scores: float [K] in [0, 1]; a class with NaN is left out.
      label: what the score is, for the axis.

    Returns:
      The figure, with a line at the mean.
    """
    scores = np.asarray(scores, np.float64)
    order = [index for index in np.argsort(scores) if not np.isnan(scores[index])]
    figure, axes = single_axes(f"{label} (%)", "")
    figure.set_figheight(max(2.5, 1 + 0.24 * len(order)))
    values = 100 * scores[order]
    bars = axes.barh([names[index] for index in order], values, color=COLORS[0])
    axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.axvline(values.mean(), color=COLORS[2], ls="--", lw=1.2)
    axes.set(xlim=(0, 108), title=f"{label} by class, mean {values.mean():.1f} %")
    axes.grid(visible=False, axis="y")
    return figure


def draw_confusion(confusion: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws which class is taken for which.

    Args:
      confusion: int [K, K], pixels by true class and predicted class.
      names: of the classes.

    Returns:
      The figure: of each true class, the share predicted as each class.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(totals, 1)
    side = max(4.0, 1.8 + 0.26 * len(names))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(100 * shares, vmin=0, vmax=100, cmap="Blues")
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true", title="Pixels of each class (%)")
    figure.colorbar(picture, ax=axes, shrink=0.8)
    return figure
