"""Which units of a trunk the head of each task reads: the weights of its mixture."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from tfcolor.analysis.figures import BLUE
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.observation import ObservedNetwork, View
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.layers.unit_mixture import REPORTED, sparse_rows

NAME = "mixture_weights"
GAMMA = 1 / 3
"""Brightness is the size to this power: at it 0.001 has a tenth of the brightness of 1."""
SQUARE_INCHES, LETTER_INCHES, SCALE_INCHES = 0.32, 0.08, 1.2
"""Sides of a square, width of a letter, and at least the length of the scale beside."""
TICK_SHARES = (0.0, 0.001, 0.01, 0.1, 0.3, 1.0)
"""Sizes beside the scale, of the largest."""


@dataclasses.dataclass(frozen=True)
class MixtureWeightsOptions:
    """What mixture_weights draws."""

    mixtures: tuple[str, ...] = option(
        (),
        "runs with --mixed_taps whose weights are drawn, each TITLE:FOLDER with its name in the"
        " picture, or :FOLDER, where the names of its tasks suffice",
    )


@dataclasses.dataclass(frozen=True, eq=False)
class MixedHead:
    """What the head of one task of a run reads.

    Args:
      title: of the row.
      task: name of the task.
      step: of the checkpoint.
      network: the base network of the run, and what the task feeds it. Heads
        that share both share the object.
      units: names of the taps that are mixed, the shallowest first.
      weights: float32 [M], of unit length.
    """

    title: str
    task: str
    step: int
    network: ObservedNetwork
    units: tuple[str, ...]
    weights: np.ndarray


def show_mixture_weights(
    heads: Sequence[MixedHead], views: Iterable[View] | None = None
) -> Findings:
    """Draws a row of weights for each head, and what it draws from each unit.

    Outputs of pre-activation units grow with depth, so that a weight alone does
    not say how much of a unit is read: a second panel has each weight times the
    root mean square of the unit's output, without dropout and with the moving
    statistics of the training.

    Args:
      heads: at least one, of the same units.
      views: photographs to measure the units on; None leaves this out.

    Returns:
      `units`, `threshold`, `num_images` (0 where nothing is measured) and
      `rows`: of each its `title`, `model`, `task`, `step`, `weights` as trained,
      `l1_norm`, between 1 and `largest_l1_norm` = sqrt(M), `num_small`, how many
      weights are below the threshold, and `sparse_weights`, the others scaled to
      unit length; and `unit_rms` and `scaled_weights`, their product with the
      sizes of the weights, null where nothing is measured.

    Raises:
      UsageError: if two heads have other units, or the same title.
      UserError: if there are views, but no photograph.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      equation 1 and figure 5.
    """
    _check_titles(heads)
    _check_units(heads)
    units = heads[0].units
    rms, num_images = ({}, 0) if views is None else measure_rms(heads, views)
    rows = [_summarize(head, rms.get(head.network)) for head in heads]
    sparsest = min(rows, key=lambda row: row["l1_norm"])
    most = float(len(units) ** 0.5)
    panels = {"size of the weight": np.abs([row["weights"] for row in rows])}
    if num_images:
        panels["weight times rms of the unit"] = np.array([row["scaled_weights"] for row in rows])
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "units": list(units),
            "threshold": REPORTED,
            "largest_l1_norm": most,
            "num_images": num_images,
            "rows": rows,
        },
        figure=draw_mixtures(panels, [head.title for head in heads], units),
        scalars=[scalar for row in rows for scalar in _scalars(row)],
        headline=f"{len(rows)} rows of {len(units)} units; {sparsest['title']} is the sparsest,"
        f" with an L1 norm of {sparsest['l1_norm']:.3f} between 1 and {most:.3f}",
    )


def measure_rms(
    heads: Sequence[MixedHead], views: Iterable[View]
) -> tuple[dict[ObservedNetwork, np.ndarray], int]:
    """Measures how large the outputs of units are.

    Args:
      heads: of the same units.
      views: photographs; every number of every map counts alike.

    Returns:
      Of each network the root mean square of each unit's output, float64 [M],
      and the number of photographs.

    Raises:
      UserError: if there is no photograph.
    """
    units = heads[0].units
    observers = {head.network: head.network.observe(units) for head in heads}
    sums = {network: np.zeros([2, len(units)]) for network in observers}  # squares, counts
    num_images = 0
    for view in views:
        for network, observe in observers.items():
            found = observe(view.rgb)
            maps = [found[name].numpy() for name in units]
            sums[network][0] += [np.square(values, dtype=np.float64).sum() for values in maps]
            sums[network][1] += [values.size for values in maps]
        num_images += 1
    if not num_images:
        raise UserError(
            "--images: no photograph that was looked at can be read; expected at least one"
        )
    return {one: np.sqrt(squares / counts) for one, (squares, counts) in sums.items()}, num_images


def draw_mixtures(
    panels: dict[str, np.ndarray], titles: Sequence[str], units: Sequence[str]
) -> Figure:
    """Draws tables of squares, the brighter the larger, one below the other.

    Args:
      panels: float [N, M], not negative, by what they are. The scale of the first
        goes up to 1, that of each other to its largest number.
      titles: of the rows.
      units: names of the columns.

    Returns:
      The figure. What is not a number is left blank.
    """
    beside, below = (LETTER_INCHES * max(map(len, names)) for names in (titles, units))
    height = max(SQUARE_INCHES * len(titles), SCALE_INCHES) + 0.4
    size = (SQUARE_INCHES * len(units) + beside + 1.0, len(panels) * height + below)
    figure = Figure(figsize=(max(size[0], 3.0), size[1]), layout="constrained")
    tables = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    limits = [1.0, *(_largest(values) for values in list(panels.values())[1:])]
    for axes, (label, values), limit in zip(tables, panels.items(), limits, strict=True):
        _draw_table(axes, values, limit)
        axes.set_title(label, fontsize=9)
        axes.set_yticks(np.arange(len(titles)) + 0.5, titles, fontsize=8)
    tables[-1].set_xticks(np.arange(len(units)) + 0.5, units, fontsize=7, rotation=90)
    return figure


def _draw_table(axes: Axes, values: np.ndarray, limit: float) -> None:
    """Draws [N, M] numbers as squares, the first row at the top, and their scale."""
    scale = PowerNorm(GAMMA, vmin=0.0, vmax=limit)
    squares = axes.pcolormesh(
        values, cmap="gray", norm=scale, edgecolors=BLUE, lw=0.5, clip_on=False
    )
    axes.set(aspect="equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    ticks = [share * limit for share in TICK_SHARES]
    bar = axes.figure.colorbar(squares, ax=axes, ticks=ticks, format="%.2g", aspect=10)
    bar.ax.tick_params(labelsize=6, length=2)
    bar.minorticks_off()


def _largest(values: np.ndarray) -> float:
    """Returns the largest finite number, 1 if there is none above 0."""
    return float(np.max(values, where=np.isfinite(values), initial=0.0)) or 1.0


def _summarize(head: MixedHead, rms: np.ndarray | None) -> dict[str, Any]:
    """Returns the figures of one row."""
    weights = head.weights.astype(np.float64)
    sizes = np.abs(weights)
    return {
        "title": head.title,
        "model": head.network.name,
        "task": head.task,
        "step": head.step,
        "weights": weights.tolist(),
        "l1_norm": float(sizes.sum()),
        "num_small": int((sizes < REPORTED).sum()),
        "sparse_weights": sparse_rows(tf.constant(weights)).numpy().tolist(),
        "unit_rms": None if rms is None else rms.tolist(),
        "scaled_weights": None if rms is None else (sizes * rms).tolist(),
    }


def _scalars(row: dict[str, Any]) -> list[tuple[str, int, float]]:
    """Returns the sizes of a row's weights by the depth of the unit."""
    columns = {"weight": np.abs(row["weights"]).tolist()}
    if row["scaled_weights"] is not None:
        columns["scaled_weight"] = row["scaled_weights"]
    return [
        (f"{row['title']}/{tag}", depth, value)
        for tag, values in columns.items()
        for depth, value in enumerate(values)
    ]


def _check_titles(heads: Sequence[MixedHead]) -> None:
    """Raises UsageError if two rows would be called the same."""
    known: dict[str, MixedHead] = {}
    for head in heads:
        other = known.setdefault(head.title, head)
        if other is not head:
            raise UsageError(
                f"--mixtures: rows of {other.network.name} and {head.network.name} are both called"
                f" {head.title!r}; expected titles that keep them apart"
            )


def _check_units(heads: Sequence[MixedHead]) -> None:
    """Raises UsageError if a row has other units than the first."""
    first = heads[0]
    for head in heads[1:]:
        if head.units != first.units:
            own = "; ".join(
                f"{', '.join(name for name in one.units if name not in other.units) or 'none'}"
                f" of {one.network.name} alone"
                for one, other in ((first, head), (head, first))
            )
            raise UsageError(f"--mixtures: expected runs that mix the same units, got {own}")
