"""Figures of detections, drawn without a display."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tfcolor.data.sources.boxes import ObjectBoxes
from tfcolor.evaluation.box_prediction import Detections

SHEET_COLUMNS = 3
SHOWN_DETECTIONS = 5
TRUE_COLOR, DIFFICULT_COLOR, FOUND_COLOR = "#3cc83c", "#d8c840", "#e63c1e"


class ShownDetections(NamedTuple):
    """A photograph of a sheet.

    Attributes:
      caption: above it.
      image: uint8 [H, W, 3].
      truth: its objects.
      found: what was found in it.
    """

    caption: str
    image: np.ndarray
    truth: ObjectBoxes
    found: Detections


def draw_detection_sheet(
    shown: Sequence[ShownDetections], class_names: Sequence[str], min_score: float
) -> Figure:
    """Lays photographs out with their true and found boxes.

    Args:
      shown: at least one.
      class_names: the classes by label.
      min_score: least score of the found boxes that are drawn; the best one is
        drawn anyway, and not more than a few.

    Returns:
      The figure.
    """
    num_rows = -(-len(shown) // SHEET_COLUMNS)
    figure = Figure(figsize=(3.6 * SHEET_COLUMNS, 0.6 + 3.2 * num_rows), layout="constrained")
    cells = figure.subplots(num_rows, SHEET_COLUMNS, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, one in zip(cells, shown, strict=False):
        axes.imshow(one.image, interpolation="antialiased")
        axes.set_title(textwrap.fill(one.caption, 56), fontsize=8)
        for box, is_difficult in zip(one.truth.boxes, one.truth.is_difficult, strict=True):
            _draw_box(axes, box, DIFFICULT_COLOR if is_difficult else TRUE_COLOR)
        order = np.argsort(-one.found.scores, kind="stable")[:SHOWN_DETECTIONS]
        for place, index in enumerate(order):
            score = one.found.scores[index]
            if place == 0 or score >= min_score:
                text = f"{class_names[one.found.labels[index]]} {score:.2f}"
                _draw_box(axes, one.found.boxes[index], FOUND_COLOR, text)
    colors = {"true": TRUE_COLOR, "difficult": DIFFICULT_COLOR, "found": FOUND_COLOR}
    patches = [Patch(facecolor=color, label=name) for name, color in colors.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8)
    return figure


def _draw_box(axes: Axes, box: np.ndarray, color: str, text: str = "") -> None:
    """Draws a box about its first and last pixel, with a text at its top."""
    top, left, bottom, right = box
    corner = (left - 0.5, top - 0.5)
    sides = (right - left + 1, bottom - top + 1)
    axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=color, lw=1.6))
    if text:
        frame = {"facecolor": color, "edgecolor": "none", "pad": 1, "alpha": 0.8}
        axes.text(*corner, text, fontsize=6, color="white", va="bottom", bbox=frame)
