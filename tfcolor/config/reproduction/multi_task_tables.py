"""The tables of Doersch and Zisserman's paper, as data."""

import types
from collections.abc import Callable, Mapping

from tfcolor.config.reproduction.cells import FINDING
from tfcolor.config.reproduction.layout import DEPTHS, LABELS
from tfcolor.config.reproduction.multi_task_trainings import (
    MIXING,
    NAMES,
    deepened,
    detected,
    from_labels,
    pretrained,
    probed,
    unlearned,
)
from tfcolor.config.reproduction.study import (
    SCALES,
    SMALL,
    Cell,
    Column,
    Measure,
    Row,
    Subject,
    Table,
    Training,
)

PROBING = Measure("linear_probe", "linear_probe", LABELS)
SOUNDING = Measure("depth", "depth", DEPTHS)
TOP1 = Column("imagenet_top1", "ImageNet frozen (% top-1)", PROBING, "layers.*.top1_accuracy")
TOP5 = Column("imagenet", "ImageNet frozen (% top-5)", PROBING, "layers.*.top5_accuracy")
PASCAL = Column("pascal", "Detection (% mAP)", FINDING, "mean_average_precision_50")
STRICT = Column(
    "pascal_75", "Detection, overlap 0.75 (% mAP)", FINDING, "mean_average_precision_75"
)
NYU = Column("nyu", "Depth (% within 1.25)", SOUNDING, "delta_1")
DEPTH_COLUMNS = (
    NYU,
    Column("nyu_2", "... (% within 1.25^2)", SOUNDING, "delta_2"),
    Column("nyu_3", "... (% within 1.25^3)", SOUNDING, "delta_3"),
    Column("nyu_mae", "Mean absolute error (m)", SOUNDING, "mae", 3, 1.0, lower_is_better=True),
    Column("nyu_mre", "Mean relative error", SOUNDING, "mre", 3, 1.0, lower_is_better=True),
)
_SMALL_PROBE = ("--linear_probe_num_images=4000",)

Start = Callable[[str], Training | None]
"""Returns the pretraining at a scale; None for random weights."""
SOURCE = "the paper"
DATASET = "ImageNet val, VOC 2007 test and NYU Depth v2 test"
NOTE = (
    "Small scale: a residual network of eight units with an eighth of the channels learns for 560"
    " steps of about 130,000 pixels, shared equally among the tasks, from about 800 photographs"
    " and street scenes and from three short clips, or from 12,800 labelled images of CIFAR-100."
    " It is probed on other images of CIFAR-100, enlarged to 96 pixels, and fine-tuned on 124"
    " photographs of raccoons with boxes and on 600 synthetic rooms with depth. Every step is by"
    " all tasks."
)
READING = "compare the order of the rows, and rows with one task with those of several"


def _measure(column: Column, start: Start, scale: str, flags: tuple[str, ...]) -> Subject:
    """Returns what is trained and measured for a cell."""
    begun = start(scale)
    if column.measure is PROBING:
        run = probed(scale, begun or unlearned(scale), flags)
        return Subject((run,), _SMALL_PROBE if scale == SMALL else ())
    make = detected if column.measure is FINDING else deepened
    return Subject((make(scale, begun, flags),))


def evaluated(
    numbers: Mapping[str, float | None],
    columns: tuple[Column, ...],
    start: Start,
    flags: tuple[str, ...] = (),
) -> dict[str, Cell]:
    """Returns the cells of a pretraining.

    Args:
      numbers: published ones, by name of column.
      columns: what is measured.
      start: of the downstream networks.
      flags: of downstream trainings besides.

    Returns:
      Cells by name of column, at both scales.
    """
    return {
        column.name: Cell(
            numbers.get(column.name),
            {scale: _measure(column, start, scale, flags) for scale in SCALES},
        )
        for column in columns
    }


def by_pretext(name: str) -> Start:
    """Returns what pretrains by a flagfile of configs/table_s4.

    Args:
      name: of the flagfile, without suffix.

    Returns:
      A pretraining by scale.
    """
    return lambda scale: pretrained(scale, name)


