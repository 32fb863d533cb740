"""The dissertation's tables 4.5 and 4.6, as data: several tasks for one network."""

from collections.abc import Callable, Sequence

from tfcolor.config.reproduction.study import SCALES, SMALL, Cell, Row, Subject, Table, Training
from tfcolor.config.reproduction.testbed_trainings import (
    CLASSIFYING,
    DIVISIONS,
    MIXED,
    QUARTERS,
    SMALL_NOTE,
    Division,
    by,
    distilled,
    everything,
    in_turns,
    joint,
    linear,
    represented,
    separate,
    side_by_side,
)

SUBSET = "--distillation_adaptation=subset"
MATERIAL = "CIFAR-100 test"
Making = Callable[[str, Division], Subject]
"""Returns what is measured of a division at a scale."""


def make_row(
    name: str, title: str, published: Sequence[float | None], make: Making, *others: Division
) -> Row:
    """Returns a row with a cell for each division that has a number.

    Args:
      name: for files and `--rows`.
      title: as the report shows it.
      published: in the order of the columns.
      make: of a cell's subject.
      others: divisions that are measured without a published number.

    Returns:
      A row of tables 4.4 to 4.6.
    """
    pairs = zip(DIVISIONS, published, strict=True)
    cells = {
        division.name: Cell(number, {scale: make(scale, division) for scale in SCALES})
        for division, number in pairs
        if number is not None or division in others
    }
    return Row(name, title, cells)


def _alone(summary: str) -> Making:
    """Returns what measures the networks of the single tasks."""

    def make(scale: str, division: Division) -> Subject:
        runs = separate(scale, division)
        if scale == SMALL:
            return Subject(runs, summary=summary)
        return Subject(tuple(map(linear, runs)), measure=CLASSIFYING, summary=summary)

    return make


def _of(make: Callable[[str, Division], Training]) -> Making:
    """Returns what measures the representation of one network."""
    return lambda scale, division: represented(scale, make(scale, division))


def by_subset(scale: str, division: Division) -> Training:
    """Returns the student of the single tasks by a subset of their features."""
    teachers = separate(scale, division)
    return distilled(scale, f"subset_{division.name}", teachers, SUBSET)


def _by_columns(scale: str, division: Division) -> Subject:
    """Returns what measures the networks of split activations."""
    return Subject(
        (side_by_side(scale, division),), measure=None if scale == SMALL else CLASSIFYING
    )


def _by_owners(scale: str, division: Division) -> Training:
    """Returns the network of split weights."""
    return joint(scale, division, "split_weights", "--split_weights=true", split=True)


def _together(optimizer: str) -> Making:
    """Returns what measures the network of joint training by an optimizer."""
    return _of(lambda scale, division: jointly(scale, division, optimizer))


def jointly(scale: str, division: Division, optimizer: str) -> Training:
    """Returns the network of joint training.

    Args:
      scale: "small" or "full".
      division: into tasks.
      optimizer: value of `--optimizer`.

    Returns:
      A training of several tasks.
    """
    return joint(scale, division, optimizer, *by(scale, optimizer))


def _turns(quantum: int) -> Making:
    """Returns what measures the network of tasks that take turns."""
    return _of(lambda scale, division: in_turns(scale, division, quantum))


NORMALIZED = (54.4, 51.4, 54.1, 51.5, 47.9, 51.1)
MULTI_TASK_TABLE = Table(
    "Multi-task learning",
    (
        make_row(
            "single_mean",
            "Single task (mean)",
            (38.4, 42.1, 41.6, 32.4, 24.4, 16.8),
            _alone("mean"),
        ),
        make_row(
            "single_max", "Single task (max)", (38.8, 43.0, 42.1, 33.3, 26.5, 32.2), _alone("max")
        ),
        make_row(
            "distillation",
            "Distillation (subset)",
            (44.0, 46.7, 54.2, 47.2, 42.2, None),
            _of(by_subset),
        ),
        make_row(
            "split_activations",
            "Split-activations",
            (29.4, 39.8, 47.3, 33.0, 1.0, None),
            _by_columns,
        ),
        make_row(
            "split_weights",
            "Split-weights",
            (47.0, 50.3, 52.3, 46.0, 25.5, None),
            _of(_by_owners),
        ),
        make_row("adam", "Joint (Adam)", (52.1, 49.2, 51.7, 49.3, 45.2, 46.6), _together("adam")),
        make_row(
            "multi_adam",
            "Joint (Multi-Adam)",
            (52.9, 50.7, 52.8, 49.5, 44.3, 44.3),
            _together("multi_adam"),
        ),
        make_row("sgd", "Joint (SGD)", (54.1, 52.2, 54.0, 51.3, 46.5, 38.5), _together("momentum")),
        make_row("norm_sgd", "Joint (NormSGD)", NORMALIZED, _together("norm_sgd")),
        make_row(
            "full",
            "Pretrained on full dataset",
            (55.5,) * 6,
            _of(lambda scale, division: everything(scale)),
        ),
    ),
    tuple(division.column for division in DIVISIONS),
    MATERIAL,
    SMALL_NOTE,
    small_columns=(QUARTERS.name, MIXED.name),
    baseline="single_mean",
)
TURNS_TABLE = Table(
    "Round-robin task scheduling",
    (
        make_row("joint", "Joint", NORMALIZED, _together("norm_sgd")),
        make_row(
            "quantum_1k",
            "Round-robin, Q = 1000",
            (54.4, 52.7, 53.6, 52.2, 47.7, 51.5),
            _turns(1000),
        ),
        make_row(
            "quantum_10k",
            "Round-robin, Q = 10,000",
            (54.2, 51.3, 52.2, 51.0, 48.2, 51.2),
            _turns(10_000),
        ),
    ),
    tuple(division.column for division in DIVISIONS),
    MATERIAL,
    f"{SMALL_NOTE} Taking turns, tasks have as many steps each as in joint training, and turns are"
    " as large a part of the whole as published.",
    small_columns=(QUARTERS.name, MIXED.name),
)
