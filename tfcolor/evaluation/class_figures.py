"""Figures of how well whole images are classified, drawn without a display."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tfcolor.evaluation.figures import COLORS, single_axes, strip_axes

SHEET_COLUMNS = 5
NUM_PAIRS = 20
"""Confused pairs of classes that are shown."""
HIT, MISS = "#4c8c4a", "#b03a2e"
"""Frames of neighbors of the right class and of others."""


def precision_recall(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns the curve of precision over recall, a point per distinct score.

    Args:
      labels: int [N], 1 for positives, 0 for negatives; others are left out.
      scores: float [N], higher for what is more likely positive.

    Returns:
      (recall, precision): float64 [T] each in [0, 1], in falling order of the
      score; both are empty without any positive.

    Example:
      >>> recall, precision = precision_recall([1, 0, 1, 0], [4, 3, 2, 1])
      >>> recall.tolist(), precision[:2].tolist()
      ([0.5, 0.5, 1.0, 1.0], [1.0, 0.5])
    """
    known = np.isin(labels, (0, 1))
    positives, values = np.asarray(labels)[known], np.asarray(scores, np.float64)[known]
    if not positives.any():
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    hits = np.cumsum(positives[order])[ends]
    return hits / hits[-1], hits / (ends + 1)


def draw_precision_recall(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], scores: Mapping[str, float | None]
) -> Figure:
    """Lays the curves of all classes out side by side.

    Args:
      curves: recall and precision, float [T] each in [0, 1], by class.
      scores: average precision by class, None where there is none.

    Returns:
      The figure.
    """
    num_rows = -(-len(curves) // SHEET_COLUMNS)
    figure = Figure(figsize=(2.3 * SHEET_COLUMNS, 0.5 + 2.1 * num_rows), layout="constrained")
    cells = figure.subplots(num_rows, SHEET_COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in cells.ravel()[len(curves) :]:
        axes.set_axis_off()
    for axes, (name, (recall, precision)) in zip(cells.ravel(), curves.items(), strict=False):
        score = scores[name]
        axes.step(100 * recall, 100 * precision, where="pre", color=COLORS[0], lw=1.5)
        text = "no positive" if score is None else f"AP {100 * score:.1f} %"
        axes.set_title(f"{name}: {text}", fontsize=9)
        axes.set(xlim=(0, 100), ylim=(0, 103))
        strip_axes(axes)
    figure.supxlabel("recall (%)")
    figure.supylabel("precision (%)")
    return figure


def draw_confused_pairs(confusion: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws which classes are taken for which others most often.

    Args:
      confusion: int [K, K], images by true class and predicted class.
      names: of the classes.

    Returns:
      The figure, with the most frequent mistake on top and its share of the true
      class beside it.
    """
    mistakes = np.where(np.eye(len(names), dtype=bool), 0, confusion)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:NUM_PAIRS]
    places = [np.unravel_index(one, mistakes.shape) for one in order if mistakes.flat[one]]
    figure, axes = single_axes("images", "")
    totals = np.maximum(confusion.sum(axis=1), 1)
    labels = [f"{names[true]} taken for {names[other]}" for true, other in places]
    counts = [mistakes[true, other] for true, other in places]
    shares = [f"{100 * mistakes[true, other] / totals[true]:.0f} %" for true, other in places]
    figure.set_figheight(max(2.5, 1 + 0.24 * len(places)))
    bars = axes.barh(np.arange(len(places)), counts, color=COLORS[0])
    axes.bar_label(bars, shares, padding=2, fontsize=8)
    axes.set_yticks(np.arange(len(places)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_title("Most frequent mistakes" if places else "No mistake")
    return figure


def draw_few_label_curve(
    counts: Sequence[int],
    means: ArrayLike,
    deviations: ArrayLike,
    chance: float,
    *,
    measure: str = "accuracy",
    title: str = "Linear probe with few labels",
) -> Figure:
    """Draws how accuracy, or another measure, grows with the number of labels.

    Args:
      counts: labelled images per class.
      means: float [N] in [0, 1], mean accuracy over the draws.
      deviations: float [N], its standard deviation.
      chance: accuracy of guessing.
      measure: what is measured.
      title: of the figure.

    Returns:
      The figure, with a logarithmic axis of labels.
    """
    figure, axes = single_axes("labelled images per class", f"{measure} (%)")
    means, deviations = 100 * np.asarray(means), 100 * np.asarray(deviations)
    axes.errorbar(counts, means, deviations, fmt="o-", color=COLORS[0], capsize=4, label="probe")
    axes.axhline(100 * chance, color=COLORS[1], ls="--", lw=1.2, label="guessing")
    axes.set_xscale("log")
    axes.set_xticks(list(counts), [str(count) for count in counts])
    axes.minorticks_off()
    axes.set(title=title, ylim=(0, None))
    axes.legend(loc="lower right", frameon=False)
    return figure


def draw_neighbors(rows: Sequence[tuple[str, Sequence[np.ndarray], Sequence[bool]]]) -> Figure:
    """Lays queries out, each with its nearest neighbors beside it.

    Args:
      rows: of each query its class, its own picture and those of its neighbors,
        uint8 [H, W, 3] each, and whether each neighbor is of the class.

    Returns:
      The figure; neighbors of the class have a green frame, others a red one.
    """
    num_columns = max(len(pictures) for _, pictures, _ in rows)
    figure = Figure(figsize=(1.1 * num_columns, 1.25 * len(rows) + 0.3), layout="constrained")
    cells = figure.subplots(len(rows), num_columns, squeeze=False)
    for axes in cells.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for line, (name, pictures, hits) in zip(cells, rows, strict=True):
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture, interpolation="antialiased")
        line[0].set_title(name, fontsize=8)
        for axes, is_hit in zip(line[1:], hits, strict=False):
            axes.spines[:].set(visible=True, color=HIT if is_hit else MISS, linewidth=2.5)
    cells[0, min(1, num_columns - 1)].set_title("nearest ...", fontsize=8)
    return figure


def draw_layer_accuracies(layers: Sequence[str], values: ArrayLike, intervals: ArrayLike) -> Figure:
    """Draws the accuracy of a classifier on each layer.

    Args:
      layers: their names, from the first to the last.
      values: float [N] in [0, 1], accuracies.
      intervals: float [N, 2], lower and upper end of each.

    Returns:
      The figure.
    """
    figure, axes = single_axes("layer", "accuracy (%)")
    means, ends = 100 * np.asarray(values), 100 * np.asarray(intervals)
    # Rounding must not turn a bar of no length around.
    bars = np.maximum(np.stack([means - ends[:, 0], ends[:, 1] - means]), 0)
    axes.errorbar(np.arange(len(layers)), means, bars, fmt="o-", color=COLORS[0], capsize=4)
    axes.set_xticks(np.arange(len(layers)), list(layers))
    axes.set(title="Linear classifiers on frozen layers", ylim=(0, None))
    return figure
