"""What a reproduced table is made of: trainings, measures, cells, rows, columns."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SMALL, FULL = "small", "full"
SCALES = (SMALL, FULL)
TRAIN, FIT_PARTS = "train", "fit_parts"


@dataclasses.dataclass(frozen=True)
class Weights:
    """A run that is there already, as `tfcolor convert` makes it.

    Args:
      name: of its folder below that of `--weights`.
    """

    name: str

    @property
    def run_name(self) -> str:
        """Returns what the names of runs that start from it begin with."""
        return self.name

    def lineage(self) -> "Iterator[Training | Weights]":
        """Yields itself: nothing comes before it."""
        yield self


@dataclasses.dataclass(frozen=True)
class Training:
    """One run of `train` or `fit_parts`, and those that have to come before it.

    Two equal trainings are one run, whichever cells, rows or tables need it.

    Args:
      name: what it adds to the name of the run's folder, beyond what it starts
        from.
      config: flagfile, relative to the project.
      images: what it learns from, by name in the layout of the data.
      flags: flags of the command laid over the flagfile, in order; {data} stands
        for the folder of the data, {seed} for the seed of the run, {needs} for the
        folders of the runs in `needs`, with commas.
      start: whose backbone, or whose parts, it takes over; None for none.
      schedule: the training whose found schedule it follows; None for none.
      needs: further trainings whose runs its flags name.
      seed_offset: added to the seed of this run, not of those before it.
      command: that makes it, `TRAIN` or `FIT_PARTS`.
    """

    name: str
    config: str
    images: str
    flags: tuple[str, ...] = ()
    start: "Training | Weights | None" = None
    schedule: "Training | None" = None
    needs: tuple["Training", ...] = ()
    seed_offset: int = 0
    command: str = TRAIN

    @property
    def run_name(self) -> str:
        """Returns the name of the run's folder, without the seed."""
        return f"{self.start.run_name}+{self.name}" if self.start else self.name

    @property
    def parents(self) -> tuple["Training | Weights", ...]:
        """Returns what it takes something from."""
        return tuple(one for one in (self.start, self.schedule, *self.needs) if one)

    def lineage(self) -> Iterator["Training | Weights"]:
        """Yields what it needs and then itself, in the order of running."""
        steps = [step for parent in self.parents for step in parent.lineage()]
        yield from dict.fromkeys([*steps, self])