STARTS: dict[str, tuple[str, Start]] = {
    "rp": ("Relative position", by_pretext("rp")),
    "col": ("Colorization", by_pretext("col")),
    "ex": ("Exemplar", by_pretext("ex")),
    "ms": ("Motion segmentation", by_pretext("ms")),
    "rp_col": ("RP+Col", by_pretext("rp_col")),
    "rp_ex": ("RP+Ex", by_pretext("rp_ex")),
    "rp_ms": ("RP+MS", by_pretext("rp_ms")),
    "rp_col_ex": ("RP+Col+Ex", by_pretext("rp_col_ex")),
    "all": ("RP+Col+Ex+MS", by_pretext("all")),
    "rp_h": ("Relative position, harmonized", by_pretext("rp_h")),
    "rp_col_h": ("RP+Col, harmonized", by_pretext("rp_col_h")),
    "labels": ("Labels", from_labels),
    "random": ("Random weights", lambda scale: None),
}
"""Titles and pretrainings by the names of rows."""
PARTS = {name: tasks for name, tasks in NAMES.items() if len(tasks) > 1}
"""The single tasks of each combination, which has to be better than the best of them."""
HARMONIZED = {"rp_h": ("rp",), "rp_col_h": ("rp_col",)}
"""What each harmonized row is compared with."""


def _rows(
    columns: tuple[Column, ...],
    numbers: Mapping[str, tuple[float | None, ...]],
    parts: Mapping[str, tuple[str, ...]] = types.MappingProxyType({}),
) -> tuple[Row, ...]:
    """Returns a row for each name, with published numbers in the order of the columns."""
    return tuple(
        Row(
            name,
            STARTS[name][0],
            evaluated(_by_column(columns, published), columns, STARTS[name][1]),
            parts=parts.get(name, ()),
        )
        for name, published in numbers.items()
    )


def _by_column(
    columns: tuple[Column, ...], published: tuple[float | None, ...]
) -> dict[str, float | None]:
    """Returns published numbers by the names of their columns."""
    return {column.name: one for column, one in zip(columns, published, strict=True)}


def _quoted(name: str, title: str, top1: float | None, pascal: float) -> Row:
    """Returns a row of earlier work with other networks."""
    cells = {TOP1.name: Cell(top1), PASCAL.name: Cell(pascal)}
    return Row(name, title, {key: cell for key, cell in cells.items() if cell.published})


MEASURED = (TOP1, TOP5, PASCAL, STRICT, NYU)
SINGLE_TABLE = Table(
    "Single pretext tasks",
    (
        *_rows(
            MEASURED,
            {
                "rp": (36.21, 59.21, 66.75, None, 80.54),
                "col": (39.62, 62.48, 65.47, None, 76.79),
                "ex": (31.51, 53.08, 60.94, None, 69.57),
                "ms": (27.62, 48.29, 61.13, None, 74.24),
                "labels": (66.82, 85.10, 74.17, 44.27, 80.06),
                "random": (None, 10.5, None, None, 61.00),
            },
        ),
        _quoted("rp_before", "Relative position, earlier work", 31.7, 61.7),
        _quoted("col_before", "Colorization, earlier work", 32.6, 46.9),
        _quoted("ms_before", "Motion segmentation, earlier work", None, 52.2),
        _quoted("labels_before", "Labels, earlier work", 51.0, 69.9),
    ),
    MEASURED,
    DATASET,
    NOTE,
    reading=READING,
    source=SOURCE,
    baseline="random",
)
COMBINED = (TOP5, PASCAL, STRICT, NYU)
COMBINATIONS_TABLE = Table(
    "Combinations of pretext tasks",
    _rows(
        COMBINED,
        {
            "rp": (59.21, 66.75, None, 80.54),
            "col": (62.48, 65.47, None, 76.79),
            "ex": (53.08, 60.94, None, 69.57),
            "ms": (48.29, 61.13, None, 74.24),
            "rp_col": (66.64, 68.75, None, 79.87),
            "rp_ex": (65.24, 69.44, None, 78.70),
            "rp_ms": (63.73, 68.81, None, 78.72),
            "rp_col_ex": (68.65, 69.48, None, 80.17),
            "all": (69.30, 70.53, 43.91, 79.25),
            "labels": (85.10, 74.17, 44.27, 80.06),
            "random": (10.5, None, None, 61.00),
        },
        PARTS,
    ),
    COMBINED,
    DATASET,
    NOTE,
    reading=READING,
    remark="The rows of single tasks are those of the source's table 1, so that each combination is"
    " beside its parts.",
    source=SOURCE,
)
MAIN = (TOP5, PASCAL, NYU)
HARMONIZATION_TABLE = Table(
    "Harmonized inputs",
    _rows(
        MAIN,
        {
            "rp": (59.21, 66.75, 80.23),
            "rp_h": (62.33, 66.15, 80.39),
            "rp_col": (66.64, 68.75, 79.87),
            "rp_col_h": (68.08, 68.26, 79.69),
        },
        HARMONIZED,
    ),
    MAIN,
    DATASET,
    f"{NOTE} Harmonized, relative position sees what colorization does.",
    reading=READING,
    source=SOURCE,
)
LASSO = {
    "none": ("No lasso", "all", ()),
    "eval": ("Lasso downstream alone", "all", MIXING),
    "pretrain": ("Lasso in pretraining alone", "all_lasso", ()),
    "both": ("Lasso in both", "all_lasso", MIXING),
}
"""Title, pretraining and flags of downstream trainings of each row."""


