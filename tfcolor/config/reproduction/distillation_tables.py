"""The dissertation's tables 4.3 and 4.4, as data: networks that learn from networks."""

import dataclasses
from collections.abc import Callable, Mapping

from tfcolor.config.reproduction.layout import TESTBED
from tfcolor.config.reproduction.study import (
    SCALES,
    Cell,
    Column,
    Row,
    Subject,
    Table,
    Training,
)
from tfcolor.config.reproduction.testbed_tables import MATERIAL, SUBSET, by_subset
from tfcolor.config.reproduction.testbed_trainings import (
    CLASSIFYING,
    OWN,
    PROBING,
    QUARTERS,
    SMALL_NOTE,
    WHOLE_BATCH,
    distilled,
    everything,
    represented,
    separate,
    thin,
)

AUXILIARY = "--distillation_adaptation=auxiliary_layer"
ALL_IMAGES = "--image_range="
SHALLOW = "--backbone=cifar_shallow"
AUGMENTED = (
    "--distillation_use_mirror=true",
    "--distillation_max_shift=4",
    "--distillation_dropout_rate=0",
    "--cifar_deep_use_dropout=false",
)
"""As for Task-Ensemble: other views of the images in the place of dropout."""
ENSEMBLE_SIZE, SEED_STEP = 6, 10
"""Teachers of Task-Ensemble, and between their seeds: more than a table's runs."""
Making = Callable[[str, tuple[str, ...]], Subject]
"""Returns what is measured of a problem at a scale by the flags of a loss."""


def teachers(scale: str, count: int = 1) -> tuple[Training, ...]:
    """Returns networks that learn the labels of all images.

    Args:
      scale: "small" or "full".
      count: how many, with different seeds.

    Returns:
      Trainings of Deep.
    """
    flags = (*thin(scale, WHOLE_BATCH), ALL_IMAGES)
    one = Training("deep_teacher", "configs/table_4_3/teacher.cfg", TESTBED, flags)
    return tuple(
        dataclasses.replace(one, seed_offset=SEED_STEP * number) for number in range(count)
    )


def divergence_flags(alpha: float, beta: float = 0.0) -> tuple[str, ...]:
    """Returns the flags of an alpha-beta divergence."""
    # The sum is 0 for -0, whose text is another.
    return (f"--distillation_alpha={alpha:g}", f"--distillation_beta={beta + 0.0:g}")


def compressed(scale: str, flags: tuple[str, ...]) -> Subject:
    """Returns what measures Shallow as a student of Deep at the task layer.

    Args:
      scale: "small" or "full".
      flags: of the loss.

    Returns:
      A subject of the problem Task-Compress.
    """
    return _of_task(scale, "task_compress", flags, SHALLOW)


def _of_task(scale: str, name: str, flags: tuple[str, ...], *more: str, count: int = 1) -> Subject:
    """Returns what measures a student at the task layer."""
    run = distilled(
        scale,
        _named(name, flags),
        teachers(scale, count),
        ALL_IMAGES,
        *more,
        *flags,
        level="task",
    )
    return Subject((run,), measure=OWN)


def _of_top(scale: str, name: str, flags: tuple[str, ...], *more: str) -> Subject:
    """Returns what measures a student at the top layer."""
    teacher = everything(scale)
    return represented(scale, distilled(scale, _named(name, flags), (teacher,), *more, *flags))


def _named(name: str, flags: tuple[str, ...]) -> str:
    """Returns the name of a student by a divergence."""
    numbers = [flag.partition("=")[2] for flag in flags]
    return "_".join([name, *numbers])


PROBLEMS: Mapping[str, tuple[str, Making]] = {
    "task_ensemble": (
        "Task-Ensemble",
        lambda scale, flags: _of_task(
            scale, "task_ensemble", flags, *AUGMENTED, count=ENSEMBLE_SIZE
        ),
    ),
    "task_copy": ("Task-Copy", lambda scale, flags: _of_task(scale, "task_copy", flags)),
    "task_compress": ("Task-Compress", compressed),
    "top_copy": ("Top-Copy", lambda scale, flags: _of_top(scale, "top_copy", flags)),
    "top_compress": (
        "Top-Compress",
        lambda scale, flags: _of_top(scale, "top_compress", flags, SHALLOW),
    ),
}
"""Title and subject of each problem of table 4.2."""


def _loss(name: str, title: str, alpha: float, published: tuple[float, ...]) -> Row:
    """Returns the row of a loss."""
    cells = {}
    for number, (key, (_, make)) in zip(published, PROBLEMS.items(), strict=True):
        flags = divergence_flags(alpha)
        cells[key] = Cell(number, {scale: make(scale, flags) for scale in SCALES})
    return Row(name, title, cells)


def _teaching(key: str, published: float) -> Cell:
    """Returns what the teacher of a problem is worth."""
    subjects = {}
    for scale in SCALES:
        count = ENSEMBLE_SIZE if key == "task_ensemble" else 1
        subjects[scale] = (
            represented(scale, everything(scale))
            if key.startswith("top")
            else Subject(teachers(scale, count), measure=CLASSIFYING)
        )
    return Cell(published, subjects)


LOSSES_TABLE = Table(
    "Distillation loss",
    (
        _loss("l2", "D_AB (0, 0) (L2)", 0.0, (61.7, 57.8, 36.1, 52.5, 38.4)),
        _loss("kl", "D_AB (1/4, 0)", 0.25, (62.5, 58.6, 38.0, 52.6, 39.0)),
        Row(
            "teacher",
            "Teacher",
            {
                key: _teaching(key, number)
                for key, number in zip(PROBLEMS, (66.0, 59.7, 59.7, 52.2, 52.2), strict=True)
            },
        ),
    ),
    tuple(
        Column(key, title, PROBING, "top1_accuracy", own_key="heldout/top1_accuracy")
        for key, (title, _) in PROBLEMS.items()
    ),
    MATERIAL,
    f"{SMALL_NOTE} Teachers and students at the task layer learn from all 16,000. Shallow has half"
    " of its channels, but a top as wide as Deep's.",
)


def _method(name: str, title: str, published: float, flag: str, *, is_warm: bool) -> Row:
    """Returns a row of table 4.4."""

    def make(scale: str) -> Subject:
        singles = separate(scale, QUARTERS)
        if flag == SUBSET and not is_warm:
            return represented(scale, by_subset(scale, QUARTERS))
        label = "subset" if flag == SUBSET else "auxiliary"
        start = singles[0] if is_warm else None
        run = distilled(scale, f"{label}_{QUARTERS.name}", singles, flag, start=start)
        return represented(scale, run)

    return Row(
        name, title, {QUARTERS.name: Cell(published, {scale: make(scale) for scale in SCALES})}
    )


ADAPTATIONS_TABLE = Table(
    "Distillation methods",
    (
        _method("auxiliary", "Auxiliary layer", 40.9, AUXILIARY, is_warm=False),
        _method("auxiliary_warm", "Auxiliary layer (warm start)", 41.7, AUXILIARY, is_warm=True),
        _method("subset", "Feature subset", 43.6, SUBSET, is_warm=False),
        _method("subset_warm", "Feature subset (warm start)", 43.7, SUBSET, is_warm=True),
    ),
    (QUARTERS.column,),
    MATERIAL,
    SMALL_NOTE,
)
