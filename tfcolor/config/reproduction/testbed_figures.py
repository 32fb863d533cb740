"""The dissertation's figures 4.2, 4.4 and 4.5, as data."""

from tfcolor.config.reproduction.distillation_tables import compressed, divergence_flags
from tfcolor.config.reproduction.study import SCALES, Cell, Column, Figure, Row, Series, Table
from tfcolor.config.reproduction.testbed_tables import MATERIAL
from tfcolor.config.reproduction.testbed_trainings import OWN, SMALL_NOTE, everything

DIVERGENCE_SHAPES, GRADIENT_NORM = "divergence_shapes", "gradient_norm"
SHAPES_FIGURE = Figure(
    "Shape of AB divergence",
    DIVERGENCE_SHAPES,
    (Series("shapes", "Four divergences"),),
    "squared distance and the symmetric divergence are the same from both sides; only the former"
    " and the shift-invariant one have the same shape everywhere.",
)
GRADIENT_FIGURE = Figure(
    "Gradient norm",
    GRADIENT_NORM,
    (
        Series(
            "labels",
            "Supervised training on CIFAR-100",
            {scale: everything(scale) for scale in SCALES},
        ),
    ),
    "the norm grows quickly at first and falls later on, most of all where the rate is dropped.",
    SMALL_NOTE,
)
STEPS = (0.0, 0.125, 0.25, 0.5, 1.0)
"""Values of t: how far along its line a divergence lies."""


def _line(name: str, title: str, direction: float, published: dict[float, float]) -> Row:
    """Returns the row of the line of (t, direction * t)."""
    cells = {}
    for t in STEPS:
        flags = divergence_flags(t, direction * t)
        subjects = {scale: compressed(scale, flags) for scale in SCALES}
        cells[_name(t)] = Cell(published.get(t), subjects)
    return Row(name, title, cells)


def _name(t: float) -> str:
    """Returns the name of the column of a step."""
    return f"t_{round(1000 * t)}"


LINES_FIGURE = Table(
    "AB divergence as a distillation loss",
    (
        _line("kl", "Kullback-Leibler (t, 0)", 0.0, {0.0: 36.1, 0.25: 38.0}),
        _line("symmetric", "symmetric (t, t)", 1.0, {0.0: 36.1}),
        _line("invariant", "scale-invariant (t, -t)", -1.0, {0.0: 36.1}),
    ),
    tuple(
        Column(_name(t), f"{t:g}", OWN, "top1_accuracy", own_key="heldout/top1_accuracy", place=t)
        for t in STEPS
    ),
    MATERIAL,
    SMALL_NOTE,
    axes=("t", "test accuracy of Task-Compress (%)"),
)