@dataclasses.dataclass(frozen=True)
class Measure:
    """How a cell is measured.

    Args:
      name: for names of files.
      protocol: of `evaluate`; empty takes the figures that the run has of its
        held-out images.
      images: what it measures on, by name in the layout of the data.
      flags: flags of `evaluate`; {data} stands for the folder of the data.
    """

    name: str
    protocol: str
    images: str
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
      name: for `--columns`.
      title: as the report shows it.
      measure: how its cells are measured.
      key: name of the figure in the JSON of `evaluate`; "curve.0.mean" is the mean
        of the first point of a curve, "layers.*.mean" that of the only layer.
      digits: decimals in the report.
      factor: from the figure to the published unit, 100 for percent.
      own_key: name of the figure in the result of a run that measures itself;
        empty if it is that of `key`.
      place: on the horizontal axis, where the source draws it.
      panel: title of the part of the drawing; empty if there is only one.
      lower_is_better: of errors.
    """

    name: str
    title: str
    measure: Measure
    key: str
    digits: int = 1
    factor: float = 100.0
    own_key: str = ""
    place: float | None = None
    panel: str = ""
    lower_is_better: bool = False

    def read(self, figures: Mapping[str, Any]) -> float | None:
        """Returns a cell's number in the published unit.

        Args:
          figures: what was measured.

        Returns:
          The number; None if it is not among the figures.
        """
        value = _follow(figures, self.key)
        if value is None and self.own_key:
            value = figures.get(self.own_key)
        return None if value is None else self.factor * float(value)


def _follow(figures: Any, path: str) -> Any:
    """Returns what lies in nested figures under names and numbers with dots, or None."""
    for step in path.split("."):
        if step == "*" and isinstance(figures, Mapping):
            figures = next(iter(figures.values())) if len(figures) == 1 else None
        elif isinstance(figures, Mapping):
            figures = figures.get(step)
        elif isinstance(figures, Sequence) and step.isdigit() and int(step) < len(figures):
            figures = figures[int(step)]
        else:
            return None
    return figures


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured for a cell.

    Args:
      runs: trainings whose last checkpoints are measured; several are an
        ensemble, none is the gray baseline.
      flags: flags of `evaluate` besides those of the measure.
      measure: how, if not as the column says.
      summary: of several runs that are measured one by one instead, "mean" or
        "max"; empty for an ensemble.
    """

    runs: tuple[Training, ...] = ()
    flags: tuple[str, ...] = ()
    measure: Measure | None = None
    summary: str = ""

    @property
    def measures_itself(self) -> bool:
        """Tells whether the figures are in the result of its run, on held-out images."""
        return any(run.command == FIT_PARTS for run in self.runs)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Args:
      published: the source's number; None if it has none.
      subjects: what is measured, by scale; none if it is only quoted.
    """

    published: float | None = None
    subjects: Mapping[str, Subject] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
      name: short name, for files and `--rows`.
      title: as the report shows it.
      cells: by name of column.
      colorize: flags of `colorize` for the report's pictures; {photo} stands for
        the photograph itself.
      parts: names of the rows whose pretext tasks it combines; the report compares
        it with the best of them.
    """

    name: str
    title: str
    cells: Mapping[str, Cell]
    colorize: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def is_quoted(self) -> bool:
        """Tells whether the row is somebody else's method, which is not run."""
        return not any(cell.subjects for cell in self.cells.values())


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the dissertation.

    Args:
      title: what it shows.
      rows: in the order of the source.
      columns: those without published numbers too.
      dataset: what the source measures on. For colorization it is also the name
        of a folder or list below `--data` at full scale.
      note: how the small scale differs in kind, for the report.
      subset: flags of `evaluate` for colorization at full scale.
      reading: how to read our numbers beside the published ones.
      remark: on the data at either scale, for the report.
      small_columns: names of the columns of small scale unless others are asked
        for; empty for all.
      baseline: name of the row that the report compares the others with; empty for
        none, and where rows are compared with their parts.
      axes: labels of the horizontal and the vertical axis if the source draws it,
        a line for each row through its columns that have a place.
      source: where the published numbers are from.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    dataset: str
    note: str = ""
    subset: tuple[str, ...] = ()
    reading: str = "compare the order of the rows"
    remark: str = ""
    small_columns: tuple[str, ...] = ()
    baseline: str = ""
    axes: tuple[str, ...] = ()
    source: str = "the dissertation"

    @property
    def kind(self) -> str:
        """Returns what the source has it as, "table" or "figure"."""
        return "figure" if self.axes else "table"


@dataclasses.dataclass(frozen=True)
class Series:
    """One network that a figure looks at.

    Args:
      name: short name, for files and `--rows`.
      title: as the report shows it.
      pretraining: of the network, by scale; empty if the figure needs no network.
      downstream: what is trained from it, by scale; empty for nothing.
      moments: at which parts of its length the pretraining has a snapshot that is
        trained downstream; none if its end alone matters.
      rivals: further trainings by title, each by scale, that are drawn with it.
      label_counts: by scale, with how many images of each class the downstream
        network is trained, from the pretrained one and from scratch; empty for
        those that it has by itself.
    """

    name: str
    title: str
    pretraining: Mapping[str, Training] = dataclasses.field(default_factory=dict)
    downstream: Mapping[str, Training] = dataclasses.field(default_factory=dict)
    moments: tuple[float, ...] = ()
    rivals: Mapping[str, Mapping[str, Training]] = dataclasses.field(default_factory=dict)
    label_counts: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of the dissertation.

    Args:
      title: what it shows.
      analysis: of `analyze`.
      series: the networks, each with a picture of its own.
      published: what the source finds.
      note: how the small scale differs in kind, for the report.
    """

    title: str
    analysis: str
    series: tuple[Series, ...]
    published: str
    note: str = ""
