"""Which cells of a table are measured, in which order, and which cannot be."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from tfcolor.config.reproduction.jobs import Place, why_missing
from tfcolor.config.reproduction.options import LAYOUTS, ReproduceOptions
from tfcolor.config.reproduction.study import SMALL, Column, Measure, Row, Subject, Table
from tfcolor.core.errors import UsageError, UserError

ALL = "all"
"""Value of `--columns` for every column of a table that has only some by itself."""


class Named(Protocol):
    """Anything that flags choose by name."""

    @property
    def name(self) -> str:
        """Returns its name."""


Item = TypeVar("Item", bound=Named)


@dataclasses.dataclass(frozen=True)
class Job:
    """One measurement.

    Args:
      row: whose cells.
      columns: the cells that it fills.
      subject: what is measured.
      seed: of its runs.
    """

    row: Row
    columns: tuple[Column, ...]
    subject: Subject
    seed: int

    @property
    def measure(self) -> Measure:
        """Returns how it is measured."""
        return self.subject.measure or self.columns[0].measure

    @property
    def title(self) -> str:
        """Returns what messages call it."""
        columns = ", ".join(column.title for column in self.columns)
        return f"{self.row.title}, {columns}, seed {self.seed}"


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
      rows: those that are run, of which some cells may be missing.
      jobs: in order, seed by seed, so that a first whole table is there early.
      gaps: what is left out and why, one sentence each.
    """

    rows: list[Row]
    jobs: list[Job]
    gaps: list[str]


def plan_table(table: Table, options: ReproduceOptions, place: Place) -> Plan:
    """Returns what is to be measured for a table.

    Args:
      table: all of it.
      options: which rows, columns and seeds, at which scale.
      place: where the data is.

    Returns:
      Jobs for all cells whose data is there.

    Raises:
      UsageError: if a row or column is unknown.
      UserError: if nothing at all can be measured.
    """
    runnable = [row for row in table.rows if not row.is_quoted]
    rows = choose("rows", runnable, options.rows)
    columns = choose("columns", table.columns, _wanted_columns(table, options))
    wanted = [
        (row, group, subject, why_missing(subject, subject.measure or group[0].measure, place))
        for row in rows
        for subject, group in _measurements(row, columns, options.scale)
    ]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row, group, _, reason in wanted:
        for column in group if reason else ():
            reasons.setdefault((column.title, reason), []).append(row.title)
    gaps = [
        f"{column} of {', '.join(titles)}: there is no {reason}"
        for (column, reason), titles in reasons.items()
    ]
    cells = [(row, group, subject) for row, group, subject, reason in wanted if not reason]
    if not cells:
        raise UserError(
            f"--data={options.data}: nothing can be measured ({'; '.join(gaps) or 'no such cell'});"
            f" expected {LAYOUTS[options.scale]} in this folder"
        )
    jobs = [
        Job(row, group, subject, seed)
        for seed in range(options.seeds)
        for row, group, subject in cells
        if subject.runs or seed == 0
    ]
    return Plan(rows, jobs, gaps)


def _wanted_columns(table: Table, options: ReproduceOptions) -> tuple[str, ...]:
    """Returns the names of the columns, none for all."""
    if options.columns == (ALL,):
        return ()
    return options.columns or (table.small_columns if options.scale == SMALL else ())


def choose(flag: str, items: Sequence[Item], names: Sequence[str]) -> list[Item]:
    """Returns the items that a flag names.

    Args:
      flag: its name, for messages.
      items: all there are.
      names: those wanted; none for all.

    Returns:
      Items in their own order.

    Raises:
      UsageError: if there is no item of a name.
    """
    known = [item.name for item in items]
    if any(name not in known for name in names):
        raise UsageError(f"--{flag}={','.join(names)}: expected some of {', '.join(known)}")
    return [item for item in items if not names or item.name in names]


def _measurements(
    row: Row, columns: Sequence[Column], scale: str
) -> list[tuple[Subject, tuple[Column, ...]]]:
    """Returns what is measured for a row, with the columns that share it."""
    groups: dict[tuple[Subject, str], list[Column]] = {}
    for column in columns:
        cell = row.cells.get(column.name)
        if cell is not None and scale in cell.subjects:
            groups.setdefault((cell.subjects[scale], column.measure.name), []).append(column)
    return [(subject, tuple(group)) for (subject, _), group in groups.items()]
