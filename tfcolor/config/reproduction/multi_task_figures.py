"""The figures of Doersch and Zisserman's paper, as data."""

from collections.abc import Sequence

from tfcolor.config.reproduction.multi_task_tables import (
    DATASET,
    MAIN,
    NOTE,
    READING,
    SOURCE,
    STARTS,
    Start,
    evaluated,
)
from tfcolor.config.reproduction.multi_task_trainings import (
    MIXING,
    NUM_CHECKPOINTS,
    checkpoint_steps,
    deepened,
    detected,
    pretrained,
    probed,
)
from tfcolor.config.reproduction.study import (
    SCALES,
    Cell,
    Column,
    Figure,
    Row,
    Series,
    Subject,
    Table,
)

MIXTURE_WEIGHTS = "mixture_weights"
PLACES = range(NUM_CHECKPOINTS + 1)
"""Checkpoints; 0 is random weights."""


def _name(column: Column, place: int) -> str:
    """Returns the name of a column of a figure."""
    return f"{column.name}_{place}"


def _columns() -> tuple[Column, ...]:
    """Returns every evaluation at every checkpoint."""
    return tuple(
        Column(
            _name(column, place),
            f"{column.title}, {place}",
            column.measure,
            column.key,
            place=place,
            panel=column.title,
        )
        for column in MAIN
        for place in PLACES
    )


def _course(name: str, published: tuple[float, float, float]) -> Row:
    """Returns the row of a pretraining, measured from checkpoint to checkpoint."""
    title, start = STARTS[name]
    numbers = {column.name: one for column, one in zip(MAIN, published, strict=True)}
    cells = {
        _name(column, place): Cell(
            numbers[column.name] if place == NUM_CHECKPOINTS else None,
            {
                scale: _subject(column, start, scale, _moment(scale, name, place))
                for scale in SCALES
            },
        )
        for place in PLACES[1:]
        for column in MAIN
    }
    return Row(name, title, cells)


def _subject(column: Column, start: Start, scale: str, flags: tuple[str, ...]) -> Subject:
    """Returns what is measured of a pretraining at a scale."""
    return evaluated({}, (column,), start, flags)[column.name].subjects[scale]


def _moment(scale: str, name: str, place: int) -> tuple[str, ...]:
    """Returns the flags that start from a checkpoint before the last."""
    if place == NUM_CHECKPOINTS:
        return ()
    return (f"--initial_checkpoint={place * checkpoint_steps(scale, name)}",)


def _random() -> Row:
    """Returns the row without pretraining, the beginning of all lines."""
    title, start = STARTS["random"]
    numbers = (10.5, None, 61.00)
    published = {column.name: number for column, number in zip(MAIN, numbers, strict=True)}
    cells = evaluated(published, MAIN, start)
    return Row("random", title, {_name(column, 0): cells[column.name] for column in MAIN})


def _courses(title: str, names: Sequence[tuple[str, tuple[float, float, float]]]) -> Table:
    """Returns a figure of the downstream results in the course of pretrainings."""
    return Table(
        title,
        (*(_course(*one) for one in names), _random()),
        _columns(),
        DATASET,
        NOTE,
        reading=READING,
        source=SOURCE,
        axes=("compute, in sevenths of the whole", ""),
    )


RELATIVE = ("rp", (59.21, 66.75, 80.54))
SINGLE_FIGURE = _courses(
    "Downstream results in the course of single pretext tasks",
    (
        RELATIVE,
        ("col", (62.48, 65.47, 76.79)),
        ("ex", (53.08, 60.94, 69.57)),
        ("ms", (48.29, 61.13, 74.24)),
    ),
)
COMBINATIONS_FIGURE = _courses(
    "Downstream results in the course of combinations",
    (
        RELATIVE,
        ("rp_col", (66.64, 68.75, 79.87)),
        ("rp_ex", (65.24, 69.44, 78.70)),
        ("rp_ms", (63.73, 68.81, 78.72)),
        ("rp_col_ex", (68.65, 69.48, 80.17)),
        ("all", (69.30, 70.53, 79.25)),
    ),
)
_MIXED = {scale: pretrained(scale, "all_lasso") for scale in SCALES}
MIXTURES_FIGURE = Figure(
    "Weights of the units of block 3, by task",
    MIXTURE_WEIGHTS,
    (
        Series(
            "lasso",
            "Four pretext tasks",
            _MIXED,
            rivals={
                title: {scale: make(scale, _MIXED[scale], MIXING) for scale in SCALES}
                for title, make in (
                    ("ImageNet frozen", probed),
                    ("Detection", detected),
                    ("Depth", deepened),
                )
            },
        ),
    ),
    "tasks select different units, but most of them some low and some high ones; depth selects"
    " high ones, the other evaluations several levels, often not those of the pretext tasks.",
    NOTE,
)