def _lasso_rows(
    columns: tuple[Column, ...], numbers: Mapping[str, tuple[float, ...]]
) -> tuple[Row, ...]:
    """Returns the rows of a table on mixtures of units."""
    return tuple(
        Row(
            name,
            LASSO[name][0],
            evaluated(
                _by_column(columns, published), columns, by_pretext(LASSO[name][1]), LASSO[name][2]
            ),
        )
        for name, published in numbers.items()
    )


LASSO_TABLE = Table(
    "Mixtures of units with a lasso penalty",
    _lasso_rows(
        MAIN,
        {
            "none": (69.30, 70.53, 79.25),
            "eval": (70.18, 68.86, 79.41),
            "pretrain": (68.09, 68.49, 78.96),
            "both": (69.44, 68.98, 79.45),
        },
    ),
    MAIN,
    DATASET,
    NOTE,
    reading=READING,
    source=SOURCE,
    baseline="none",
)


def _depth_table(title: str, rows: tuple[Row, ...], note: str = NOTE) -> Table:
    """Returns a table of all measures of depth."""
    dataset = "NYU Depth v2 test"
    return Table(title, rows, DEPTH_COLUMNS, dataset, note, reading=READING, source=SOURCE)


SINGLE_DEPTH_TABLE = _depth_table(
    "Depth after single pretext tasks",
    _rows(
        DEPTH_COLUMNS,
        {
            "rp": (80.55, 94.65, 98.26, 0.399, 0.146),
            "col": (76.79, 93.52, 97.74, 0.444, 0.164),
            "ex": (71.25, 90.63, 96.54, 0.513, 0.191),
            "ms": (74.24, 92.42, 97.43, 0.473, 0.177),
            "labels": (80.06, 94.87, 98.45, 0.403, 0.146),
            "random": (61.00, 85.45, 94.67, 0.621, 0.227),
        },
    ),
)
COMBINATIONS_DEPTH_TABLE = _depth_table(
    "Depth after combinations of pretext tasks",
    _rows(
        DEPTH_COLUMNS,
        {
            "rp": (80.55, 94.65, 98.26, 0.399, 0.146),
            "rp_col": (79.88, 94.45, 98.15, 0.411, 0.148),
            "rp_ex": (78.70, 94.06, 98.13, 0.419, 0.151),
            "rp_ms": (78.72, 94.13, 98.08, 0.423, 0.153),
            "rp_col_ex": (80.17, 94.74, 98.27, 0.401, 0.149),
            "all": (79.26, 94.19, 98.07, 0.422, 0.152),
        },
    ),
)
HARMONIZATION_DEPTH_TABLE = _depth_table(
    "Depth and harmonized inputs",
    _rows(
        DEPTH_COLUMNS,
        {
            "rp": (80.55, 94.65, 98.26, 0.399, 0.146),
            "rp_h": (80.39, 94.67, 98.31, 0.400, 0.147),
            "rp_col": (79.88, 94.45, 98.15, 0.411, 0.148),
            "rp_col_h": (79.69, 94.28, 98.09, 0.411, 0.152),
        },
    ),
    HARMONIZATION_TABLE.note,
)
LASSO_DEPTH_TABLE = _depth_table(
    "Depth and mixtures of units",
    _lasso_rows(
        DEPTH_COLUMNS,
        {
            "none": (79.26, 94.19, 98.07, 0.422, 0.152),
            "eval": (79.41, 94.18, 98.07, 0.418, 0.152),
            "pretrain": (78.96, 94.05, 97.83, 0.423, 0.153),
            "both": (79.45, 94.49, 98.26, 0.411, 0.151),
        },
    ),
)
