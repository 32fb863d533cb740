"""Figures of chapter 1: digits, parts, turned codes, class means, permutations."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tfcolor.analysis.figures import GAP_PX, lay_out

COLOR_WHEEL = "hsv"
PART_PX = 24
"""Parts are enlarged to about this side, so that the gap between them stays thin."""
MAX_PAIRED_BLOCKS = 8
"""Above this, the pairings are a tangle and only the matrix is drawn."""


class PictureRow(NamedTuple):
    """Pictures side by side.

    Attributes:
      label: what stands to their left.
      pictures: uint8 [H, W, 1 or 3] each.
    """

    label: str
    pictures: Sequence[np.ndarray]


class CodePanel(NamedTuple):
    """A picture, or a map of codes.

    Attributes:
      title: what stands above.
      values: uint8 [H, W, 1 or 3] for a picture, or else float [H, W], the
        direction of the part at each position in degrees, -1 for none.
    """

    title: str
    values: np.ndarray


def draw_picture_rows(rows: Sequence[PictureRow], columns: Sequence[str], title: str) -> Figure:
    """Draws labelled rows of pictures.

    Args:
      rows: from top to bottom, each at a scale of its own.
      columns: what stands above the pictures; may be empty.
      title: of the figure.

    Returns:
      The figure.
    """
    num_columns = max(len(row.pictures) for row in rows)
    size = (0.7 * num_columns + 1.6, 0.72 * len(rows) + 0.6)
    figure = Figure(figsize=size, layout="compressed")
    for axes, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        side = max(max(picture.shape[:2]) for picture in row.pictures)
        axes.imshow(lay_out([row.pictures], side, num_columns), interpolation="nearest")
        _hide_scales(axes)
        axes.set_yticks([(side - 1) / 2], [row.label], fontsize=8)
        if columns and axes.get_subplotspec().is_first_row():
            axes.xaxis.tick_top()
            places = np.arange(num_columns) * (side + GAP_PX) + (side - 1) / 2
            axes.set_xticks(places, columns, fontsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    return figure


def draw_parts(blocks: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Draws what parts look like, those of each run in a grid of their own.

    Args:
      blocks: title and pictures, float [K, S, S, C] in [0, 1], of each run; side
        by side.

    Returns:
      The figure. Parts stand in reading order.
    """
    figure = Figure(figsize=(4.6 * len(blocks), 5.0), layout="constrained")
    for axes, (title, pictures) in zip(
        figure.subplots(1, len(blocks), squeeze=False)[0], blocks, strict=True
    ):
        across = int(np.ceil(np.sqrt(len(pictures))))
        factor = max(1, PART_PX // pictures.shape[1])
        cells = to_bytes(pictures).repeat(factor, 1).repeat(factor, 2)
        rows = [list(cells[start : start + across]) for start in range(0, len(cells), across)]
        axes.imshow(lay_out(rows, cells.shape[1], across), interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(title, fontsize=9, wrap=True)
    return figure


def draw_turned_codes(panels: Sequence[CodePanel], title: str) -> Figure:
    """Draws pictures and maps of codes, whose color is the direction of the part.

    Args:
      panels: from left to right.
      title: of the figure.

    Returns:
      The figure; positions without a part are white.
    """
    figure = Figure(figsize=(2.1 * len(panels), 3.2), layout="constrained")
    wheel = matplotlib.colormaps[COLOR_WHEEL].with_extremes(under="white")
    scale = Normalize(0, 360)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        values = panel.values
        if values.ndim == 3:
            values = np.broadcast_to(values, (*values.shape[:2], 3))
        axes.imshow(values, cmap=wheel, norm=scale, interpolation="nearest")
        axes.set_title(panel.title, fontsize=8)
        _hide_scales(axes)
        axes.spines[:].set(visible=True, linewidth=0.4)
    bar = figure.colorbar(
        ScalarMappable(scale, wheel), ax=list(all_axes), location="bottom", shrink=0.4, aspect=40
    )
    names = ("right", "up", "left", "down", "right")
    bar.set_ticks(np.linspace(0, 360, len(names)).tolist(), labels=names)
    bar.set_label("where the part gets darker", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    return figure


def draw_permutations(matrix: np.ndarray, num_rotations: int, title: str) -> Figure:
    """Draws which block of a sample meets which block of parameters.

    Args:
      matrix: int [P, P], row w lists the blocks of the sample that meet blocks
        0 to P - 1 of the parameters under transformation w.
      num_rotations: R; block R t + r is rotation r in polarity t.
      title: of the figure.

    Returns:
      The figure: the matrix, and for few blocks a picture of each row with lines
      between the blocks that meet.
    """
    size = len(matrix)
    is_paired = size <= MAX_PAIRED_BLOCKS
    shape = (0.55 * size + 1.6, 0.55 * size + (3.2 if is_paired else 1.2))
    figure = Figure(figsize=(max(shape[0], 1.25 * size if is_paired else 0), shape[1]))
    figure.set_layout_engine("constrained")
    upper, *lower = figure.subfigures(2 if is_paired else 1, 1, squeeze=False)[:, 0]
    _draw_matrix(upper.subplots(), matrix, num_rotations)
    for below in lower:
        for step, axes in enumerate(below.subplots(1, size, squeeze=False)[0]):
            _draw_pairing(axes, matrix[step])
            axes.set_title(f"w = {step}\n{_block_label(step, num_rotations)}", fontsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    return figure


def to_bytes(pictures: np.ndarray) -> np.ndarray:
    """Returns pictures in 8 bits.

    Args:
      pictures: float [...] in [0, 1], clipped to that.

    Returns:
      uint8 [...].
    """
    return np.round(255 * np.clip(pictures, 0.0, 1.0)).astype(np.uint8)


def _hide_scales(axes: Axes) -> None:
    """Leaves only the picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_matrix(axes: Axes, matrix: np.ndarray, num_rotations: int) -> None:
    """Draws numbers on their colors, and lines between polarities."""
    places = np.arange(len(matrix))
    axes.imshow(matrix, cmap=_block_colors(len(matrix)), vmin=-0.5, vmax=len(matrix) - 0.5)
    for row, column in np.ndindex(matrix.shape):
        axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=9)
    for boundary in range(num_rotations, len(matrix), num_rotations):
        axes.axhline(boundary - 0.5, color="black", lw=1.5)
        axes.axvline(boundary - 0.5, color="black", lw=1.5)
    labels = [_block_label(place, num_rotations) for place in places]
    axes.set_xticks(places, labels, rotation=90, fontsize=8)
    axes.set_yticks(places, labels, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlabel("block w' of the parameters", fontsize=8)
    axes.set_ylabel("transformation w", fontsize=8)


def _draw_pairing(axes: Axes, blocks: np.ndarray) -> None:
    """Draws the sample's blocks left, the parameters' right, and who meets whom."""
    places = np.arange(len(blocks))
    colors = _block_colors(len(blocks))(places)
    axes.plot([0, 1], np.stack([blocks, places]), color="gray", lw=1, zorder=1)
    for side in (0, 1):
        axes.scatter(np.full(len(blocks), side), places, s=150, c=colors, marker="s", zorder=2)
        for place in places:
            axes.text(side, place, place, ha="center", va="center", fontsize=8)
    axes.set(xlim=(-0.4, 1.4), ylim=(len(blocks) - 0.4, -0.6), yticks=[])
    axes.set_xticks([0, 1], ["X", "\N{GREEK SMALL LETTER MU}"], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _block_colors(count: int) -> matplotlib.colors.Colormap:
    """Returns pale colors, one for each block."""
    wheel = matplotlib.colormaps[COLOR_WHEEL](np.arange(count) / count)
    return matplotlib.colors.ListedColormap(0.4 * wheel + 0.6)


def _block_label(block: int, num_rotations: int) -> str:
    """Returns the polarity and the rotation of a block."""
    polarity, rotation = divmod(block, num_rotations)
    return f"t={polarity}, r={rotation}"
